"""Can this machine render? Asked in a child process: a missing driver may end the process."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np

from bids_reid.errors import RenderingError

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
    try:
        done = subprocess.run(  # noqa: S603 (our own module, no user input)
            [sys.executable, '-m', __name__],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RenderingError(f'rendering does not answer; {mend}') from None
    said = done.stdout.strip().splitlines()
    if done.returncode != 0 or not said:
        raise RenderingError(f'this machine cannot render; {mend}')
    return said[-1]


def _render_square() -> str:
    # imported here as it may be what fails
    from vtkmodules.vtkFiltersSources import vtkPlaneSource

    from bids_reid.views.window import Window

    square = vtkPlaneSource()
    square.Update()
    window = Window(32)
    window.add(square.GetOutput(), np.full((4, 3), 255, np.uint8))
    if (
        window.picture(np.array([0.0, 0.0, 1.0]), np.zeros(3), np.array([0.0, 1.0, 0.0])).min()
        < 255
    ):
        raise RenderingError('the picture is not what was drawn')
    return window.renderer_name


if __name__ == '__main__':
    use_offscreen_window()
    print(_render_square())
