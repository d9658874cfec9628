"""The rank of each participant before and after, as a line each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bids_reid.report import words
from bids_reid.report.canvas import COLOURS, About, drawn
from bids_reid.report.drawing import Drawing
from bids_reid.risk.changes import ChangeRow

if TYPE_CHECKING:
    from collections.abc import Collection

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

MOST_NAMES = 10
"""So many participants are named; the table names all."""
MANY = 100
"""So many lines are thin, and most without marks."""
BEFORE, AFTER = 0.0, 1.0
NOT_FOUND = 0.28
"""How far below the last rank failed searches lie, in powers of ten."""
ROOM = 0.16
"""How far participants of one rank are spread, in powers of ten."""
NAME_HEIGHT = 0.052
"""Of a name, as a share of the height of the figure."""
CROWDED = 1.3
"""Ranks closer than this, as a ratio, have no room for both numbers."""
RANKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


def change_figure(about: About, rows: Sequence[ChangeRow], still: Collection[str]) -> Drawing:
    """Draw the rank of each participant before and after.

    Parameters
    ----------
    about
        What it shows.
    rows
        Of one attack, baseline, condition and modality; at least one.
    still
        Labels of the participants who are still recognised, without ``sub-``.
    """
    recognised = {f'sub-{label}' for label in still}
    bottom = float(np.log10(max(_last_rank(rows), 1)))
    before = _heights([row.rank_before for row in rows], [row.rank_after for row in rows], bottom)
    after = _heights([row.rank_after for row in rows], [row.rank_before for row in rows], bottom)
    marked = np.array([row.participant_id in recognised for row in rows])

    def draw(_figure: Figure, axes: Axes) -> None:
        many = len(rows) > MANY
        quiet: dict[str, Any] = {
            'color': 'black',
            'alpha': 0.45,
            'linewidth': 0.4 if many else 1,
            'marker': None if many else 'o',
        }
        loud: dict[str, Any] = {
            'color': COLOURS[1],
            'linewidth': 1 if many else 2.2,
            'marker': 'o',
            'zorder': 3,
        }
        for some, style in ((~marked, quiet), (marked, loud)):
            _slopes(axes, before[some], after[some], style)
        _name(axes, [row.participant_id for row in rows], after, marked)
        _dress(axes, rows, bottom)

    return drawn(about, (4.8, 4.0), draw, _describe(rows, recognised))


def _heights(
    ranks: Sequence[int | None], others: Sequence[int | None], bottom: float
) -> NDArray[np.float64]:
    """Return the height of each participant, log10 of the rank; equal ranks are spread a little.

    Those of one rank are in the order of their other rank, so that few lines cross.
    """
    members = defaultdict[int | None, list[int]](list)
    for place, rank in enumerate(ranks):
        members[rank].append(place)
    heights = np.zeros(len(ranks))
    for rank, places in members.items():
        middle = bottom + NOT_FOUND if rank is None else np.log10(rank)
        places.sort(key=lambda place: (others[place] is None, others[place] or 0, place))
        spread = min(ROOM, 0.012 * (len(places) - 1))
        if rank is not None and rank > 2:
            spread = min(spread, 0.3 / rank)
        heights[places] = middle + np.linspace(-spread / 2, spread / 2, len(places))
    return heights


def _last_rank(rows: Sequence[ChangeRow]) -> int:
    """Return the size of the larger gallery."""
    return max(max(row.n_gallery_before, row.n_gallery_after) for row in rows)


def _slopes(
    axes: Axes, before: NDArray[np.float64], after: NDArray[np.float64], style: dict[str, Any]
) -> None:
    """Draw the lines of many participants as one path: a page with 1,000 of them stays small."""
    gaps = np.full(len(before), np.nan)
    x = np.tile([BEFORE, AFTER, np.nan], len(before))
    y = np.column_stack([before, after, gaps]).ravel()
    axes.plot(x, y, **style, markersize=3, clip_on=False)


def _name(
    axes: Axes,
    names: Sequence[str],
    heights: NDArray[np.float64],
    marked: NDArray[np.bool_],
) -> None:
    """Name those who are still recognised, one below the other beside their ends."""
    places = [int(place) for place in np.flatnonzero(marked)]
    places.sort(key=lambda place: heights[place])
    lines = [(names[place], heights[place]) for place in places[:MOST_NAMES]]
    if len(places) > MOST_NAMES:
        lines.append((f'and {len(places) - MOST_NAMES:,} more', heights[places[MOST_NAMES]]))
    low, high = axes.get_ylim()
    step = abs(high - low) * NAME_HEIGHT
    at = -np.inf
    for name, height in lines:
        at = max(height, at + step)
        axes.annotate(
            name,
            (AFTER, height),
            xytext=(AFTER + 0.08, at),
            textcoords='data',
            va='center',
            fontsize=9,
            annotation_clip=False,
            arrowprops={
                'arrowstyle': '-',
                'color': COLOURS[1],
                'linewidth': 0.8,
                'shrinkB': 3,
                # from the beginning of the name
                'relpos': (0, 0.5),
            },
        )


def _dress(axes: Axes, rows: Sequence[ChangeRow], bottom: float) -> None:
    """Label both ends and the ranks; rank 1 is at the top."""
    failed = any(row.rank_before is None or row.rank_after is None for row in rows)
    ticks = [rank for rank in RANKS if np.log10(rank) <= bottom + 1e-9]
    last = _last_rank(rows)
    if last / ticks[-1] > CROWDED:
        ticks.append(last)
    heights, names = [float(np.log10(rank)) for rank in ticks], [f'{rank:,}' for rank in ticks]
    if failed:
        heights.append(bottom + NOT_FOUND)
        names.append('failed')
    axes.set_yticks(heights, names)
    axes.set_ylabel('rank of the right participant')
    axes.set_ylim((bottom + NOT_FOUND if failed else bottom) + ROOM, -ROOM)
    axes.set_xlim(-0.06, 1.42)
    first = rows[0]
    counts = [
        sum(rank == 1 for rank in ranks)
        for ranks in (
            [row.rank_before for row in rows],
            [row.rank_after for row in rows],
        )
    ]
    ends = zip((first.baseline, first.condition), counts, strict=True)
    axes.set_xticks(
        [BEFORE, AFTER], [f'{name}\n{found:,} of {len(rows):,} first' for name, found in ends]
    )
    axes.spines['bottom'].set_visible(False)
    axes.tick_params(axis='x', length=0)
    axes.grid(color='black', alpha=0.15, linewidth=0.8, axis='y')


def _describe(rows: Sequence[ChangeRow], recognised: Collection[str]) -> str:
    """Say in words what the figure shows, for those who do not see it."""
    first = rows[0]
    n_before = sum(row.rank_before == 1 for row in rows)
    n_after = sum(row.rank_after == 1 for row in rows)
    text = (
        f'At rank 1 before ({first.baseline}): {n_before:,} of '
        f'{words.count(len(rows), "participant")}. After ({first.condition}): {n_after:,}.'
    )
    if not recognised:
        return text
    named = sorted(recognised)[:MOST_NAMES]
    more = len(recognised) - len(named)
    return f'{text} Still recognised: {", ".join(named)}{f" and {more:,} more" if more else ""}.'
