"""Which crop lets FaceNet find most: ``python -m benchmarks.facenet_crop DATASET PHOTOS``.

DATASET holds one head scan or more of each of some synthetic people (`bids-reid-demo` makes such
people, and `benchmarks.study` does), PHOTOS photographs of them. The first scan of each person is
rendered from the nine cameras, one light each. Each crop is then searched with on its own, by the
decision ``adapted``: prints one TSV row per crop with its side and how far it is moved up (both in
sizes of the detector's box), how the face is aligned, how its pixels are scaled, the photographs
that have the right person first, the rate, and how many photographs are found more and less than
by the crop of `bids_reid.faces.facenet`, with the p-value of the exact McNemar test. The more
crops are compared, the more luck the best one had: measure it on other people, too.

With ``--pictures FOLDER`` renders and photographs are kept there, so that a second call only
searches. A crop takes 17 ms per picture on one thread: for 90 people with 3 photographs 20 s.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import dlib
import numpy as np
from scipy import stats

from bids_reid.bids.photos import find_photos
from bids_reid.faces import facenet
from bids_reid.faces.detect import Box, find_faces_by_camera
from bids_reid.faces.face_recognition import load as load_face_recognition
from bids_reid.faces.frame_boxes import frame_boxes
from bids_reid.faces.networks.facenet_inception import BATCH, FACE_PIXELS, scaled
from bids_reid.faces.networks.sessions import open_session
from bids_reid.faces.networks.tensorflow_graph import read_graph
from bids_reid.faces.networks.tensorflow_onnx import grey_model
from bids_reid.faces.photographs import loose_crop, read_photograph
from bids_reid.match.decisions import learn, score
from bids_reid.match.probes import Renders, VectorProbes
from bids_reid.match.training import Training
from bids_reid.surface.frame import FieldOfView, find_frame
from bids_reid.surface.skin import find_skin
from bids_reid.surface.volume import load_volume
from bids_reid.views.cameras import standard_views
from bids_reid.views.render import render_views
from bids_reid.views.selftest import use_offscreen_window

Array = np.ndarray
SIDES = (1.1, 1.2, 1.3, 1.4, 1.5, 1.66)
UPS = (-0.15, -0.1, -0.05, 0.0, 0.1, 0.18)
LIGHT = (0.0, 30.0)
FIELDS = ('side', 'up', 'alignment', 'scaling', 'found', 'searched', 'rate', 'more', 'fewer', 'p')


class Pictures(NamedTuple):
    """Grey pictures (n, h, w) with a box (n, 4) each: of the scan, and of the photographs."""

    renders: Array
    render_boxes: Array
    photographs: Array
    photograph_boxes: Array


class Crop(NamedTuple):
    """What is cut out, and how its pixels are scaled."""

    side: float
    up: float
    alignment: str
    scaling: str


def main() -> None:
    """Render, search with every crop, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('dataset', type=Path, metavar='DATASET')
    parser.add_argument('photos', type=Path, metavar='PHOTOS')
    parser.add_argument('--modality', default='T1w')
    parser.add_argument('--people', type=int, help='no more than the first N')
    parser.add_argument('--pictures', type=Path, metavar='FOLDER')
    parser.add_argument('--sides', type=float, nargs='+', default=SIDES)
    parser.add_argument('--ups', type=float, nargs='+', default=UPS)
    parser.add_argument('--alignments', nargs='+', choices=ALIGNMENTS, default=list(ALIGNMENTS))
    parser.add_argument('--scalings', nargs='+', choices=SCALINGS, default=['fixed'])
    options = parser.parse_args()
    use_offscreen_window()
    people = list(read_people(options))
    embed = network()
    shipped = Crop(facenet.SIDE, facenet.UP, 'none', 'fixed')
    print(*FIELDS, sep='\t', flush=True)
    reference = None
    for crop in (shipped, *crops(options, shipped)):
        first = found(people, crop, embed)
        # the crop of the program comes first
        reference = first if reference is None else reference
        more, fewer = int((first & ~reference).sum()), int((reference & ~first).sum())
        p = stats.binomtest(more, more + fewer).pvalue if more + fewer else 1.0
        cells = (int(first.sum()), len(first), f'{first.mean():.3f}', more, fewer, f'{p:.4f}')
        print(*crop, *cells, sep='\t', flush=True)


def crops(options: argparse.Namespace, shipped: Crop) -> Iterator[Crop]:
    """Every combination asked for; dlib's chip is not moved, so it has a side only."""
    for alignment, scaling, side, up in product(
        options.alignments, options.scalings, options.sides, options.ups
    ):
        crop = Crop(side, up, alignment, scaling)
        if crop != shipped and (alignment != 'chip' or up == options.ups[0]):
            yield crop._replace(up=0.0) if alignment == 'chip' else crop


def read_people(options: argparse.Namespace) -> Iterator[Pictures]:
    """Pictures of each person who has both a scan and a photograph with a face."""
    photographs: dict[str, list[Path]] = {}
    for photo in find_photos(options.photos):
        if photo.participant:
            photographs.setdefault(photo.participant, []).append(photo.path)
    for label in sorted(photographs)[: options.people]:
        kept = options.pictures / f'{label}.npz' if options.pictures else None
        if kept and kept.is_file():
            yield Pictures(**np.load(kept))
            continue
        folder = options.dataset / f'sub-{label}'
        scan = next(iter(sorted(folder.rglob(f'*_{options.modality}.nii*'))), None)
        pictures = scan and read_person(scan, photographs[label])
        print(label, 'read' if pictures else 'left out', file=sys.stderr, flush=True)
        if pictures:
            if kept:
                kept.parent.mkdir(parents=True, exist_ok=True)
                np.savez_compressed(kept, **pictures._asdict())
            yield pictures


def read_person(scan: Path, photographs: Sequence[Path]) -> Pictures | None:
    """Render a scan, cut the heads out of photographs; ``None`` if none shows a face."""
    heads = [head for path in photographs if (head := loose_crop(read_photograph(path)))]
    if not heads:
        return None
    volume = load_volume(scan)
    skin = find_skin(volume).cut()
    frame = find_frame(skin.points, FieldOfView(volume.affine, volume.data.shape)).frame
    views = [v for v in standard_views() if (v.light_azimuth, v.light_elevation) == LIGHT]
    renders = render_views(skin.points, skin.triangles, frame, views).images
    boxes = {**frame_boxes(), **find_faces_by_camera(renders, views)}
    return Pictures(
        renders,
        np.array([boxes[view.camera_yaw, view.camera_pitch] for view in views]),
        np.array([head.image for head in heads]),
        np.array([head.box for head in heads]),
    )


def network() -> Callable[[Array], Array]:
    """Return what makes features of pixels (n, 1, 160, 160) that are scaled already."""
    weights = facenet.weights_file()
    if weights is None:
        raise SystemExit(facenet.MISSING)
    session: Any = open_session(grey_model(read_graph(weights.read_bytes())))

    def embed(faces: Array) -> Array:
        parts = [faces[start : start + BATCH] for start in range(0, len(faces), BATCH)]
        return np.concatenate([session.run(None, {'faces': part})[0] for part in parts])

    return embed


def found(people: Sequence[Pictures], crop: Crop, embed: Callable[[Array], Array]) -> Array:
    """Whether each photograph has its own person first, (p,)."""

    def features(images: Array, boxes: Array) -> Array:
        faces = [
            ALIGNMENTS[crop.alignment](image, Box(*map(int, box)), crop)
            for image, box in zip(images, boxes, strict=True)
        ]
        return embed(SCALINGS[crop.scaling](np.array(faces)))

    renders = np.array([features(one.renders, one.render_boxes) for one in people])
    photographs = [features(one.photographs, one.photograph_boxes) for one in people]
    owners = np.repeat(np.arange(len(people)), [len(rows) for rows in photographs])
    labels = [f'{number:04}' for number in range(len(people))]
    probes = VectorProbes(np.concatenate(photographs), 'cosine')
    gallery = [Renders.plain(rows) for rows in renders]
    learned = {'adapted': learn(Training(gallery, labels, probes))['adapted']}
    scores = score(probes, gallery, labels, learned)['adapted'].scores
    return scores.argmax(axis=1) == owners


def unaligned(image: Array, box: Box, crop: Crop) -> Array:
    """Cut the square out as it is."""
    return facenet.cut_face(image, box, side=crop.side, up=crop.up)


def level(image: Array, box: Box, crop: Crop) -> Array:
    """Turn the image about the middle of the box until the eyes are level; then cut."""
    points = [(p.x, p.y) for p in load_face_recognition().landmarks(image, box).parts()]
    # corners of the eye on the right of the image, then of the other
    right, left = (np.mean(points[part], axis=0) for part in (slice(0, 2), slice(2, 4)))
    across, down = right - left
    centre = (box.left + box.right + 1) / 2, (box.top + box.bottom + 1) / 2
    turn = cv2.getRotationMatrix2D(centre, float(np.degrees(np.arctan2(down, across))), 1)
    turned = cv2.warpAffine(image, turn, image.shape[::-1], flags=cv2.INTER_CUBIC)
    return unaligned(np.asarray(turned, np.uint8), box, crop)


def chip(image: Array, box: Box, crop: Crop) -> Array:
    """Cut dlib's chip: turned, moved and scaled by five landmarks, with a margin around these."""
    landmarks = load_face_recognition().landmarks(image, box)
    return dlib.get_face_chip(image, landmarks, FACE_PIXELS, (crop.side - 1) / 2)


def prewhitened(faces: Array) -> Array:
    """Give each face mean 0 and variance 1, as the package does: there are three colours of it."""
    pixels = faces[:, None].astype(np.float64)
    centred = pixels - pixels.mean(axis=(1, 2, 3), keepdims=True)
    deviation = pixels.std(axis=(1, 2, 3), keepdims=True)
    least = 1 / np.sqrt(3 * FACE_PIXELS**2)
    return (centred / np.maximum(deviation, least)).astype(np.float32)


ALIGNMENTS = {'none': unaligned, 'level': level, 'chip': chip}
SCALINGS = {'fixed': scaled, 'face': prewhitened}


if __name__ == '__main__':
    main()
