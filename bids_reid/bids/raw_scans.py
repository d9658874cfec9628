"""Head scans of a BIDS dataset, through pybids: those that options and a filter file choose."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_reid.bids.filter_file import Filters
from bids_reid.bids.head_images import (
    HEAD_DATATYPES,
    is_wanted,
    no_magnitude,
    scan_of,
    suffix_meant,
)
from bids_reid.bids.inputs import check_chosen, dataset_participants
from bids_reid.bids.pybids_index import open_index
from bids_reid.errors import NothingSelectedError
from bids_reid.messages import count
from bids_reid.records import Scan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bids import BIDSLayout

Scans = dict[tuple[str, str], Scan]
"""Scans by the file that each is a version of.

A scan that exists as .nii and .nii.gz counts once.
"""


def find_scans(
    bids_dir: Path,
    *,
    participants: Sequence[str] = (),
    sessions: Sequence[str] = (),
    modalities: Sequence[str] = (),
    filter_file: Path | None = None,
    database_dir: Path | None = None,
    note: Callable[[str], None] | None = None,
    may_be_none: bool = False,
) -> tuple[Scan, ...]:
    """Find the scans of the chosen participants.

    Parameters
    ----------
    bids_dir : Path
        Raw BIDS dataset.
    participants, sessions : sequence of str
        Labels without prefix; empty for all.
    modalities : sequence of str
        BIDS suffixes; without any, all there are but those of masks and maps of labels.
    filter_file : Path, optional
        JSON object: suffix (in any case) to pybids entity filters; ``null`` asks for absence and
        ``"*"`` for presence. What it chooses is a part of what the other parameters choose. Only
        a filter that names ``part`` gets images that are no magnitudes.
    database_dir : Path, optional
        Where pybids keeps its index. One made here is made again when folders have changed.
    note : callable, optional
        Called with each line that the user should read: how many images a filter leaves out.
    may_be_none : bool
        That no scan is there is no error: a release may hold other images.

    Raises
    ------
    NotBidsError
        pybids cannot read the dataset.
    NothingSelectedError
        Nothing is left, or a participant named is not in the dataset.
    NoInputError, UsageError
        The filter file is missing or is not what is described above.
    """
    known = dataset_participants(bids_dir)
    check_chosen(bids_dir, participants, known)
    filters = Filters(filter_file)
    note = note or (lambda _: None)
    layout = open_index(bids_dir, participants or sorted(known), database_dir, note)
    people: dict[str, Any] = {'session': list(sessions)} if sessions else {}
    if participants:
        people['subject'] = list(participants)
    scans = _scans(layout, bids_dir, people, modalities, filters, note)
    if not scans and not may_be_none:
        what = ' or '.join(modalities) or ', '.join(HEAD_DATATYPES)
        meant = [suffix for suffix in map(suffix_meant, modalities) if suffix]
        hint = f': did you mean {" or ".join(meant)}?' if meant else ''
        raise NothingSelectedError(f'no {what} scan in {bids_dir} passes the filters{hint}')
    return tuple(sorted(scans.values(), key=lambda scan: scan.place))


def _scans(
    layout: BIDSLayout,
    bids_dir: Path,
    people: Mapping[str, Any],
    modalities: Sequence[str],
    filters: Filters,
    note: Callable[[str], None],
) -> Scans:
    """Query the scans; suffixes without a filter together, as each query takes time."""
    free = [suffix for suffix in modalities if suffix not in filters]
    filtered = {suffix for suffix in modalities if suffix in filters}
    scans: Scans = {}
    if free or not modalities:
        wanted = {**people, **({'suffix': free} if free else {})}
        found = _of_paths(filters.query(layout, wanted), bids_dir)
        there = {scan.modality for scan in found.values()}
        # no suffix is asked for, or the index of another program holds other images
        filtered |= {suffix for suffix in there if suffix in filters}
        scans = {
            key: scan
            for key, scan in found.items()
            if scan.modality not in filtered and is_wanted(scan.modality, modalities)
        }
    for suffix in sorted(filtered):
        scans |= _filtered(layout, bids_dir, people, suffix, filters, note)
    others = filters.others(sorted(filtered))
    if others:
        note(f'{filters.path}: no selected image has the suffix {", ".join(others)}')
    return scans


def _filtered(
    layout: BIDSLayout,
    bids_dir: Path,
    people: Mapping[str, Any],
    suffix: str,
    filters: Filters,
    note: Callable[[str], None],
) -> Scans:
    """Query the scans of a suffix that pass its filter, and say how many do not."""
    any_part = filters.asks_for_part(suffix)
    paths, passing = filters.select(layout, suffix, people, note)
    there = _of_paths(paths, bids_dir, any_part=any_part)
    kept = _of_paths(passing, bids_dir, any_part=any_part)
    left_out = len(there) - len(kept)
    images = count(len(there), 'image')
    which = f'all {images}' if left_out == len(there) > 1 else f'{left_out} of {images}'
    note(f'{filters.path}: the filter for {suffix} leaves out {which}')
    return kept


def _of_paths(paths: Iterable[str], bids_dir: Path, *, any_part: bool = False) -> Scans:
    scans = (scan_of(Path(path), bids_dir) for path in paths)
    return {
        scan.original: scan
        for scan in scans
        if scan is not None and (any_part or not no_magnitude(scan.source_name))
    }
