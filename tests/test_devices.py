"""What was asked for reaches every process, and a card is named as the driver names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_reid import devices


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (devices.NETWORKS, devices.RENDERS):
        monkeypatch.setenv(name, 'auto')


def test_the_processor_is_for_networks_and_renders() -> None:
    devices.use_device('cpu')
    assert (devices.network_device(), devices.renderer()) == ('cpu', 'cpu')
    assert devices.chosen_devices() == {devices.NETWORKS: 'cpu', devices.RENDERS: 'cpu'}


def test_a_card_for_networks_need_not_render() -> None:
    """Cards of clusters often cannot, and the processor's renders are the same."""
    devices.use_device('gpu')
    assert (devices.network_device(), devices.renderer()) == ('gpu', 'auto')


def test_what_was_found_out_replaces_what_was_asked_for() -> None:
    """Otherwise each worker tries the card that ended the process which tried it."""
    devices.use_device('auto')
    devices.use_processor_for_networks()
    devices.use_renderer(2)
    assert (devices.network_device(), devices.renderer()) == ('cpu', 2)


def test_a_library_that_was_told_nothing_finds_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for given in (None, 'much', ''):
        for name in (devices.NETWORKS, devices.RENDERS):
            if given is None:
                monkeypatch.delenv(name)
            else:
                monkeypatch.setenv(name, given)
        assert (devices.network_device(), devices.renderer()) == ('auto', 'auto')


def test_cards_are_named_by_their_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place, text in (
        ('0000:01:00.0', 'Model: \t\t NVIDIA A100-SXM4-80GB\nIRQ:   \t\t 170\n'),
        ('0000:02:00.0', 'IRQ: 1\n'),
    ):
        (tmp_path / place).mkdir()
        (tmp_path / place / 'information').write_text(text)
    monkeypatch.setattr(devices, '_DRIVER', tmp_path)
    assert devices.card_names() == ('NVIDIA A100-SXM4-80GB',)
    monkeypatch.setattr(devices, '_DRIVER', tmp_path / 'none')
    assert devices.card_names() == ()
