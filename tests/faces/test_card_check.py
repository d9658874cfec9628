"""Before any work, a line says which networks run on a graphics card, or why they do not."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from bids_reid import devices
from bids_reid.errors import MachineError
from bids_reid.faces import card_check
from bids_reid.faces.card_check import check_card
from bids_reid.faces.networks.sessions import CARD, NO_PROVIDER

NAMES = ('orb', 'face_recognition')
ON_CARD = {'face_recognition': (f'onnxruntime 1 {CARD} (NVIDIA A100)', '')}


def on_card(question: Any, *_: object) -> None:
    question.send(ON_CARD)


def not_on_card(question: Any, *_: object) -> None:
    reason = 'not on the graphics card: onnxruntime differs from dlib by 0.3'
    question.send({'face_recognition': ('onnxruntime 1', reason)})


def refused(question: Any, *_: object) -> None:
    question.send('--device gpu: the graphics card cannot be used: out of memory')


def crash(*_: object) -> None:
    os.abort()


def hang(*_: object) -> None:
    time.sleep(60)


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(devices.NETWORKS, 'auto')
    monkeypatch.setattr(card_check, '_can_have_cards', lambda: True)
    monkeypatch.setattr(devices, 'card_names', tuple)
    card_check._engines.cache_clear()


def test_a_card_that_is_used_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card_check, '_answer', on_card)
    assert check_card(NAMES) == (
        f'face_recognition runs on the graphics card (onnxruntime 1 {CARD} (NVIDIA A100))'
    )
    assert devices.network_device() == 'auto'


def test_the_reason_why_it_is_not_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card_check, '_answer', not_on_card)
    assert check_card(NAMES) == (
        'face_recognition runs on the processor (onnxruntime 1): '
        'not on the graphics card: onnxruntime differs from dlib by 0.3'
    )


@pytest.mark.parametrize(('driver', 'said'), [(crash, card_check.ENDED), (hang, card_check.SLOW)])
def test_a_card_that_ends_processes_is_left_alone(
    driver: Callable[..., None], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise each scan fails, as its worker is killed."""
    monkeypatch.setattr(card_check, '_answer', driver)
    monkeypatch.setattr(card_check, 'SECONDS', 1.0)
    assert check_card(NAMES) == (
        f'networks run on the processor, not on the graphics card: {said}'
    )
    assert devices.network_device() == 'cpu'
    # also in the next run of this process
    monkeypatch.setenv(devices.NETWORKS, 'auto')
    check_card(NAMES)
    assert devices.network_device() == 'cpu'


@pytest.mark.parametrize('driver', [refused, crash])
def test_a_card_that_must_be_used_is_demanded(
    driver: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(devices.NETWORKS, 'gpu')
    monkeypatch.setattr(card_check, '_answer', driver)
    with pytest.raises(MachineError) as caught:
        check_card(NAMES)
    assert str(caught.value).count('the graphics card cannot be used') == 1


def test_an_onnxruntime_without_cuda_is_told_where_there_is_a_card(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever has one may wonder why it is idle; nobody else is told anything."""
    monkeypatch.setattr(card_check, '_can_have_cards', lambda: False)
    monkeypatch.setattr(card_check, '_answer', crash)
    assert check_card(NAMES) == ''
    monkeypatch.setattr(devices, 'card_names', lambda: ('NVIDIA A100', 'NVIDIA A100'))
    assert check_card(NAMES) == (
        f'networks run on the processor, not on NVIDIA A100: {NO_PROVIDER}'
    )
    monkeypatch.setenv(devices.NETWORKS, 'gpu')
    with pytest.raises(MachineError, match='install onnxruntime-gpu'):
        check_card(NAMES)


@pytest.mark.parametrize('names', [(), ('orb', 'sift')])
def test_nothing_is_tried_without_networks(
    names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(devices.NETWORKS, 'gpu')
    monkeypatch.setattr(card_check, '_answer', crash)
    assert check_card(names) == ''


def test_nothing_is_tried_if_the_processor_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(devices.NETWORKS, 'cpu')
    monkeypatch.setattr(card_check, '_answer', crash)
    assert check_card(NAMES) == ''


def test_a_child_says_what_a_worker_would_use() -> None:
    """On this machine: the processor, since the installed package has no CUDA."""
    sent: list[Any] = []

    class Question:
        def send(self, answer: object) -> None:
            sent.append(answer)

    before = [os.dup(stream) for stream in (1, 2)]
    try:
        card_check._answer(Question(), NAMES[1:], 'cpu')  # type: ignore[arg-type]
    finally:
        for stream, kept in zip((1, 2), before, strict=True):
            os.dup2(kept, stream)
            os.close(kept)
    ((engine, reason),) = sent[0].values()
    assert engine.startswith('onnxruntime ')
    assert not reason
