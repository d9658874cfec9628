"""What each stage takes and what it could: ``python -m benchmarks.limits [--profile] SCAN``.

A stage's limit is the part of its work that no better way of doing it would spare, measured alone:

- surface: one pass over the volume and one over the surface: read it (with gunzip) as float32, one
  Gaussian filter of 0.6 mm at full resolution, one flying-edges contour at the mean intensity;
  VTK's smoothing of the skin's mesh, and zlib's fastest compression of its file's content;
- render: one bare rasterisation per camera of the front of the skin, already on the "card", and
  its picture read back, as fine as the program's: no normals, no lights, no shading;
- detect: one run of dlib's detector per camera, at the render's own size;
- embed: the faces there are, through the network alone, in one call.

Stages and limits are run in turn, three times, in one process on one thread, with models loaded
before; prints medians of processor time as TSV. Start-up is in neither, nor are files but the
surface's. ``--profile`` then prints where the time of one scan goes, function by function.
"""

from __future__ import annotations

import cProfile
import pstats
import resource
import sys
import time
import zlib
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

T = TypeVar('T')
ROUNDS = 3


class Clock:
    """Processor times of named pieces of work."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)

    def __call__(self, name: str, work: Callable[[], T]) -> T:
        """Return what ``work`` returns and keep its time."""
        start = time.process_time()
        result = work()
        self.seconds[name].append(time.process_time() - start)
        return result

    def median(self, name: str) -> float:
        """Seconds that ``name`` took in the median round."""
        return median(self.seconds[name])


def surface(scan: Path) -> tuple[Any, Any]:
    """Skin and face frame as the program finds and writes them, and whether it is a brain's."""
    from bids_reid.surface.frame import FieldOfView, find_frame
    from bids_reid.surface.gifti import write_surface
    from bids_reid.surface.skin import extract_skin
    from bids_reid.surface.vault import BRAIN_LITRES, vault_roughness
    from bids_reid.surface.volume import load_volume

    volume = load_volume(scan)
    skin = extract_skin(volume)
    if skin.volume_litres < BRAIN_LITRES:
        vault_roughness(skin.points, skin.triangles)
    with TemporaryDirectory() as folder:
        write_surface(Path(folder, 'skin.surf.gii'), skin.points, skin.triangles)
    return skin, find_frame(skin.points, FieldOfView(volume.affine, volume.data.shape)).frame


def one_pass(scan: Path, skin: Any) -> None:
    """Read a volume, smooth it, contour it; smooth and compress the skin."""
    import nibabel as nib
    import numpy as np
    import pyvista as pv
    from scipy import ndimage

    image = nib.load(scan)
    data = np.asarray(image.dataobj, dtype=np.float32)
    data = ndimage.gaussian_filter(data, 0.6 / np.array(image.header.get_zooms()[:3]), truncate=3)
    grid = pv.ImageData(dimensions=data.shape)
    grid['intensity'] = data.ravel(order='F')
    grid.contour([float(data.mean())], scalars='intensity', method='flying_edges')
    pv.PolyData.from_regular_faces(skin.points, skin.triangles).smooth_taubin(n_iter=20)
    for array, strategy in (
        (skin.points, zlib.Z_HUFFMAN_ONLY),
        (skin.triangles, zlib.Z_DEFAULT_STRATEGY),
    ):
        zlib.compressobj(level=1, strategy=strategy).compress(array.tobytes())


def rasteriser(skin: Any, frame: Any, pixels: int) -> Callable[[], None]:
    """Put the front of the skin into a window; return what takes one picture from each camera."""
    import numpy as np
    import pyvista as pv

    from bids_reid.views.cameras import standard_views
    from bids_reid.views.render import BEHIND_MM, CAMERA_MM, FIELD_MM
    from bids_reid.views.window import Window

    front = (skin.points - frame.origin) @ frame.forward > -BEHIND_MM * frame.scale
    mesh = pv.PolyData.from_regular_faces(
        skin.points, skin.triangles[front[skin.triangles].all(axis=1)]
    )
    window = Window(pixels, view_angle=2 * np.degrees(np.arctan(FIELD_MM / 2 / CAMERA_MM)))
    window.add(mesh, np.full(mesh.points.shape, 255, np.uint8))
    cameras = dict.fromkeys((view.camera_yaw, view.camera_pitch) for view in standard_views())
    places = [
        frame.origin + frame.scale * CAMERA_MM * frame.direction(*camera) for camera in cameras
    ]
    # the first picture also takes the mesh to the card
    window.picture(places[0], frame.origin, frame.up)

    def rasterise() -> None:
        for place in places:
            window.picture(place, frame.origin, frame.up)
        window.close()

    return rasterise


def one_round(clock: Clock, scan: Path, extractor: Any) -> None:
    """Run every stage, each followed by its limit."""
    from bids_reid.faces.detect import find_face, find_faces_by_camera
    from bids_reid.views.cameras import standard_views
    from bids_reid.views.render import FINER, render_views

    views = standard_views()
    skin, frame = clock('surface', lambda: surface(scan))
    clock('surface limit', lambda: one_pass(scan, skin))
    renders = clock(
        'render', lambda: render_views(skin.points, skin.triangles, frame, views).images
    )
    clock('render limit', rasteriser(skin, frame, renders.shape[1] * FINER))
    found = clock('detect', lambda: find_faces_by_camera(renders, views))
    cameras = [(view.camera_yaw, view.camera_pitch) for view in views]
    # the fifth light of each nine is from ahead and above
    ahead = renders[4::9]
    clock('detect limit', lambda: [find_face(render) for render in ahead])
    seen = [number for number, camera in enumerate(cameras) if camera in found]
    images, boxes = [renders[n] for n in seen], [found[cameras[n]] for n in seen]
    clock('embed', lambda: extractor.features(images, boxes))
    chips = extractor.chips(images, boxes)
    clock('embed limit', lambda: extractor._loaded.engine.embed(chips))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    said = f'{len(skin.points)} points, {len(seen)} views with a face, peak so far {peak:.0f} MB'
    print(f'# {said}', file=sys.stderr)


def print_profile(scan: Path, extractor: Any) -> None:
    """Print the functions that took longest over a whole scan."""
    from bids_reid.faces.detect import find_faces_by_camera
    from bids_reid.views.cameras import standard_views
    from bids_reid.views.render import render_views

    views = standard_views()
    profile = cProfile.Profile()
    with profile:
        skin, frame = surface(scan)
        renders = render_views(skin.points, skin.triangles, frame, views).images
        found = find_faces_by_camera(renders, views)
        boxes = [found.get((view.camera_yaw, view.camera_pitch)) for view in views]
        seen = [number for number, box in enumerate(boxes) if box is not None]
        extractor.features([renders[n] for n in seen], [boxes[n] for n in seen])
    pstats.Stats(profile).strip_dirs().sort_stats('tottime').print_stats(25)


def main(scan: Path, *, profiled: bool) -> None:
    """Time all stages of a scan and their limits."""
    from bids_reid.levels import prepare_environment

    prepare_environment()
    import numpy as np

    from bids_reid.faces.detect import find_face
    from bids_reid.faces.extractors import load_extractor

    extractor: Any = load_extractor('face_recognition')
    # loads the models, whatever is in the image
    blank = np.zeros((480, 480), np.uint8)
    find_face(blank)
    extractor.features([blank], [(100, 100, 300, 300)])
    clock = Clock()
    for _ in range(ROUNDS):
        one_round(clock, scan, extractor)
    print('stage', 'cpu_s', 'limit_s', 'ratio', sep='\t')
    stages = [name for name in clock.seconds if not name.endswith(' limit')]
    rows = {name: (clock.median(name), clock.median(f'{name} limit')) for name in stages}
    rows['sum'] = (sum(t for t, _ in rows.values()), sum(least for _, least in rows.values()))
    for name, (seconds, limit) in rows.items():
        print(name, f'{seconds:.2f}', f'{limit:.2f}', f'{seconds / limit:.2f}', sep='\t')
    if profiled:
        print_profile(scan, extractor)


if __name__ == '__main__':
    main(Path(sys.argv[-1]), profiled='--profile' in sys.argv[1:-1])
