"""The tables of the group level, each with its dictionary, from a `GroupResult`."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING

from bids_reid.bids.files import write_json
from bids_reid.bids.sensitive import SUMMARY, sensitive_amounts
from bids_reid.bids.tables import remove_table, write_table
from bids_reid.bids.verdicts import write_verdicts
from bids_reid.group.result import Statistics
from bids_reid.report.summary import group_summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from bids_reid.bids.sensitive import Amount, Sensitive
    from bids_reid.group.result import GroupResult, ImageLine, PhotoLine
    from bids_reid.risk.linkage import LinkageRow
    from bids_reid.risk.pairing import ReductionRow

IDENTIFICATION = 'group_identification'
STATISTICS = tuple(f'group_{entry.name}' for entry in fields(Statistics))
ALL = (
    'group_images',
    'group_linkage',
    IDENTIFICATION,
    'group_ranks',
    'group_reduction',
    *STATISTICS,
)


def write_tables(output_dir: Path, result: GroupResult) -> dict[Sensitive, Amount]:
    """Write the tables and ``group_summary.json``; take away those that an earlier run left.

    Return how many files of the output can give a face back.
    """
    tables = _tables(result)
    for name in ALL:
        path = output_dir / f'{name}.tsv'
        if name in tables:
            write_table(path, name, tables[name])
        else:
            remove_table(path)
    amounts = sensitive_amounts(output_dir)
    write_json(output_dir / SUMMARY, group_summary(result, amounts))
    rows = (image_row(line) for line in result.images)
    write_verdicts(output_dir, rows)
    return amounts


def _tables(result: GroupResult) -> dict[str, Iterable[Mapping[str, object]]]:
    """Return the rows of each table that the result has; without photographs there are few."""
    tables: dict[str, Iterable[Mapping[str, object]]] = {
        'group_images': map(image_row, result.images),
        'group_linkage': map(_linkage_row, result.linkage),
    }
    if result.reductions:
        tables['group_reduction'] = map(_reduction_row, result.reductions)
    if result.photos is None:
        return tables
    tables[IDENTIFICATION] = map(asdict, result.rows)
    photos = {photo.name: photo for photo in result.photos}
    tables['group_ranks'] = (
        {**asdict(attack), **_photo_columns(photos.get(score.photo)), **asdict(score)}
        | {'participant_id': f'sub-{score.participant}'}
        for attack, scores in result.searches
        for score in scores
    )
    for name in STATISTICS:
        tables[name] = map(asdict, getattr(result.statistics, name.removeprefix('group_')))
    return tables


def _photo_columns(photo: PhotoLine | None) -> dict[str, object]:
    """Return what is known of a photograph besides its search."""
    if photo is None:
        return dict.fromkeys(('n_faces', 'n_faces_as_large', 'turned'))
    return {
        'n_faces': photo.n_faces,
        'n_faces_as_large': photo.n_alike,
        'turned': photo.turned,
    }


def image_row(line: ImageLine) -> dict[str, object]:
    """Return the columns of an image."""
    return {
        **asdict(line),
        'in_release': 'yes' if line.in_release else 'no',
        'participant_id': f'sub-{line.participant}' if line.participant else None,
        'session_id': _session(line.session),
        'reason': line.reason or None,
    }


def _linkage_row(row: LinkageRow) -> dict[str, object]:
    return {
        **asdict(row),
        'probe_session': _session(row.probe_session),
        'gallery_session': _session(row.gallery_session),
    }


def _reduction_row(row: ReductionRow) -> dict[str, object]:
    people = ','.join(f'sub-{participant}' for participant in row.still_identified)
    return {**asdict(row), 'still_identified': people or None}


def _session(label: str | None) -> str | None:
    return f'ses-{label}' if label else None
