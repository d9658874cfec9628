"""All figures of a run of the group level, as drawings."""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan

from bids_reid.group.result import GroupResult, Statistics
from bids_reid.records import RAW, AttackKey
from bids_reid.report.canvas import About
from bids_reid.report.change_figure import change_figure
from bids_reid.report.drawing import Drawing, file_name
from bids_reid.report.figures import cmc_figure, det_figure, distribution_figure, growth_figure
from bids_reid.report.findings import attack_name, attack_of, distinct, group_name
from bids_reid.report.published import bars
from bids_reid.report.published_figure import published_figure
from bids_reid.report.statistics import changes
from bids_reid.risk.changes import ChangeRow
from bids_reid.risk.pairing import ReductionRow
from bids_reid.risk.strength import strongest_first

MOST_CURVES = 6
"""So many attacks of a group of scans are drawn; all are in the table."""


def group_drawings(content: GroupResult) -> tuple[Drawing, ...]:
    """Draw all figures that the result has numbers for, by kind, then group of scans.

    Without photographs there are none.
    """
    statistics = content.statistics
    drawings = [
        *_cmc(content),
        *_distributions(statistics),
        *_changes(content),
        *_growth(statistics),
        *_det(statistics),
        *_published(statistics),
    ]
    return tuple(drawings)


def _about(kind: str, attack: AttackKey, title: str, table: str) -> About:
    """Say what a figure of a group of scans shows."""
    group = group_name(attack)
    return About(
        kind=kind,
        name=file_name(kind, f'{attack.modality}-{attack.condition}'),
        heading=group,
        title=f'{title}: {group}',
        table=f'{table}.tsv',
    )


def _cmc(content: GroupResult) -> Iterator[Drawing]:
    """Draw one CMC for each group of scans."""
    # An attack without searches has NaN for rates.
    curves = [curve for curve in content.curves if curve.rates and not isnan(curve.rates[0])]
    independent = [row for row in content.rows if row.unit == 'participant']
    for group in distinct(group_name(curve.attack) for curve in curves):
        members = [curve for curve in curves if group_name(curve.attack) == group]
        order = strongest_first(
            [curve.rates[0] for curve in members], [len(curve.rates) for curve in members]
        )
        strongest = [members[place] for place in order[:MOST_CURVES]]
        about = _about('cmc', strongest[0].attack, 'Identification rate at each rank', 'group_cmc')
        shown = {attack_name(curve.attack): curve for curve in strongest}
        yield cmc_figure(about, shown, independent)


def _growth(statistics: Statistics) -> Iterator[Drawing]:
    """Draw how the strongest attack on each group of scans fares in larger galleries."""
    for attack in map(attack_of, statistics.strongest):
        rows = [
            row for row in statistics.growth if attack_of(row) == attack and row.rate is not None
        ]
        if len(rows) > 1:
            title = 'Identification rate and size of the gallery'
            yield growth_figure(_about('growth', attack, title, 'group_growth'), rows)


def _distributions(statistics: Statistics) -> Iterator[Drawing]:
    """Draw the scores of the strongest attack on each group of scans."""
    for attack in map(attack_of, statistics.strongest):
        rows = [row for row in statistics.distributions if attack_of(row) == attack]
        mated = [row for row in rows if row.comparison == 'mated']
        nonmated = [row for row in rows if row.comparison == 'nonmated']
        if mated and nonmated:
            title = f'Scores by {attack_name(attack)}'
            about = _about('distributions', attack, title, 'group_distributions')
            yield distribution_figure(about, mated, nonmated)


def _changes(content: GroupResult) -> Iterator[Drawing]:
    """Draw the ranks before and after of the attack that was strongest before."""
    # raw scans are never what is left after
    for change in changes([row for row in content.reductions if row.condition != RAW]):
        reduction = change.strongest
        rows = [row for row in content.statistics.changes if _same(row, reduction)]
        if rows:
            title = f'Ranks before and after by {attack_name(attack_of(reduction))}'
            about = _about('changes', attack_of(reduction), title, 'group_changes')
            yield change_figure(about, rows, reduction.still_identified)


def _same(row: ChangeRow, reduction: ReductionRow) -> bool:
    return attack_of(row) == attack_of(reduction) and row.baseline == reduction.baseline


def _det(statistics: Statistics) -> Iterator[Drawing]:
    """Draw the DET curves of the strongest attacks; nothing where nothing was compared."""
    attacks = [attack_of(row) for row in statistics.strongest]
    curves = {
        f'{group_name(attack)}, {attack_name(attack)}': rows
        for attack in attacks
        if (rows := [row for row in statistics.det if attack_of(row) == attack])
    }
    if curves:
        about = About(
            kind='det',
            name='det',
            heading='Strongest attacks',
            title='Detection error trade-off: strongest attacks',
            table='group_det.tsv',
        )
        yield det_figure(about, curves)


def _published(statistics: Statistics) -> Iterator[Drawing]:
    """Draw the strongest attacks beside published studies."""
    if statistics.strongest:
        about = About(
            kind='published',
            name='published',
            heading='Participants found at rank 1',
            title='Rank-1 rates of this dataset and of published studies',
            table='group_strongest.tsv',
        )
        yield published_figure(about, bars(statistics.strongest))
