"""A study on made-up templates: twelve people, their scans and their photographs, two extractors.

Quick where pictures of heads say no more: what is searched, merged and counted is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from bids_reid.bids.derivatives import save_failure
from bids_reid.faces import photographs
from bids_reid.faces.detect import Box
from bids_reid.faces.extractors import ALL_VIEWS, EXTRACTORS, STANDARD_VIEWS, Availability
from bids_reid.faces.photographs import Head
from bids_reid.group.encoding import encode_photographs, read_encoded
from bids_reid.group.galleries import ScanGallery, galleries
from bids_reid.group.searching import Plan, fit_gallery, merge_shards, search_shard
from bids_reid.participant.library import read_scans
from bids_reid.records import RAW, STRANGER, Keypoints, KeypointTemplate, Photo, Scan, Template
from tests.support.scan_records import boxes, save_results

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest
    from numpy.typing import NDArray

    from bids_reid.risk.identification import Searches

PEOPLE = tuple(f'{number:02}' for number in range(12))
FAILED, WITHOUT_VIEWS, UNSEEN = '03', '07', '02'
"""Whose scans failed, have no views, or have some in which no detector saw a face."""
NO_FACE, UNREADABLE = '05.png', '09.png'
"""Photographs."""
D = 24
FIRST_POINT, POINTS, BYTES = 10, 12, 16
"""Rows of a picture with its keypoints, and pixels of each."""


class _Toy:
    """What both extractors share: a picture's pixels are its features."""

    uses_network = False

    def memory_gb(self) -> float:
        return 0.1

    def available(self) -> Availability:
        return Availability(why_by_name='a stand-in')

    def identity(self) -> dict[str, str]:
        return {'Model': 'm'}

    provenance = identity


class Pixels(_Toy):
    """The first pixels are a vector."""

    name, kind, similarity, views = 'pixels', 'vector', 'euclidean', ALL_VIEWS
    dimension = D

    def features(
        self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[Box]
    ) -> dict[str, NDArray[Any]]:
        assert len(images) == len(boxes)
        # of a mirror image those of the image
        rows = [image[0, :D] if image[0, :D].any() else image[0, ::-1][:D] for image in images]
        return {'features': np.array(rows, np.float32).reshape(-1, D) / 255}


class Points(_Toy):
    """Some rows are keypoints, up to the first that is black."""

    name, kind, distance, views = 'points', 'keypoints', 'hamming', STANDARD_VIEWS
    dimension = BYTES

    def features(
        self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[Box]
    ) -> dict[str, NDArray[Any]]:
        assert len(images) == len(boxes)
        rows = [image[FIRST_POINT : FIRST_POINT + POINTS, :BYTES] for image in images]
        return keypoints([some[some.any(axis=1)] for some in rows]).arrays()


def keypoints(images: Sequence[NDArray[np.uint8]]) -> Keypoints:
    """Keypoints with the descriptors of each image, side by side."""
    offsets = np.cumsum([0, *map(len, images)]).astype(np.int64)
    places = [np.linspace(0, 1, 2 * len(one)).reshape(-1, 2) for one in images]
    return Keypoints(
        np.concatenate(images or [np.empty((0, BYTES), np.uint8)]),
        np.concatenate([*places, np.empty((0, 2))]).astype(np.float32),
        offsets,
    )


def use_toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the extractors, and take every picture that is not black for a face."""
    monkeypatch.setitem(EXTRACTORS, 'pixels', Pixels)
    monkeypatch.setitem(EXTRACTORS, 'points', Points)
    monkeypatch.setattr(
        photographs, 'loose_crop', lambda one: Head(one, Box(0, 0, 9, 9)) if one.any() else None
    )


@dataclass(frozen=True)
class Study:
    """Output of the participant level, and photographs of whom they show."""

    out: Path
    photos: tuple[Photo, ...]

    def gallery(self, condition: str = 'raw', modality: str = 'T1w') -> ScanGallery:
        """Return the gallery of one condition and modality."""
        (one,) = (
            gallery
            for gallery in galleries(read_scans(self.out))
            if (gallery.condition, gallery.modality) == (condition, modality)
        )
        return one


def save(out: Path, scan: Scan, *templates: Template | KeypointTemplate) -> None:
    """Save a scan with a template of each extractor; without any as one that failed."""
    dataset = out.parent / ('bids' if scan.condition == RAW else scan.condition)
    if not templates:
        save_failure(scan, dataset, out, 'broken')
        return
    of = {('points' if isinstance(one, KeypointTemplate) else 'pixels'): one for one in templates}
    save_results(scan, dataset, out, of, faces=boxes(*range(len(templates[0].views))))


def image_file(dataset: Path, name: str, modality: str) -> Path:
    """Write a file in place of a scan, where BIDS has it: results belong to bytes."""
    participant, session = name.split('_')
    path = dataset / participant / session / 'anat' / f'{name}_{modality}.nii'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{dataset.name} {name} {modality}')
    return path


def make_study(folder: Path) -> Study:
    """Save scans of twelve people, some twice, one failed, and photographs of all and a stranger.

    The first photographs come twice; one shows no face, and one is no picture.
    """
    rng = np.random.default_rng(4)
    # all differ from one face by 10 in some places: many scores are the same but for rounding
    faces = rng.integers(60, 200, size=D) + 10 * (rng.random((len(PEOPLE), D)) < 0.15)
    points = rng.integers(1, 256, (len(PEOPLE), POINTS, BYTES), dtype=np.uint8)
    out = folder / 'out'
    for modality, session in (('T1w', 'a'), ('T1w', 'b'), ('FLAIR', 'a')):
        for number, label in enumerate(PEOPLE[: 12 if session == 'a' else 5]):
            name = f'sub-{label}_ses-{session}'
            scan = Scan(
                label, session, modality, name, image_file(folder / 'bids', name, modality)
            )
            if label == FAILED:
                save(out, scan)
                continue
            n_views = 0 if label == WITHOUT_VIEWS else int(rng.integers(2, 6))
            views = np.arange(n_views, dtype=np.int32)
            shown = faces[number] + 10 * (rng.random((n_views, D)) < 0.1)
            some = [points[number][rng.permutation(POINTS)[:9]] for _ in views]
            # of others a detector saw the face in the first view only
            found = (views == 0) & (label != UNSEEN)
            save(
                out,
                scan,
                Template((shown / 255).astype(np.float32), views, found),
                KeypointTemplate(keypoints(some), views, found),
            )
    photos = []
    for number, label in enumerate((*PEOPLE, *PEOPLE[:6], STRANGER)):
        path = folder / f'{number:02}.png'
        picture = np.zeros((50, 50), np.uint8)
        if path.name != NO_FACE:
            picture[0, :D] = faces[number % 12] - 10 * (rng.random(D) < 0.2)
            picture[FIRST_POINT : FIRST_POINT + 8, :BYTES] = points[number % 12, :8]
        Image.fromarray(picture).save(path)
        photos.append(Photo(path.name if label else 'distractor 1', label, path))
    (folder / UNREADABLE).write_text('no picture')
    return Study(out, tuple(photos))


@dataclass(frozen=True)
class Files:
    """What the steps of a search leave."""

    encoded: list[Path]
    fitted: Path
    shards: list[Path]


def search_files(
    gallery: ScanGallery, plan: Plan, extractor: str, folder: Path, n_photos: int = 32
) -> Files:
    """Take the steps of a search, one after the other; a file has so many photographs."""
    folder.mkdir()
    encoded, shards, fitted = [], [], folder / 'fitted.npz'
    for first in range(0, max(1, len(plan.photos)), n_photos):
        encoded.append(folder / f'encoded-{first}.npz')
        encode_photographs(plan.photos[first : first + n_photos], extractor, encoded[-1])
    fit_gallery(gallery.scans, plan, encoded, extractor, fitted)
    for number, shard in enumerate(gallery.shards()):
        shards.append(folder / f'shard-{number}.npz')
        probes = list(plan.mated(gallery))
        search_shard(shard, probes, plan, encoded, extractor, fitted, shards[-1])
    return Files(encoded, fitted, shards)


def merged_searches(
    gallery: ScanGallery,
    plan: Plan,
    extractor: str,
    encoded: Sequence[Path],
    shards: Sequence[Path],
) -> dict[str, Searches]:
    """Merge what the steps left: decision to searches."""
    photographs = read_encoded(encoded, plan.names, extractor)
    (one,) = merge_shards([gallery], plan, photographs, shards)
    return {decision: one.searches(decision) for decision in one.decisions}


def searched(
    gallery: ScanGallery, photos: Sequence[Photo], extractor: str, folder: Path
) -> dict[str, Searches]:
    """Search a gallery and merge: decision to searches."""
    plan = Plan(tuple(photos))
    files = search_files(gallery, plan, extractor, folder)
    return merged_searches(gallery, plan, extractor, files.encoded, files.shards)
