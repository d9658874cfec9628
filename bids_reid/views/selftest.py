"""Can this machine render? Asked in a child process: a missing driver may end the process."""

from __future__ import annotations

import mmap
import os
import signal
import sys
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bids_reid.errors import MachineError, RenderingError
from bids_reid.printable import printable
from bids_reid.surroundings import memory_limit, not_enough_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection

    Question = Callable[[Connection, Sequence[str]], None]

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


def use_offscreen_window() -> None:
    """Make VTK render without a screen, in this process and those it starts."""
    os.environ[WINDOW_VARIABLE] = os.environ.get(WINDOW_VARIABLE) or WINDOW


def check_rendering() -> str:
    """Render a square in a child process; return the name of the renderer.

    Raises
    ------
    RenderingError
        It failed; the message says which variable is to blame, or what to install.
    MachineError
        There is not enough memory, or no process can be started.
    """
    said = _ask(_answer)
    if said is not None:
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


def _ask(question: Question, without: Sequence[str] = ()) -> str | None:
    """Ask a child process; return its answer, ``None`` if it ends without one.

    Parameters
    ----------
    question : callable
        Sends the answer into what it gets first.
    without : sequence of str
        Environment variables that it does not have.

    Raises
    ------
    RenderingError
        There is no answer in time.
    MachineError
        The child was killed for memory, or could not be started.
    """
    context = get_context('forkserver')
    answer, asked = context.Pipe(duplex=False)
    child = context.Process(target=question, args=(asked, without), daemon=True)
    try:
        try:
            child.start()
        except OSError as error:
            raise MachineError(f'cannot start a process: {error.strerror}') from None
        asked.close()
        if not answer.poll(SECONDS):
            raise RenderingError(f'the renderer does not respond: {_without_trying()}')
        return str(answer.recv())
    except (EOFError, OSError):
        child.join(SECONDS)
        # what ends a process that takes too much says nothing
        if child.exitcode == -signal.SIGKILL:
            raise not_enough_memory() from None
        return None
    finally:
        if child.pid is not None:
            child.kill()
            child.join()


def _without_trying() -> str:
    """Say what may have to be mended where each try takes minutes."""
    given = overrides()
    unset = f'unset {" ".join(given)}, or ' if given else ''
    return f'{unset}install EGL and Mesa, on Debian and Ubuntu: apt-get install {PACKAGES}'


def _answer(question: Connection, without: Sequence[str] = ()) -> None:
    """Send the name of the renderer; whatever goes wrong ends the process without an answer."""
    _be_silent()
    for name in without:
        os.environ.pop(name, None)
    use_offscreen_window()
    question.send(render_square())


def _take_room(question: Connection, _without: Sequence[str] = ()) -> None:
    """Send a word if there is room for a renderer's library and what it reserves."""
    _be_silent()
    from bids_reid.views import window  # noqa: F401 (what is needed besides)

    with mmap.mmap(-1, ROOM):
        question.send('room')


def _be_silent() -> None:
    # drivers complain in their own words
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)


def render_square() -> str:
    """Render a white square that fills the picture; return the name of the renderer.

    Raises
    ------
    RenderingError
        The picture is not white.
    """
    # imported here as it may be what fails
    from vtkmodules.vtkFiltersSources import vtkPlaneSource

    from bids_reid.views.window import Window

    square = vtkPlaneSource()
    square.Update()
    window = Window(32)
    window.add(square.GetOutput(), np.full((4, 3), 255, np.uint8))
    ahead, up = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    if window.picture(ahead, np.zeros(3), up).min() < 255:
        raise RenderingError('the rendered picture is wrong')
    return window.renderer_name
