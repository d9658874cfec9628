"""Can this machine render? Asked in a child process: a missing driver may end the process."""

from __future__ import annotations

import os
import signal
from multiprocessing import get_context
from typing import TYPE_CHECKING

import numpy as np

from bids_reid.errors import MachineError, RenderingError
from bids_reid.printable import printable
from bids_reid.surroundings import lacks_memory, not_enough_memory

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection

WINDOW_VARIABLE = 'VTK_DEFAULT_OPENGL_WINDOW'
WINDOW = 'vtkEGLRenderWindow'
"""Renders without a screen, on a graphics card or on the processor."""
PACKAGES = 'libegl1 libgl1-mesa-dri'
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
    said = _ask()
    if said is None:
        raise RenderingError(f'this machine cannot render; {_advice()}')
    return said


def _advice() -> str:
    """Say what to mend: the variable without which there are renders, or what is missing."""
    install = f'install EGL and Mesa, on Debian and Ubuntu: apt-get install {PACKAGES}'
    given = overrides()
    for names in (*((name,) for name in given), given):
        if names and _ask(names) is not None:
            shown = ' '.join(f'{name}={printable(os.environ[name])}' for name in names)
            return f'it can without {shown}: unset {" ".join(names)}'
    if given:
        return f'{install}; and unset {" ".join(given)}'
    return install


def overrides() -> tuple[str, ...]:
    """Names of the variables that tell drivers otherwise, and were not set by this program."""
    chosen = os.environ.get(WINDOW_VARIABLE) not in ('', WINDOW, None)
    return tuple(
        name
        for name in sorted(os.environ)
        if name.startswith(OVERRIDES) and name not in _OURS and (name != WINDOW_VARIABLE or chosen)
    )


def _ask(without: Sequence[str] = ()) -> str | None:
    """Render in a child process; return the name of the renderer, ``None`` if it cannot.

    Parameters
    ----------
    without : sequence of str
        Environment variables that it does not have.

    Raises
    ------
    RenderingError
        There is no answer in time.
    MachineError
        There is not enough memory, or no process can be started.
    """
    context = get_context('forkserver')
    answer, question = context.Pipe(duplex=False)
    child = context.Process(target=_answer, args=(question, without), daemon=True)
    try:
        try:
            child.start()
        except OSError as error:
            raise MachineError(f'cannot start a process: {error.strerror}') from None
        question.close()
        if not answer.poll(SECONDS):
            raise RenderingError(f'rendering does not answer; {_without_trying()}')
        said: str = answer.recv()
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
    if said == NO_MEMORY:
        raise not_enough_memory()
    return said


def _without_trying() -> str:
    """Say what may have to be mended where each try takes minutes."""
    given = overrides()
    unset = f'unset {" ".join(given)}, or ' if given else ''
    return f'{unset}install EGL and Mesa, on Debian and Ubuntu: apt-get install {PACKAGES}'


NO_MEMORY = 'no memory'


def _answer(question: Connection, without: Sequence[str] = ()) -> None:
    """Send the name of the renderer, or `NO_MEMORY`; whatever else goes wrong ends the process."""
    # drivers complain in their own words
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    for name in without:
        os.environ.pop(name, None)
    use_offscreen_window()
    try:
        said = render_square()
    except MemoryError:
        said = NO_MEMORY
    except ImportError as error:
        said = NO_MEMORY if lacks_memory(error) else ''
    if said:
        question.send(said)


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
        raise RenderingError('the picture is not what was drawn')
    return window.renderer_name
