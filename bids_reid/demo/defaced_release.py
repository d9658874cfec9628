"""Write originals of synthetic people and a release of them: de-faced, well and badly.

The originals are a BIDS dataset that stays in the lab. The release is the folder to be shared: the
same dataset with its faces removed, and a re-faced copy of one scan among its derivatives. In a
bad release a mask ends too early on one image, another one lost brain, and one was forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bids_reid.demo.dataset_files import (
    all_done,
    labels_of,
    sidecar,
    write_dataset_files,
    write_description,
    write_json,
    write_volume,
)
from bids_reid.phantom.defacing import cut_deep, cut_plane, cut_shallow, reface
from bids_reid.phantom.identity import draw_people
from bids_reid.phantom.scanner import draw_pose, expose, stored

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bids_reid.phantom.identity import Identity
    from bids_reid.phantom.scanner import Scan

ORIGINALS, RELEASE, REFACED = 'originals', 'release', 'derivatives/refaced'
"""Folders below that of the demo; the last one is below the release."""
MIN_PEOPLE = 5
"""One for each treatment."""
SECOND = 'T2w'
"""Modality of the second scan that one of them has."""
CLEAR_MM = (8.0, 12.0)
"""A good cut keeps so far from the brain; 10 mm is the default of Quickshear."""
_BADLY, _REFACED, _TWICE, _DEEP = 1, 2, 3, 4
"""Numbers of the people who are treated differently."""
# one seed per kind of draw, so that more people change nothing already drawn
_PEOPLE, _SCANS, _SECOND_SCANS, _CUTS, _OTHER_FACES = range(5)

_README = """Synthetic people: nobody in this dataset exists.

Every head is drawn from a parametric model of bids_reid ({people} people, seed {seed}) and scanned
by a simulated sequence at {spacing} mm with the eyes shut. Signals below the skin are only roughly
anatomical. {which}

The dataset exists to try out a release audit. It says nothing about people.
"""
_WHICH = {
    ORIGINALS: 'These are the originals, with their faces. They are not to be shared.',
    RELEASE: 'This is the release, the folder to be shared.',
}


@dataclass(frozen=True, slots=True)
class Treated:
    """An image of the release that was not simply de-faced.

    Attributes
    ----------
    path : str
        Below the release.
    name : str
        For people, such as ``sub-02 T1w``.
    done : str
        How it was treated.
    is_problem : bool
        Whether it must not be shared.
    """

    path: str
    name: str
    done: str
    is_problem: bool = False


def treated_images(people: int, modality: str, *, good: bool) -> list[Treated]:
    """Return the images of a release that were not simply de-faced, as they are planted.

    Parameters
    ----------
    people, modality, good
        As for `write_release`.
    """
    labels = labels_of(people)
    shallow, other, twice, deep = (labels[number] for number in (_BADLY, _REFACED, _TWICE, _DEEP))
    refaced = Treated(
        f'{REFACED}/{_path(other, modality, refaced=True)}',
        f're-faced copy of sub-{other} {modality}',
        "it shows somebody else's face",
    )
    if good:
        return [refaced]
    problems = [
        (shallow, modality, 'badly de-faced: only mouth and chin were removed'),
        (twice, SECOND, 'forgotten: it still is the original'),
        (deep, modality, 'cut too deep: brain is lost'),
    ]
    planted = [
        Treated(_path(label, suffix), f'sub-{label} {suffix}', done, is_problem=True)
        for label, suffix, done in problems
    ]
    return [*planted, refaced]


def write_release(
    root: Path,
    *,
    people: int = 6,
    seed: int = 0,
    alike: float = 0.0,
    modality: str = 'T1w',
    good: bool = False,
    spacing: float = 1.5,
    n_procs: int = 1,
    progress: Callable[[str], None] | None = None,
) -> tuple[Path, Path]:
    """Write ``root/originals`` and ``root/release``; same arguments, same bytes.

    Parameters
    ----------
    root
        Folder to write into; made if it is not there.
    people
        How many are scanned, at least `MIN_PEOPLE`. One of them has a `SECOND` scan, too.
    seed, alike
        As for :func:`bids_reid.phantom.identity.draw_people`.
    modality
        ``'T1w'`` or ``'FLAIR'``.
    good
        Whether every image of the release is properly treated.
    spacing
        Voxel edge, mm.
    n_procs
        Processes at a time; the files are the same.
    progress
        Called with one line after each person.

    Returns
    -------
    The two folders.

    Raises
    ------
    ValueError
        There are too few people.
    """
    if people < MIN_PEOPLE:
        raise ValueError(f'a release needs at least {MIN_PEOPLE} people, not {people}')
    report = progress or (lambda _: None)
    labels = labels_of(people)
    crowd = dict(zip(labels, draw_people(people, seed=[seed, _PEOPLE], alike=alike), strict=True))
    how = _How(root, seed, modality, spacing, good)
    tasks = [
        partial(_write_person, how, number, label, person)
        for number, (label, person) in enumerate(crowd.items())
    ]
    for line in all_done(tasks, n_procs):
        report(line)
    for name, which in _WHICH.items():
        write_dataset_files(root / name, crowd)
        text = _README.format(people=people, seed=seed, spacing=spacing, which=which)
        (root / name / 'README').write_text(text, encoding='utf-8')
    write_description(
        root / RELEASE / REFACED, 'bids_reid phantom: re-faced scans', kind='derivative'
    )
    return root / ORIGINALS, root / RELEASE


class _How(NamedTuple):
    """What all images of a call have in common."""

    root: Path
    seed: int
    modality: str
    spacing: float
    good: bool


def _write_person(how: _How, number: int, label: str, person: Identity) -> str:
    """Write the images of one participant; return a line on how they were treated."""
    scan = _scan(how, person, how.modality, [how.seed, _SCANS, number])
    _write(how.root / ORIGINALS, _path(label, how.modality), scan, how.modality)
    rng = np.random.default_rng([how.seed, _CUTS, number])
    wrong = (
        {}
        if how.good
        else {_BADLY: (cut_shallow, ', too little'), _DEEP: (cut_deep, ', too deep')}
    )
    remove, but = wrong.get(number, (_cut_well, ''))
    _write(
        how.root / RELEASE, _path(label, how.modality), remove(scan, rng), how.modality, 'defacing'
    )
    said = [f'{how.modality} de-faced{but}']
    if number == _REFACED:
        (other,) = draw_people(1, seed=[how.seed, _OTHER_FACES])
        path = _path(label, how.modality, refaced=True)
        _write(how.root / RELEASE / REFACED, path, reface(scan, other), how.modality, 'refacing')
        said.append('a re-faced copy')
    if number == _TWICE:
        second = _scan(how, person, SECOND, [how.seed, _SECOND_SCANS, number])
        _write(how.root / ORIGINALS, _path(label, SECOND), second, SECOND)
        shared, claim = (_cut_well(second, rng), 'defacing') if how.good else (second, None)
        _write(how.root / RELEASE, _path(label, SECOND), shared, SECOND, claim)
        said.append(f'{SECOND} {"de-faced" if how.good else "forgotten"}')
    return f'sub-{label}: {", ".join(said)}'


def _cut_well(scan: Scan, rng: np.random.Generator) -> Scan:
    """Remove the face and nothing of the brain."""
    return cut_plane(scan, rng, clear=CLEAR_MM)


def _scan(how: _How, person: Identity, modality: str, seed: list[int]) -> Scan:
    rng = np.random.default_rng(seed)
    pose = draw_pose(rng)
    return stored(expose(person, modality=modality, spacing=how.spacing, pose=pose), rng)


def _path(label: str, modality: str, *, refaced: bool = False) -> str:
    version = '_desc-refaced' if refaced else ''
    return f'sub-{label}/anat/sub-{label}{version}_{modality}.nii.gz'


def _write(folder: Path, path: str, scan: Scan, modality: str, claim: str | None = None) -> None:
    """Write a volume and its sidecar, which claims how it was treated, as those of tools do."""
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    write_volume(target, np.asarray(scan.data, np.int16), scan.affine)
    content = sidecar(modality)
    if claim is not None:
        content['DeidentificationMethod'] = [f'bids_reid demo: {claim}']
    if claim == 'refacing':
        # BIDS requires this field of every derived image
        content['SkullStripped'] = False
    write_json(target.with_name(target.name.replace('.nii.gz', '.json')), content)
