"""The tables of the group level, each with its dictionary, from a `GroupResult`."""

from __future__ import annotations

from dataclasses import asdict, fields
from math import isnan
from typing import TYPE_CHECKING

from bids_reid.bids.files import Batch
from bids_reid.bids.sensitive import CITATIONS, SUMMARY, sensitive_amounts
from bids_reid.bids.tables import add_table, remove_table
from bids_reid.bids.verdicts import write_verdicts
from bids_reid.group.result import Statistics
from bids_reid.report.citations import methods
from bids_reid.report.figure_files import add_figures
from bids_reid.report.summary import group_summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from bids_reid.bids.sensitive import Amount, Sensitive
    from bids_reid.group.result import Curve, GroupResult, ImageLine, PhotoLine
    from bids_reid.report.drawing import Drawing
    from bids_reid.risk.linkage import LinkageRow
    from bids_reid.risk.pairing import ReductionRow

IDENTIFICATION = 'group_identification'
CHANGES = 'group_changes'
STATISTICS = tuple(f'group_{entry.name}' for entry in fields(Statistics))
ALL = (
    'group_images',
    'group_linkage',
    IDENTIFICATION,
    'group_cmc',
    'group_ranks',
    'group_reduction',
    *STATISTICS,
)


def write_results(
    output_dir: Path, result: GroupResult, page: str, drawings: Iterable[Drawing] = ()
) -> dict[Sensitive, Amount]:
    """Write tables, figures, methods, ``group.html`` and ``group_summary.json``.

    Tables and figures of an earlier run that this one has not are removed.

    Until all of them are on the disk, those of an earlier run stay. A summary never stands beside
    tables of another run: without one, whoever asks is told to run the group level again.

    Parameters
    ----------
    page : str
        Content of ``group.html``.
    drawings : iterable of Drawing
        Its figures, for ``figures/``.

    Returns
    -------
    How many files of the output can give a face back.

    Raises
    ------
    CannotWriteError
        One of them cannot be written.
    """
    tables, summary = _tables(result), output_dir / SUMMARY
    amounts = sensitive_amounts(output_dir)
    gone = [output_dir / f'{name}.tsv' for name in ALL if name not in tables]

    def make_way() -> None:
        summary.unlink(missing_ok=True)
        for path in gone:
            remove_table(path)
        for path in former:
            path.unlink(missing_ok=True)

    with Batch() as batch:
        for name in ALL:
            if name in tables:
                add_table(batch, output_dir / f'{name}.tsv', name, tables[name])
        former = add_figures(batch, output_dir, drawings)
        text, bibliography = (output_dir / 'logs' / name for name in CITATIONS)
        told = methods(result)
        batch.text(text, told.markdown)
        batch.text(bibliography, told.bibtex)
        batch.text(output_dir / 'group.html', page)
        batch.json(summary, group_summary(result, amounts))
        batch.publish(make_way)
    write_verdicts(output_dir, (image_row(line) for line in result.images))
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
    tables['group_cmc'] = (row for curve in result.curves for row in _curve_rows(curve))
    photos = {photo.name: photo for photo in result.photos}
    tables['group_ranks'] = (
        {**asdict(attack), **_photo_columns(photos.get(score.photo)), **asdict(score)}
        | {'participant_id': f'sub-{score.participant}'}
        for attack, scores in result.searches
        for score in scores
    )
    for name in STATISTICS:
        if name == CHANGES and not result.statistics.changes:
            # nothing before to compare with
            continue
        tables[name] = map(asdict, getattr(result.statistics, name.removeprefix('group_')))
    return tables


def _curve_rows(curve: Curve) -> Iterator[dict[str, object]]:
    """Yield the ranks at which a curve rises, and the first one; none without searches."""
    before = None
    for k, rate in enumerate(curve.rates, start=1):
        if rate != before and not isnan(rate):
            yield {**asdict(curve.attack), 'k': k, 'rate': rate}
        before = rate


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
        'program_verdict': line.program_verdict or line.verdict,
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
