"""What each stage takes and what it could: ``python -m benchmarks.limits [options] SCAN``.

Stages are those of the participant level, each a call of `bids_reid.participant.steps` with the
files that it reads and writes, and together they are all of it but Nipype. A stage's limit is the
part of its work that no better way of doing it would spare, measured alone in the same run:

- skin: one pass over the volume and one over the surface: read it (with gunzip) as float32, one
  Gaussian filter of 0.6 mm at full resolution, one flying-edges contour at the mean intensity;
  VTK's smoothing of the skin's mesh, and zlib's fastest compression of its file's content;
- measures: what compares a skin with another and looks below it, once each: a k-d tree of the
  skin's points and the nearest of them to every second one moved by 1 mm; the volume at every
  point of the skin, by lines between voxels; one erosion of the voxels above the mean, and their
  connected parts;
- renders: one bare rasterisation per camera of the front of the skin, already on the "card", and
  its picture read back, as fine as the program's: no normals, no lights, no shading; the skin's
  file decompressed, all renders added up once, and as many bytes written as they have;
- faces: one run of dlib's HOG detector per camera, at the render's own size;
- evidence: the network on the pictures, made before, that it was asked about, and dlib's landmarks
  of each camera; the points of the skin's file decompressed. What the other detector answers is
  known from the stage before;
- each network: the faces there are, cut out before, through its graph alone in one call of
  ONNX Runtime per batch; ``orb`` and ``sift``: OpenCV's own detector on faces cut out before;
- save: the bytes of all files that a scan leaves, hashed once and written once.

Stages and limits are run in turn, three times, in one process on one thread, with models loaded
before; prints medians of processor time as TSV. ``sum`` is the default extractors', in which orb
and sift have no part unless they are asked for. Start-up is in neither. ``--profile FILE`` then
writes a TSV table that says where the time of one more scan goes: of each stage all functions
that take 5 ms or more themselves, and what is left.
"""

from __future__ import annotations

import argparse
import cProfile
import hashlib
import os
import pstats
import resource
import sys
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from unittest.mock import patch

T = TypeVar('T')
ROUNDS = 3
EXTRACTORS = ('face_recognition', 'facenet')
LEAST_MS = 5.0


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


class Run:
    """One scan through the steps of the participant level, in a folder of its own."""

    def __init__(self, scan: Path, folder: Path) -> None:
        self.scan, self.folder = scan, folder

    def file(self, name: str) -> Path:
        """Return where a file of this run is."""
        return self.folder / name

    def steps(self, extractors: Sequence[str]) -> Iterator[tuple[str, Callable[[], Any]]]:
        """Yield the stages in order, each with what does it."""
        from bids_reid.participant import steps

        surface, skin_json, renders = map(self.file, ('skin.surf.gii', 'skin.json', 'r.npy'))
        yield 'skin', lambda: steps.skin(self.scan, surface, skin_json)
        yield 'renders', lambda: steps.renders(surface, skin_json, renders)
        yield 'faces', lambda: steps.faces(renders, skin_json, self.file('faces.json'))
        yield (
            'evidence',
            lambda: steps.evidence(surface, skin_json, renders, self.file('measures.json')),
        )
        for name in extractors:
            template = self.file(f'{name}.npz')
            yield (
                name,
                lambda name=name, template=template: steps.features(
                    renders, self.file('faces.json'), name, template
                ),
            )
        yield 'save', lambda: self.save(extractors)

    def save(self, extractors: Sequence[str]) -> Path:
        """Put the results where the program does."""
        from bids_reid.participant import steps
        from bids_reid.records import Scan

        return steps.save(
            Scan('01', None, 'T1w', 'sub-01', self.scan),
            self.scan.parent,
            self.file('out'),
            surface=self.file('skin.surf.gii'),
            measures=self.file('measures.json'),
            renders_file=self.file('r.npy'),
            renderer='benchmark',
            faces_file=self.file('faces.json'),
            templates=[self.file(f'{name}.npz') for name in extractors],
            keep_renders=False,
            source_sha256='0' * 64,
        )


class Limits:
    """The limits of the stages of a run that is done."""

    def __init__(self, run: Run, extractors: Sequence[str]) -> None:
        import json

        import numpy as np

        from bids_reid.participant.measures import face_frame
        from bids_reid.participant.steps import read_measures
        from bids_reid.surface.gifti import read_surface

        self.run, self.extractors = run, extractors
        self.points, self.triangles = read_surface(run.file('skin.surf.gii'))
        self.frame = face_frame(read_measures(run.file('skin.json')).face_frame)
        self.renders = np.load(run.file('r.npy'))
        self.boxes = json.loads(run.file('faces.json').read_text('utf-8'))['Boxes']

    def works(self) -> Iterator[tuple[str, Callable[[], Any]]]:
        """Yield each stage's limit; what is there before is prepared here."""
        yield 'skin', self.skin
        yield 'measures', self.measures()
        yield 'renders', self.rendered()
        # the fifth light of each nine is from ahead and above
        ahead = self.renders[4:81:9]
        yield 'faces', lambda: [_hog(render) for render in ahead]
        yield 'evidence', self.evidence()
        for name in self.extractors:
            yield name, self.features(name)
        yield 'save', self.save()

    def skin(self) -> None:
        """Read a volume, smooth it, contour it; smooth and compress the skin."""
        import pyvista as pv

        data = self.smooth()
        grid = pv.ImageData(dimensions=data.shape)
        grid['intensity'] = data.ravel(order='F')
        grid.contour([float(data.mean())], scalars='intensity', method='flying_edges')
        pv.PolyData.from_regular_faces(self.points, self.triangles).smooth_taubin(n_iter=20)
        for array, strategy in (
            (self.points, zlib.Z_HUFFMAN_ONLY),
            (self.triangles, zlib.Z_DEFAULT_STRATEGY),
        ):
            zlib.compressobj(level=1, strategy=strategy).compress(array.tobytes())

    def smooth(self) -> Any:
        """Read the volume and smooth it."""
        import nibabel as nib
        import numpy as np
        from scipy import ndimage

        image = nib.load(self.run.scan)
        data = np.asarray(image.dataobj, dtype=np.float32)
        return ndimage.gaussian_filter(
            data, 0.6 / np.array(image.header.get_zooms()[:3]), truncate=3
        )

    def measures(self) -> Callable[[], None]:
        """Compare the skin with one that is near, and look below it."""
        import nibabel as nib
        import numpy as np
        from scipy import ndimage
        from scipy.spatial import cKDTree

        data, points = self.smooth(), self.points
        affine = nib.load(self.run.scan).affine
        voxels = nib.affines.apply_affine(np.linalg.inv(affine), points).T
        near, inside = points[::2] + np.float32(1), data > data.mean()

        def once() -> None:
            cKDTree(points, balanced_tree=False, compact_nodes=False).query(near)
            ndimage.map_coordinates(data, voxels, order=1)
            ndimage.binary_erosion(inside)
            ndimage.label(inside)

        return once

    def rendered(self) -> Callable[[], None]:
        """Put the front of the skin into a window; then take one picture from each camera."""
        import numpy as np
        import pyvista as pv

        from bids_reid.views.cameras import standard_views
        from bids_reid.views.render import BEHIND_MM, CAMERA_MM, FIELD_MM, FINER
        from bids_reid.views.window import Window

        frame, renders, target = self.frame, self.renders, self.run.file('written')
        front = (self.points - frame.origin) @ frame.forward > -BEHIND_MM * frame.scale
        mesh = pv.PolyData.from_regular_faces(
            self.points, self.triangles[front[self.triangles].all(axis=1)]
        )
        window = Window(
            renders.shape[1] * FINER,
            view_angle=2 * np.degrees(np.arctan(FIELD_MM / 2 / CAMERA_MM)),
        )
        window.add(mesh, np.full(mesh.points.shape, 255, np.uint8))
        cameras = dict.fromkeys((view.camera_yaw, view.camera_pitch) for view in standard_views())
        places = [
            frame.origin + frame.scale * CAMERA_MM * frame.direction(*camera) for camera in cameras
        ]
        # the first picture also takes the mesh to the card
        window.picture(places[0], frame.origin, frame.up)
        packed = [zlib.compress(a.tobytes(), 1) for a in (self.points, self.triangles)]

        def once() -> None:
            for array in packed:
                zlib.decompress(array)
            for place in places:
                window.picture(place, frame.origin, frame.up)
            window.close()
            renders.sum(axis=0, dtype=np.uint16)
            target.write_bytes(renders.data)

        return once

    def evidence(self) -> Callable[[], None]:
        """Ask the detectors about the renders that they were asked about."""
        from bids_reid.faces import evidence
        from bids_reid.views.cameras import standard_views

        network, predictor = evidence.network(), evidence._predictor()
        pictures: list[Any] = []
        landmarks: list[tuple[Any, Any]] = []

        class Watched:
            def surest(self, image: Any) -> Any:
                pictures.append(image)
                return network.surest(image)

        def watched(image: Any, box: Any) -> Any:
            landmarks.append((image, box))
            return predictor(image, box)

        with (
            patch.object(evidence, 'network', Watched),
            patch.object(evidence, '_predictor', lambda: watched),
        ):
            evidence.face_evidence(self.renders, standard_views(), self.points, self.frame)
        packed = zlib.compress(self.points.tobytes(), 1)

        def once() -> None:
            zlib.decompress(packed)
            for picture in pictures:
                network.surest(picture)
            for given in landmarks:
                predictor(*given)

        return once

    def features(self, name: str) -> Callable[[], Any]:
        """Take faces that are cut out already through the network or the detector alone."""
        from bids_reid.faces.extractors import load_extractor
        from bids_reid.faces.orb_sift import face_region

        model: Any = load_extractor(name)
        numbers = [n for n, box in enumerate(self.boxes) if box and n in model.views]
        images = [self.renders[number] for number in numbers]
        boxes = [self.box(number) for number in numbers]
        if model.kind == 'keypoints':
            faces = [face_region(*pair) for pair in zip(images, boxes, strict=True)]
            return lambda: [model._detector.detectAndCompute(face, None) for face in faces]
        chips = model.chips(images, boxes)
        return lambda: model._loaded.engine.embed(chips)

    def box(self, number: int) -> Any:
        """Return the box of a face."""
        from bids_reid.faces.detect import Box

        return Box(*self.boxes[number])

    def save(self) -> Callable[[], None]:
        """Hash and write the bytes that there are."""
        out = self.run.file('out')
        contents = [path.read_bytes() for path in sorted(out.rglob('*')) if path.is_file()]
        target = self.run.file('written')

        def once() -> None:
            for content in contents:
                hashlib.sha256(content).hexdigest()
                target.write_bytes(content)

        return once


def _hog(picture: Any) -> Any:
    """Run dlib's detector, and nothing else."""
    from bids_reid.faces.detect import detector

    return detector().run(picture, 0, 0.0)


def one_round(clock: Clock, scan: Path, extractors: Sequence[str]) -> None:
    """Run every stage, then every limit."""
    from bids_reid.faces import detect
    from bids_reid.participant import measures

    # the renders of a round are those of the last one
    detect._answers.cache_clear()
    original = measures._measures
    with TemporaryDirectory() as name:
        run = Run(scan, Path(name))
        with patch.object(
            measures,
            '_measures',
            lambda *given, **named: clock('measures', lambda: original(*given, **named)),
        ):
            for stage, work in run.steps(extractors):
                clock(stage, work)
        # a part of the first step, but a stage of its own
        clock.seconds['skin'][-1] -= clock.seconds['measures'][-1]
        limits = Limits(run, extractors)
        for stage, work in limits.works():
            clock(f'{stage} limit', work)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    faces = sum(box is not None for box in limits.boxes)
    said = f'{len(limits.points)} points, {faces} views with a box, peak so far {peak:.0f} MB'
    print(f'# {said}', file=sys.stderr)


def table(clock: Clock) -> Iterator[tuple[str, float, float]]:
    """Yield stage, seconds and limit; the sum comes last."""
    stages = [name for name in clock.seconds if not name.endswith(' limit')]
    stages.sort(key=lambda name: name == 'save')
    rows = [(name, clock.median(name), clock.median(f'{name} limit')) for name in stages]
    yield from rows
    yield 'sum', sum(row[1] for row in rows), sum(row[2] for row in rows)


def profile(scan: Path, extractors: Sequence[str]) -> Iterator[tuple[str, str, float]]:
    """Yield stage, function and its own milliseconds; a profile itself takes some time."""
    from bids_reid.faces import detect

    detect._answers.cache_clear()
    with TemporaryDirectory() as name:
        for stage, work in Run(scan, Path(name)).steps(extractors):
            profiler = cProfile.Profile(time.process_time)
            profiler.runcall(work)
            yield from own_times(stage, pstats.Stats(profiler))


def own_times(stage: str, stats: pstats.Stats) -> Iterator[tuple[str, str, float]]:
    """Yield the functions that take long themselves, longest first, and what is left."""
    times = {key: 1000 * row[2] for key, row in stats.stats.items()}  # type: ignore[attr-defined]
    left = sum(times.values())
    yield stage, 'all', left
    for (file, line, name), own in sorted(times.items(), key=lambda item: -item[1]):
        if own < LEAST_MS:
            break
        left -= own
        yield stage, f'{_short(file)}:{name}' if line else name, own
    yield stage, 'all else', left


def _short(file: str) -> str:
    """Name a module by its package: the last two parts of its path."""
    return '/'.join(Path(file).with_suffix('').parts[-2:])


def main(scan: Path, extractors: Sequence[str], profile_file: Path | None) -> None:
    """Time all stages of a scan and their limits."""
    from bids_reid.levels import prepare_environment

    prepare_environment()
    # what is written shows a face
    os.umask(0o077)
    # loads all models
    one_round(Clock(), scan, extractors)
    clock = Clock()
    for _ in range(ROUNDS):
        one_round(clock, scan, extractors)
    print('stage', 'cpu_s', 'limit_s', 'ratio', sep='\t')
    for name, seconds, limit in table(clock):
        print(name, f'{seconds:.3f}', f'{limit:.3f}', f'{seconds / limit:.2f}', sep='\t')
    if profile_file is not None:
        lines = [
            f'{stage}\t{function}\t{ms:.1f}\n' for stage, function, ms in profile(scan, extractors)
        ]
        profile_file.write_text('stage\tfunction\tcpu_ms\n' + ''.join(lines), 'utf-8')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('scan', type=Path, metavar='SCAN')
    parser.add_argument('--extractors', nargs='+', default=EXTRACTORS, metavar='NAME')
    parser.add_argument('--profile', type=Path, metavar='FILE')
    options = parser.parse_args()
    main(options.scan, options.extractors, options.profile)
