"""Can this machine render? Asked in a child process: a missing driver may end the process."""

from __future__ import annotations

import mmap
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from bids_reid import devices
from bids_reid.asking import NoAnswerError, ask_child, be_silent
from bids_reid.errors import RenderingError
from bids_reid.printable import printable
from bids_reid.surroundings import memory_limit, not_enough_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection

    Asked = int | Literal['auto', 'cpu']
    Question = Callable[[Connection, Sequence[str], Asked], None]

WINDOW_VARIABLE = 'VTK_DEFAULT_OPENGL_WINDOW'
WINDOW = 'vtkEGLRenderWindow'
"""Renders without a screen, on a graphics card or on the processor."""
PACKAGES = 'libegl1 libgl1-mesa-dri'
ROOM = 700_000_000
"""Bytes of address space that the renderer's library reserves."""
SECONDS = 120
OVERRIDES = ('MESA_', 'LIBGL_', 'GALLIUM_', 'EGL_', '__EGL_', '__GL', 'LP_', 'VTK_DEFAULT_')
"""How the names of variables start by which drivers, and what chooses them, are told otherwise."""
_OURS = ('LP_NUM_THREADS',)


ENDED = 'the process that tried it ended'


class Renderer(NamedTuple):
    """A renderer's name, the number of its device, and why no graphics card is used.

    The number is ``None`` for the device that VTK takes by itself. There is no reason if a card is
    used, or if there is none.
    """

    name: str
    device: int | None
    reason: str = ''

    def __str__(self) -> str:
        """Say it in a line."""
        because = f' (not on the graphics card: {self.reason})' if self.reason else ''
        return f'{self.name}{because}'


def use_offscreen_window() -> None:
    """Make VTK render without a screen, in this process and those it starts."""
    os.environ[WINDOW_VARIABLE] = os.environ.get(WINDOW_VARIABLE) or WINDOW


def check_rendering() -> Renderer:
    """Render a scene whose picture is known, in a child process; choose the device for all others.

    A graphics card whose picture is wrong, or that ends the process, is not used.

    Raises
    ------
    RenderingError
        It failed; the message says which variable is to blame, or what to install.
    MachineError
        There is not enough memory, or no process can be started.
    """
    asked, said = devices.renderer(), _ask(_answer)
    if said is None and asked != 'cpu':
        # a card's driver may have ended the process
        asked, said = 'cpu', _ask(_answer, device='cpu')
        said = said and said._replace(reason=ENDED)
    if said is not None:
        devices.use_renderer(asked if said.device is None else said.device)
        return said
    limit = memory_limit()
    if limit is not None and limit.of_addresses and _ask(_take_room) is None:
        raise not_enough_memory()
    raise RenderingError(f'this machine cannot render images: {_advice()}')


def _advice() -> str:
    """Say what to mend: the variable without which there are renders, or what is missing."""
    install = f'install EGL and Mesa, on Debian and Ubuntu: apt-get install {PACKAGES}'
    given = overrides()
    for names in (*((name,) for name in given), given):
        if names and _ask(_answer, names) is not None:
            shown = ' '.join(f'{name}={printable(os.environ[name])}' for name in names)
            return f'rendering works without {shown}: unset {" ".join(names)}'
    if given:
        install = f'{install}; and unset {" ".join(given)}'
    return f'{install}{_unguarded()}'


def _unguarded() -> str:
    """Ask for the guard that a script needs, as processes that it starts import it."""
    main = sys.modules['__main__']
    is_script = hasattr(main, '__file__') and main.__spec__ is None
    if not is_script or Path(sys.argv[0]).name.startswith('bids-reid'):
        return ''
    return "; if this is your own script, put its calls below if __name__ == '__main__':"


def overrides() -> tuple[str, ...]:
    """Names of the variables that tell drivers otherwise, and were not set by this program."""
    chosen = os.environ.get(WINDOW_VARIABLE) not in ('', WINDOW, None)
    return tuple(
        name
        for name in sorted(os.environ)
        if name.startswith(OVERRIDES) and name not in _OURS and (name != WINDOW_VARIABLE or chosen)
    )


def _ask(
    question: Question, without: Sequence[str] = (), device: Asked | None = None
) -> Renderer | None:
    """Ask a child process; return its answer, ``None`` if it ends without one.

    Parameters
    ----------
    question : callable
        Sends the answer into what it gets first.
    without : sequence of str
        Environment variables that it does not have.
    device : int or str, optional
        Where it renders (`bids_reid.devices.renderer`).

    Raises
    ------
    RenderingError
        There is no answer in time.
    MachineError
        The child was killed for memory, or could not be started.
    """
    device = devices.renderer() if device is None else device
    try:
        said = ask_child(question, without, device, seconds=SECONDS)
    except NoAnswerError:
        raise RenderingError(f'the renderer does not respond: {_without_trying()}') from None
    return said if isinstance(said, Renderer | None) else Renderer(str(said), None)


def _without_trying() -> str:
    """Say what may have to be mended where each try takes minutes."""
    given = overrides()
    unset = f'unset {" ".join(given)}, or ' if given else ''
    # a card may hang
    spare = devices.card_names() and devices.renderer() != 'cpu'
    card = 'use --device cpu, or ' if spare else ''
    return f'{card}{unset}install EGL and Mesa, on Debian and Ubuntu: apt-get install {PACKAGES}'


def _answer(question: Connection, without: Sequence[str] = (), device: Asked = 'auto') -> None:
    """Send the renderer; whatever goes wrong ends the process without an answer."""
    be_silent()
    for name in without:
        os.environ.pop(name, None)
    use_offscreen_window()
    question.send(renderer_on(device))


def _take_room(
    question: Connection, _without: Sequence[str] = (), _device: Asked = 'auto'
) -> None:
    """Send a word if there is room for a renderer's library and what it reserves."""
    be_silent()
    from bids_reid.views import window  # noqa: F401 (what is needed besides)

    with mmap.mmap(-1, ROOM):
        question.send('room')


def renderer_on(device: Asked) -> Renderer:
    """Choose a device of those asked for, and render a scene whose picture is known on it.

    Raises
    ------
    RenderingError
        The picture is wrong.
    """
    # imported here as it may be what fails
    from bids_reid.views.egl_devices import choose_device
    from bids_reid.views.known_scene import check_scene

    index, reason = choose_device(device)
    return Renderer(check_scene(index), index, reason)
