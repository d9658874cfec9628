"""The way without bids_reid: ``python -m benchmarks.plain_script SCAN OUT_DIR``.

What one would write who knows nibabel, PyVista and face_recognition and follows the literature:
contour the volume, take one screenshot per view, call face_recognition on each. It is what
bids_reid's speed is compared with, so it shares none of its code but looks from the same views,
and wastes nothing: one plotter serves all of them. The libraries' defaults are left as they are,
among them PyVista's eight-fold anti-aliasing (without it, rendering takes a third of the time) and
face_recognition's doubling of the picture before it looks for faces. Prints one TSV row per stage.
"""

from __future__ import annotations

import os
import sys
import time
from itertools import pairwise, product
from pathlib import Path

os.environ.setdefault('VTK_DEFAULT_OPENGL_WINDOW', 'vtkEGLRenderWindow')

import face_recognition
import nibabel as nib
import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from scipy import ndimage

PIXELS = 480
DISTANCE_MM, FIELD_MM = 900, 280
CAMERA_PITCHES, CAMERA_YAWS = (-15, 0, 15), (-20, 0, 20)
LIGHT_ELEVATIONS, LIGHT_AZIMUTHS = (0, 30, 60), (-40, 0, 40)


def view_angles() -> list[tuple[float, float, float, float]]:
    """Camera yaw and pitch, light azimuth and elevation of each view, in degrees."""
    angles = product(CAMERA_PITCHES, CAMERA_YAWS, LIGHT_ELEVATIONS, LIGHT_AZIMUTHS)
    return [(yaw, pitch, azimuth, elevation) for pitch, yaw, elevation, azimuth in angles]


def direction(azimuth: float, elevation: float) -> NDArray[np.float64]:
    """Unit vector in RAS: forward at 0, positive to the participant's left and upwards."""
    a, e = np.radians([azimuth, elevation])
    return np.array([-np.cos(e) * np.sin(a), np.cos(e) * np.cos(a), np.sin(e)])


def otsu(data: NDArray[np.float32]) -> float:
    """Threshold between air and tissue that separates their means best (Otsu 1979)."""
    counts, edges = np.histogram(data, 256, range=(0, float(np.percentile(data, 99.5))))
    middle = (edges[:-1] + edges[1:]) / 2
    below, above = counts.cumsum(), counts.sum() - counts.cumsum()
    sums = (counts * middle).cumsum()
    with np.errstate(invalid='ignore', divide='ignore'):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(middle[np.nanargmax(between)])


def head_surface(scan: Path) -> pv.PolyData:
    """Smooth skin of a scan in RAS millimetres."""
    image = nib.as_closest_canonical(nib.load(scan))
    data = ndimage.gaussian_filter(image.get_fdata(dtype=np.float32), 1)
    # skin is darker than the brain, which dominates Otsu's upper class
    level = otsu(data) / 2
    labels, _ = ndimage.label(data > level)
    largest = labels == np.bincount(labels.ravel())[1:].argmax() + 1
    # a margin of air closes the surface where the field of view cuts it
    data = np.pad(np.where(ndimage.binary_dilation(largest, iterations=2), data, 0), 1)
    grid = pv.ImageData(dimensions=data.shape, origin=(-1, -1, -1))
    grid['intensity'] = data.ravel(order='F')
    mesh = grid.contour([level], scalars='intensity').extract_largest()
    mesh = mesh.smooth_taubin(n_iter=20, pass_band=0.1)
    return mesh.transform(image.affine, inplace=True)


def screenshots(mesh: pv.PolyData) -> list[NDArray[np.uint8]]:
    """One RGB picture per view."""
    top = np.percentile(mesh.points[:, 2], 99.9)
    low, high = np.percentile(mesh.points[:, :2], [2, 98], axis=0)
    # the face's middle is an eighth of a metre below the vertex
    centre = np.array([*(low + high) / 2, top - 125])
    plotter = pv.Plotter(off_screen=True, window_size=[PIXELS, PIXELS], lighting='none')
    plotter.set_background('black')
    plotter.add_mesh(mesh, color='white', smooth_shading=True, ambient=0.1, diffuse=0.9)
    light = pv.Light(focal_point=centre, light_type='scene light')
    plotter.add_light(light)
    plotter.camera.view_angle = 2 * np.degrees(np.arctan(FIELD_MM / 2 / DISTANCE_MM))
    plotter.camera.focal_point, plotter.camera.up = centre, (0, 0, 1)
    pictures = []
    for yaw, pitch, azimuth, elevation in view_angles():
        plotter.camera.position = centre + DISTANCE_MM * direction(yaw, pitch)
        light.position = centre + DISTANCE_MM * direction(azimuth, elevation)
        plotter.renderer.ResetCameraClippingRange()
        plotter.render()  # without it the first picture is returned again
        pictures.append(plotter.screenshot(return_img=True))
    plotter.close()
    return pictures


def main(scan: Path, out_dir: Path) -> None:
    """Write ``<scan>.npz``: the features and the numbers of their views."""
    marks = [('imports', time.perf_counter(), time.process_time())]

    def mark(stage: str) -> None:
        marks.append((stage, time.perf_counter(), time.process_time()))

    mesh = head_surface(scan)
    mark('surface')
    pictures = screenshots(mesh)
    mark('render')
    places = [face_recognition.face_locations(picture) for picture in pictures]
    mark('detect')
    seen = [number for number, found in enumerate(places) if found]
    features = [face_recognition.face_encodings(pictures[n], places[n][:1])[0] for n in seen]
    out_dir.mkdir(parents=True, exist_ok=True)
    np.savez(out_dir / f'{scan.name.partition(".")[0]}.npz', features=features, view=seen)
    mark('embed')

    print('stage', 'wall_s', 'cpu_s', sep='\t')
    # imports and start-up: all processor time before the first stage
    print('imports', '', f'{marks[0][2]:.2f}', sep='\t')
    for (_, wall0, cpu0), (stage, wall1, cpu1) in pairwise(marks):
        print(stage, f'{wall1 - wall0:.2f}', f'{cpu1 - cpu0:.2f}', sep='\t')
    print(f'# {mesh.n_points} points, {len(seen)} of {len(pictures)} views with a face')


if __name__ == '__main__':
    main(Path(sys.argv[1]), Path(sys.argv[2]))
