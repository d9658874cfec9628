"""Can this machine render? Asked in a child process: a missing driver may end the process."""

from __future__ import annotations

import os
from multiprocessing import get_context
from typing import TYPE_CHECKING

import numpy as np

from bids_reid.errors import RenderingError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

WINDOW_VARIABLE = 'VTK_DEFAULT_OPENGL_WINDOW'
WINDOW = 'vtkEGLRenderWindow'
"""Renders without a screen, on a graphics card or on the processor."""
PACKAGES = 'libegl1 libgl1-mesa-dri'
SECONDS = 120


def use_offscreen_window() -> None:
    """Make VTK render without a screen, in this process and those it starts."""
    os.environ.setdefault(WINDOW_VARIABLE, WINDOW)


def check_rendering() -> str:
    """Render a square in a child process; return the name of the renderer.

    Raises
    ------
    RenderingError
        It failed; the message says what to install.
    """
    mend = f'install EGL and Mesa, on Debian and Ubuntu: apt-get install {PACKAGES}'
    context = get_context('forkserver')
    answer, question = context.Pipe(duplex=False)
    child = context.Process(target=_answer, args=(question,), daemon=True)
    try:
        child.start()
        question.close()
        if not answer.poll(SECONDS):
            raise RenderingError(f'rendering does not answer; {mend}')
        name: str = answer.recv()
    except (EOFError, OSError):
        raise RenderingError(f'this machine cannot render; {mend}') from None
    finally:
        if child.pid is not None:
            child.kill()
            child.join()
    return name


def _answer(question: Connection) -> None:
    """Send the name of the renderer; whatever goes wrong ends the process without an answer."""
    # drivers complain in their own words
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    question.send(render_square())


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
