"""What the options ask for and the dataset lacks: each missing participant and image is named."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from bids_reid.bids.claims import damaged_sidecars
from bids_reid.bids.formats import format_by_name
from bids_reid.bids.head_images import head_images, left_out_images, misspelt_suffix
from bids_reid.bids.inputs import dataset_participants
from bids_reid.bids.misnamed import misnamed_images
from bids_reid.bids.walk import files_below
from bids_reid.errors import NoInputError, NothingSelectedError
from bids_reid.messages import count

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from bids_reid.records import Scan
    from bids_reid.settings import Settings

NAMED = 10
"""Number of images, or participants, named in a line; group_images.tsv has all images."""


def check_sessions(settings: Settings) -> None:
    """Look whether the sessions asked for are in the dataset, of whomever.

    Raises
    ------
    NothingSelectedError
        Nobody has one of them: it may be misspelt.
    """
    unknown = [
        label
        for label in settings.sessions
        if next(settings.bids_dir.glob(f'sub-*/ses-{label}/'), None) is None
    ]
    if unknown:
        raise NothingSelectedError(
            f'no participant in {settings.bids_dir} has a session ses-{", ses-".join(unknown)}'
        )


def check_modalities(settings: Settings) -> None:
    """Look whether the dataset has the suffixes asked for, as far as they may be misspelt.

    A suffix that BIDS knows may be missing: `missing_lines` says who lacks it.

    Raises
    ------
    NothingSelectedError
        It has none of them, or lacks one that is like another that it has.
    """
    # a filter may ask for images that have no part in this, such as phases
    if not settings.modalities or settings.filter_file is not None:
        return
    there = {scan.modality for scan in head_images(settings.bids_dir)}
    # masks count if they are asked for
    asked = {scan.modality for scan in head_images(settings.bids_dir, settings.modalities)}
    missing = [name for name in settings.modalities if name not in asked]
    for name in missing:
        hint = misspelt_suffix(name, there.difference(settings.modalities))
        if there and (hint or len(missing) == len(settings.modalities)):
            raise NothingSelectedError(
                f'{settings.bids_dir} has no {name} scan, only {", ".join(sorted(there))}{hint}'
            )


def missing_lines(settings: Settings, scans: Collection[Scan]) -> Iterator[str]:
    """Say which images of the participants chosen are no scans, and who has no scan.

    Parameters
    ----------
    scans : collection of Scan
        Those that the options choose, of all conditions.
    """
    bids_dir, people = settings.bids_dir, settings.participants
    looked_at = any(
        bids_dir.resolve().is_relative_to(folder.resolve()) for folder in settings.releases
    )
    then = (
        'checked for a face, but not searched'
        if looked_at
        else 'not in the release, so not checked'
    )
    if not settings.modalities:
        masks = left_out_images(bids_dir, people)
        if masks:
            are = count(len(masks), 'image is', 'images are')
            yield f'{are} left out, for example {masks[0][0]}: {masks[0][1]}'
    by_reason: dict[str, list[Path]] = defaultdict(list)
    versions = {scan.path for scan in scans}
    for path, reason in misnamed_images(bids_dir, people):
        if path not in versions:
            by_reason[reason].append(path)
    for reason, paths in by_reason.items():
        are = count(
            len(paths), 'image is not treated as a scan', 'images are not treated as scans'
        )
        yield f'{are} ({then}): {_some(_below(paths, bids_dir))}: {reason}'
    damaged = damaged_sidecars((scan.path, settings.datasets[scan.condition]) for scan in scans)
    if damaged:
        hold = count(len(damaged), 'sidecar holds', 'sidecars hold')
        yield (
            f'{hold} no JSON object, so the program cannot tell whether de-facing is claimed: '
            f'{_some([str(path) for path in damaged])}'
        )
    yield from _people_lines(settings, scans)


def _below(paths: Iterable[Path], folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


def _some(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ', '.join(names[:NAMED]) + (f' and {more:,} more' if more > 0 else '')


def _people_lines(settings: Settings, scans: Collection[Scan]) -> Iterator[str]:
    """Name the participants without a scan, and those who lack one that was asked for."""
    what = ' or '.join(settings.modalities)
    scan = f'{what} scan' if what else 'scan'
    has_one = {one.participant for one in scans}
    people = settings.participants or sorted(dataset_participants(settings.bids_dir))
    without = [label for label in people if label not in has_one]
    if settings.participants:
        for label in without:
            yield f'sub-{label}: no {scan}: {_instead(settings.bids_dir / f"sub-{label}")}'
    elif without:
        have = count(len(without), 'participant has', 'participants have')
        yield f'{have} no {scan}: {_some([f"sub-{label}" for label in without])}'
    for session in settings.sessions:
        there = {one.participant for one in scans if one.session == session}
        yield from _lacking(f'no {scan} in ses-{session}', people, has_one - there)
    for modality in settings.modalities if len(settings.modalities) > 1 else ():
        there = {one.participant for one in scans if one.modality == modality}
        yield from _lacking(f'no {modality} scan', people, has_one - there)


def _lacking(what: str, people: Iterable[str], lack: Collection[str]) -> Iterator[str]:
    some = [f'sub-{label}' for label in people if label in lack]
    if some:
        yield f'{what}: {_some(some)}'


def _instead(folder: Path) -> str:
    """Say what the folder of a participant without a scan holds."""
    try:
        n_images = sum(format_by_name(path.name) is not None for path in files_below(folder))
    except NoInputError as error:
        return str(error)
    if not n_images:
        return f'there is no image in {folder}'
    images = 'the only image' if n_images == 1 else f'any of the {n_images:,} images'
    return f'the options do not select {images} in {folder}'
