"""Which device renders: a graphics card whose pictures are right, else the processor."""

from __future__ import annotations

import pytest

from bids_reid import devices
from bids_reid.errors import RenderingError
from bids_reid.views import egl_devices, known_scene
from bids_reid.views.egl_devices import Choice, EglDevice, choose_device, device_number
from bids_reid.views.window import Window

CARDS = [EglDevice(0, False), EglDevice(1, False), EglDevice(2, True)]
"""Two cards, then the processor: the order of NVIDIA's driver beside Mesa."""


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A machine with two cards, of which the first draws wrong pictures."""
    tried: list[int] = []

    def check(number: int) -> str:
        tried.append(number)
        if number == 0:
            raise RenderingError('31% of a known picture is wrong with NVIDIA X')
        return 'NVIDIA Y'

    monkeypatch.setattr(egl_devices, 'egl_devices', lambda: CARDS)
    monkeypatch.setattr(known_scene, 'check_scene', check)
    monkeypatch.delenv(egl_devices.INDEX_VARIABLE, raising=False)
    return tried


def test_the_first_card_whose_pictures_are_right(tried: list[int]) -> None:
    assert choose_device('auto') == Choice(1)
    assert tried == [0, 1]


def test_the_processor_if_no_card_is_right(
    tried: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong pictures hold no faces: every scan would look safe."""
    monkeypatch.setattr(egl_devices, 'egl_devices', lambda: [CARDS[0], CARDS[2]])
    choice = choose_device('auto')
    assert choice.device == 2
    assert choice.reason == '31% of a known picture is wrong with NVIDIA X'
    assert tried == [0]


def test_the_processor_is_taken_without_trying_a_card(tried: list[int]) -> None:
    """`--device cpu` is for cards that hang."""
    assert choose_device('cpu') == Choice(2)
    assert tried == []


def test_a_device_that_was_checked_is_not_checked_again(tried: list[int]) -> None:
    assert choose_device(1) == Choice(1)
    assert tried == []


def test_a_device_chosen_by_hand_is_kept(
    tried: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(egl_devices.INDEX_VARIABLE, '1')
    assert choose_device('auto') == Choice(None)
    assert tried == []


def test_without_a_list_of_devices_vtk_takes_its_own(
    tried: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(egl_devices, 'egl_devices', list)
    assert choose_device('auto') == choose_device('cpu') == Choice(None)
    assert tried == []


def test_windows_are_opened_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """A choice that reaches no window is none."""
    monkeypatch.setenv(devices.RENDERS, '3')
    assert device_number() == 3
    assert Window(8)._window.GetDeviceIndex() == 3  # type: ignore[attr-defined]
    assert Window(8, device=0)._window.GetDeviceIndex() == 0  # type: ignore[attr-defined]


def test_this_machine_has_a_device_that_is_the_processor() -> None:
    """The list is VTK's, in its order, or another device than the one that was checked renders."""
    found = egl_devices.egl_devices()
    assert any(one.is_processor for one in found)
    assert len(found) == Window(8)._window.GetNumberOfDevices()  # type: ignore[attr-defined]


@pytest.mark.parametrize('missing', ['library', 'functions', 'answer'])
def test_an_old_egl_has_no_list(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if missing == 'library':

        def load(_: str) -> None:
            raise OSError('libEGL.so.1: cannot open shared object file')

        monkeypatch.setattr(egl_devices.ctypes, 'CDLL', load)
    else:
        given = (lambda *_: None) if missing == 'functions' else (lambda *_: lambda *_: 0)
        monkeypatch.setattr(egl_devices, '_function', given)
    assert egl_devices.egl_devices() == []
