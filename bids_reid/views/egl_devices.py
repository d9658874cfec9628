"""The devices that EGL can render on, and the one that is used: its pictures must be right."""

from __future__ import annotations

import ctypes
import os
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from bids_reid import devices

if TYPE_CHECKING:
    from collections.abc import Callable

INDEX_VARIABLE = 'VTK_DEFAULT_EGL_DEVICE_INDEX'
"""By this VTK is told which device to take, if somebody chooses it by hand."""
_EXTENSIONS = 0x3055
_SOFTWARE = b'EGL_MESA_device_software'
_MOST = 64


class EglDevice(NamedTuple):
    """A device: its number in EGL's list, and whether it is the processor."""

    number: int
    is_processor: bool


class Choice(NamedTuple):
    """Number of the device that renders, ``None`` for VTK's own, and why no card does.

    The reason is empty if one does, or if there is none.
    """

    device: int | None
    reason: str = ''


def egl_devices() -> list[EglDevice]:
    """Ask EGL which devices it has, in VTK's order; none if it cannot tell."""
    try:
        library = ctypes.CDLL('libEGL.so.1')
        query = _function(library, b'eglQueryDevicesEXT', ctypes.c_uint)
        text = _function(library, b'eglQueryDeviceStringEXT', ctypes.c_char_p)
    except (OSError, AttributeError):
        return []
    found, number = (ctypes.c_void_p * _MOST)(), ctypes.c_int()
    if query is None or text is None or not query(_MOST, found, ctypes.byref(number)):
        return []
    said = [text(ctypes.c_void_p(one), _EXTENSIONS) or b'' for one in found[: number.value]]
    return [EglDevice(index, _SOFTWARE in one) for index, one in enumerate(said)]


def _function(library: Any, name: bytes, result: Any) -> Callable[..., Any] | None:
    """Return an extension's function; ``None`` if this EGL does not have it."""
    find = library.eglGetProcAddress
    find.restype, find.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
    address = find(name)
    return ctypes.CFUNCTYPE(result)(address) if address else None


def choose_device(asked: int | Literal['auto', 'cpu']) -> Choice:
    """Choose the device to render on.

    ``auto`` takes the first card whose pictures are right, else the processor. A device that
    somebody chose by VTK's own variable is kept.
    """
    if isinstance(asked, int):
        return Choice(asked)
    if os.environ.get(INDEX_VARIABLE):
        return Choice(None)
    known, reasons = egl_devices(), list[str]()
    if asked == 'auto':
        for card in (one for one in known if not one.is_processor):
            reason = _why_not(card.number)
            if not reason:
                return Choice(card.number)
            reasons.append(reason)
    processor = next((one.number for one in known if one.is_processor), None)
    return Choice(processor, '; '.join(dict.fromkeys(reasons)))


def _why_not(number: int) -> str:
    """Say why a card cannot be used; nothing if it can."""
    from bids_reid.errors import RenderingError
    from bids_reid.views.known_scene import check_scene

    try:
        check_scene(number)
    except RenderingError as error:
        return str(error)
    return ''


@cache
def _chosen(asked: int | Literal['auto', 'cpu']) -> int | None:
    return choose_device(asked).device


def device_number() -> int | None:
    """Return the number of the device that this process renders on; ``None`` for VTK's own."""
    return _chosen(devices.renderer())
