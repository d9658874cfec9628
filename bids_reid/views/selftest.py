"""Can this machine render? Asked in a child process: a missing driver may end the process."""

from __future__ import annotations

import os
import subprocess
import sys

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
    """Render a sphere in a child process; return the name of the renderer.

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


def _render_sphere() -> str:
    import pyvista as pv

    from bids_reid.views.render import renderer_name

    plotter = pv.Plotter(off_screen=True, window_size=[32, 32])
    plotter.add_mesh(pv.Sphere(), color='white')
    name = renderer_name(plotter)
    if plotter.screenshot(return_img=True).max() == 0:
        raise RenderingError('the picture is black')
    return name


if __name__ == '__main__':
    use_offscreen_window()
    print(_render_sphere())
