"""A picture of a coloured mesh, without a screen, by VTK itself.

PyVista's plotter, which does the same and much more, takes a second to import and more time for
each picture than the picture itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import vtkmodules.vtkRenderingOpenGL2  # noqa: F401 (registers the renderer's implementation)
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkUnsignedCharArray
from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper, vtkRenderer, vtkRenderWindow

from bids_reid.views.egl_devices import device_number

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from vtkmodules.vtkCommonDataModel import vtkPolyData


class Window:
    """A square window that nobody sees; close it after use.

    Parameters
    ----------
    pixels : int
        Width and height.
    view_angle : float
        Degrees from the lower to the upper edge.
    device : int, optional
        Number of a device in EGL's list; by default the one that this process renders on.
    """

    def __init__(
        self, pixels: int, view_angle: float = 30.0, *, device: int | None = None
    ) -> None:
        self._pixels = pixels
        self._renderer = vtkRenderer()
        self._renderer.SetBackground(0, 0, 0)
        self._camera = self._renderer.GetActiveCamera()
        self._camera.SetViewAngle(view_angle)
        self._window = vtkRenderWindow()
        device = device_number() if device is None else device
        # windows of other kinds than EGL have no devices
        if device is not None and hasattr(self._window, 'SetDeviceIndex'):
            self._window.SetDeviceIndex(device)
        self._window.SetOffScreenRendering(True)
        # on a processor VTK's own smoothing of edges triples the time of a picture
        self._window.SetMultiSamples(0)
        self._window.SetAlphaBitPlanes(True)
        self._window.SetSize(pixels, pixels)
        self._window.AddRenderer(self._renderer)

    def add(self, mesh: vtkPolyData, colours: NDArray[np.uint8]) -> None:
        """Show a mesh whose points have the given colours (n, 3), from outside, unlit."""
        mesh.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(colours), deep=True))
        mapper = vtkPolyDataMapper()
        mapper.SetInputData(mesh)
        actor = vtkActor()
        actor.SetMapper(mapper)
        actor.GetProperty().LightingOff()
        actor.GetProperty().BackfaceCullingOn()
        self._renderer.AddActor(actor)

    def picture(
        self,
        position: NDArray[np.float64],
        towards: NDArray[np.float64],
        up: NDArray[np.float64],
    ) -> NDArray[np.uint8]:
        """Take a picture from a place (x, y, z).

        Returns
        -------
        (pixels, pixels, 4) uint8
            Red, green, blue and, 0 or 255, whether there is anything; the first row is on top.
        """
        self._camera.SetPosition(*position)
        self._camera.SetFocalPoint(*towards)
        self._camera.SetViewUp(*up)
        self._renderer.ResetCameraClippingRange()
        self._window.Render()
        last, content = self._pixels - 1, vtkUnsignedCharArray()
        self._window.GetRGBACharPixelData(0, 0, last, last, 0, content, 0)
        rows = vtk_to_numpy(content).reshape(self._pixels, self._pixels, 4)
        return np.asarray(rows[::-1])

    @property
    def renderer_name(self) -> str:
        """The OpenGL renderer after a picture: llvmpipe (processor) or a graphics card's name."""
        lines = (line.partition(':') for line in self._window.ReportCapabilities().splitlines())
        names = {key.strip(): value.strip() for key, _, value in lines}
        return names.get('OpenGL renderer string', 'unknown')

    def close(self) -> None:
        """Give the window's memory and its OpenGL context back."""
        self._window.Finalize()
