"""Write a dataset of synthetic people: scans as BIDS, and photographs beside it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PIL import Image

from bids_reid.demo.dataset_files import (
    all_done,
    labels_of,
    sidecar,
    write_dataset_files,
    write_json,
    write_volume,
)
from bids_reid.messages import count
from bids_reid.phantom.identity import draw_people
from bids_reid.phantom.photograph import photograph
from bids_reid.phantom.scanner import scan_volume

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from bids_reid.phantom.identity import Identity

YAWS = (0.0, 15.0, -15.0)
"""Where the camera stands for the first, second, third photograph, degrees; then again."""
# One seed per kind of draw, so that more people or photographs change nothing already drawn.
_PEOPLE, _DISTRACTORS, _SCANS, _PHOTOS, _DISTRACTOR_PHOTOS = range(5)
_JPEG_QUALITY = 92

_README = """Synthetic people: nobody in this dataset exists.

Every head is drawn from a parametric model of bids_reid ({people} people, seed {seed}, alike
{alike}), scanned by a simulated {modality} sequence at {spacing} mm with the eyes shut. Signals
below the skin are only roughly anatomical. Photographs of the same heads are in `photos`, the
folder beside this one; it also holds people without a scan (`distractor-*`).

The dataset exists to try out and to test re-identification audits. It says nothing about people.
"""


def write_phantom_dataset(
    root: Path,
    *,
    people: int = 12,
    seed: int = 0,
    alike: float = 0.0,
    modality: str = 'T1w',
    photos_per_person: int = 3,
    distractors: int = 4,
    spacing: float = 1.2,
    n_procs: int = 1,
    progress: Callable[[str], None] | None = None,
) -> tuple[Path, Path]:
    """Write ``root/bids`` and ``root/photos``; same arguments, same bytes.

    Parameters
    ----------
    root
        Folder to write into; made if it is not there.
    people
        How many are scanned and photographed.
    seed, alike
        As for :func:`bids_reid.phantom.identity.draw_people`.
    modality
        ``'T1w'`` or ``'FLAIR'``.
    photos_per_person
        The first near frontal, the second and third from about 15 degrees left and right.
    distractors
        How many more people have one photograph and no scan.
    spacing
        Voxel edge, mm.
    n_procs
        Processes at a time; the files are the same.
    progress
        Called with one line after each person.

    Returns
    -------
    The folders with the BIDS dataset and with the photographs.
    """
    report = progress or (lambda _: None)
    bids, photos = root / 'bids', root / 'photos'
    photos.mkdir(parents=True, exist_ok=True)
    crowd = draw_people(people, seed=[seed, _PEOPLE], alike=alike)
    strangers = draw_people(distractors, seed=[seed, _DISTRACTORS], alike=alike)
    labels = labels_of(people)
    tasks: list[Callable[[], str]] = [
        partial(
            _write_person,
            root,
            label,
            person,
            seeds=(seed, number),
            modality=modality,
            n_photos=photos_per_person,
            spacing=spacing,
        )
        for number, (label, person) in enumerate(zip(labels, crowd, strict=True))
    ]
    tasks += [
        partial(_write_distractor, photos, label, stranger, seeds=(seed, number))
        for number, (label, stranger) in enumerate(
            zip(labels_of(distractors), strangers, strict=True)
        )
    ]
    for line in all_done(tasks, n_procs):
        report(line)
    write_dataset_files(bids, dict(zip(labels, crowd, strict=True)))
    text = _README.format(
        people=people, seed=seed, alike=alike, modality=modality, spacing=spacing
    )
    (bids / 'README').write_text(text, encoding='utf-8')
    return bids, photos


def write_consent(root: Path, people: int) -> Path:
    """Write ``root/consent.tsv``, in which all participants agree; return its path."""
    path = root / 'consent.tsv'
    rows = ['participant_id\tconsent', *(f'sub-{label}\tyes' for label in labels_of(people))]
    path.write_text('\n'.join(rows) + '\n', encoding='utf-8')
    return path


def _write_person(
    root: Path,
    label: str,
    person: Identity,
    *,
    seeds: tuple[int, int],
    modality: str,
    n_photos: int,
    spacing: float,
) -> str:
    """Write the scan and the photographs of one participant."""
    seed, number = seeds
    stem = root / 'bids' / f'sub-{label}' / 'anat' / f'sub-{label}_{modality}'
    stem.parent.mkdir(parents=True, exist_ok=True)
    data, affine = scan_volume(
        person, seed=[seed, _SCANS, number], modality=modality, spacing=spacing
    )
    write_volume(stem.with_suffix('.nii.gz'), data, affine)
    write_json(stem.with_suffix('.json'), sidecar(modality))
    for shot in range(n_photos):
        picture = photograph(
            person, seed=[seed, _PHOTOS, number, shot], yaw=YAWS[shot % len(YAWS)]
        )
        _write_photo(root / 'photos' / f'sub-{label}_photo-{shot + 1}.jpg', picture)
    return f'sub-{label}: a scan and {count(n_photos, "photograph")}'


def _write_distractor(
    photos: Path, label: str, stranger: Identity, *, seeds: tuple[int, int]
) -> str:
    """Write the photograph of somebody without a scan."""
    seed, number = seeds
    yaw = YAWS[number % len(YAWS)]
    picture = photograph(stranger, seed=[seed, _DISTRACTOR_PHOTOS, number], yaw=yaw)
    _write_photo(photos / f'distractor-{label}.jpg', picture)
    return f'distractor-{label}: a photograph'


def _write_photo(path: Path, picture: NDArray[np.uint8]) -> None:
    Image.fromarray(picture).save(path, quality=_JPEG_QUALITY, subsampling=0)
