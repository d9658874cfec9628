"""Figures of rates and scores: CMC, larger galleries, score distributions, DET curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator, NullLocator, PercentFormatter, ScalarFormatter

from bids_reid.group.result import Curve
from bids_reid.report import words
from bids_reid.report.canvas import (
    COLOURS,
    GUESSING,
    MARKERS,
    About,
    curved,
    drawn,
    dress_rates,
    stroke,
)
from bids_reid.report.curve_labels import name_curves
from bids_reid.report.drawing import Drawing
from bids_reid.risk.distributions import DistributionRow
from bids_reid.risk.growth import GrowthRow
from bids_reid.risk.identification import IdentificationRow
from bids_reid.risk.verification import DetRow, equal_error_rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

LONG_GALLERY = 30
FEW_RANKS = 10
MOST_BARS = 4
FEW_TICKS = 3
DET_TICKS = (0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99)
SIZES = {
    **{10**power: f'{10**power:,}' for power in range(4)},
    10**4: '10k',
    10**5: '100k',
    10**6: '1M',
    10**7: '10M',
}


def cmc_figure(
    about: About, curves: Mapping[str, Curve], rows: Sequence[IdentificationRow]
) -> Drawing:
    """Draw the CMC of one group of scans.

    Parameters
    ----------
    about
        What it shows.
    curves
        By attack, the strongest first; at least one with at least one rank.
    rows
        Their identification rows (same unit), for intervals.
    """
    n_gallery = max(len(curve.rates) for curve in curves.values())

    def draw(figure: Figure, axes: Axes) -> None:
        named = []
        for number, (attack, curve) in enumerate(curves.items()):
            ranks = np.arange(1, len(curve.rates) + 1)
            (line,) = axes.plot(
                ranks,
                curve.rates,
                marker=MARKERS[number % len(MARKERS)] if n_gallery <= LONG_GALLERY else None,
                markersize=4,
                clip_on=False,
                zorder=3,
                **stroke(number),
            )
            named.append(curved(f'{attack}, {words.percent(curve.rates[0])}', line))
            if len(curves) <= MOST_BARS:
                place = number - (len(curves) - 1) / 2
                _draw_intervals(axes, curve, rows, stroke(number)['color'], place, n_gallery)
        ranks = np.arange(1, n_gallery + 1)
        marker = '.' if n_gallery == 1 else None
        (line,) = axes.plot(ranks, ranks / n_gallery, marker=marker, **GUESSING)
        named.append(curved('guessing', line))
        _dress(axes, n_gallery)
        name_curves(figure, axes, named)

    return drawn(about, (4.8, 3.4), draw, _describe(curves))


def growth_figure(about: About, rows: Sequence[GrowthRow]) -> Drawing:
    """Draw the rank-1 rate against the size of the gallery.

    Parameters
    ----------
    about
        What it shows.
    rows
        Of one attack, by size, each with a rate; those that are measured first.
    """
    measured = [row for row in rows if row.measured == 'yes']
    modelled = [row for row in rows if row.measured == 'no']

    def draw(figure: Figure, axes: Axes) -> None:
        named = []
        for part, dash, label in (
            (measured, 'solid', 'measured'),
            ([*measured[-1:], *modelled], 'dashed', 'modelled'),
        ):
            if len(part) < 2:
                continue
            sizes = [row.n_gallery for row in part]
            low, rate, high = (
                [float(getattr(row, key) or 0) for row in part]
                for key in ('ci_low', 'rate', 'ci_high')
            )
            axes.fill_between(sizes, low, high, color=COLOURS[0], alpha=0.2, linewidth=0)
            (line,) = axes.plot(
                sizes, rate, color=COLOURS[0], linestyle=dash, linewidth=2, clip_on=False
            )
            named.append(curved(label, line))
        sizes = [row.n_gallery for row in rows]
        (line,) = axes.plot(sizes, [row.chance for row in rows], **GUESSING)
        axes.set_xscale('log')
        ticks = [size for size in SIZES if size <= rows[-1].n_gallery]
        if len(ticks) < FEW_TICKS:
            ticks = [size for size in (1, 2, 5, 10, 20, 50) if size <= rows[-1].n_gallery]
        axes.set_xticks(ticks, [SIZES.get(size, str(size)) for size in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel('people in the gallery (k: thousands, M: millions)')
        dress_rates(axes, 'participants found at rank 1')
        name_curves(figure, axes, [*named, curved('guessing', line)], columns=3)

    text = ' '.join(
        f'{words.percent(row.rate)} among {row.n_gallery:,}'
        f'{"" if row.measured == "yes" else " (modelled)"}.'
        for row in rows
    )
    return drawn(about, (4.8, 3.4), draw, text)


def distribution_figure(
    about: About, mated: Sequence[DistributionRow], nonmated: Sequence[DistributionRow]
) -> Drawing:
    """Draw how the scores of mated and of non-mated comparisons are distributed.

    Parameters
    ----------
    about
        What it shows.
    mated, nonmated
        Bins of one attack, ascending and without gaps, each with one or more.
    """
    sides = {'same person': mated, 'different people': nonmated}
    totals = {name: sum(row.n for row in rows) for name, rows in sides.items()}

    def draw(figure: Figure, axes: Axes) -> None:
        named = []
        for number, (name, rows) in enumerate(sides.items()):
            edges = [rows[0].bin_low, *(row.bin_high for row in rows)]
            shares = np.array([row.n for row in rows]) / totals[name]
            style = stroke(number)
            axes.stairs(shares, edges, fill=True, color=style['color'], alpha=0.25, linewidth=0)
            x = np.repeat(edges, 2)
            y = np.concatenate([[0.0], np.repeat(shares, 2), [0.0]])
            (line,) = axes.plot(x, y, solid_joinstyle='miter', **style)
            named.append(curved(f'{name} ({totals[name]:,})', line))
        axes.set_ylim(0, axes.get_ylim()[1] * 1.15)
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_xlabel('score of a comparison (higher: more alike)')
        axes.set_ylabel('share of comparisons')
        axes.grid(color='black', alpha=0.15, linewidth=0.8)
        name_curves(figure, axes, named)

    text = ' '.join(
        f'{name.capitalize()}: {totals[name]:,} comparisons with scores from '
        f'{rows[0].bin_low:g} to {rows[-1].bin_high:g}, half of them below {_median(rows):g}.'
        for name, rows in sides.items()
    )
    return drawn(about, (4.8, 3.2), draw, text)


def det_figure(about: About, curves: Mapping[str, Sequence[DetRow]]) -> Drawing:
    """Draw curves of detection error trade-off.

    Both axes are those of the normal deviate, on which normal scores give straight lines (Martin
    et al., Eurospeech 1997). A rate of 0 lies on their edge.

    Parameters
    ----------
    about
        What it shows.
    curves
        Rows by the name of their curve, each with one or more, in their order.
    """
    from scipy import special

    def place(rates: Sequence[float]) -> NDArray[np.float64]:
        return np.asarray(special.ndtri(np.clip(rates, DET_TICKS[0], DET_TICKS[-1])))

    def draw(figure: Figure, axes: Axes) -> None:
        named = []
        for number, (label, rows) in enumerate(curves.items()):
            fmr, fnmr = ([getattr(row, key) for row in rows] for key in ('fmr', 'fnmr'))
            # steps: FMR falls first, then FNMR rises
            x = place(np.repeat([1.0, *fmr], 2)[1:].tolist())
            y = place(np.repeat([fnmr[0], *fnmr], 2)[:-1].tolist())
            (line,) = axes.plot(x, y, clip_on=False, **stroke(number))
            named.append(curved(label, line))
        edges = place([DET_TICKS[0], DET_TICKS[-1]])
        (line,) = axes.plot(edges, edges, color='black', alpha=0.3, linewidth=1)
        named.append(curved('equal error rate', line))
        (line,) = axes.plot(edges, -edges, **GUESSING)
        named.append(curved('guessing', line))
        ticks = place(DET_TICKS), [words.percent(tick) for tick in DET_TICKS]
        axes.set_xticks(*ticks)
        axes.set_yticks(*ticks)
        axes.set_xlim(edges[0], edges[1])
        axes.set_ylim(edges[0], edges[1])
        axes.set_xlabel('other people taken for the right one (FMR)')
        axes.set_ylabel('right people rejected (FNMR)')
        axes.grid(color='black', alpha=0.15, linewidth=0.8)
        name_curves(figure, axes, named)

    text = ' '.join(
        f'{label}: equal error rate {words.percent(_equal_error(rows))}.'
        for label, rows in curves.items()
    )
    return drawn(about, (4.8, 4.4), draw, text)


def _equal_error(rows: Sequence[DetRow]) -> float:
    fmr, fnmr = (np.array([getattr(row, key) for row in rows]) for key in ('fmr', 'fnmr'))
    return equal_error_rate(fmr, fnmr)


def _median(rows: Sequence[DistributionRow]) -> float:
    """Return the upper end of the bin in which half of the comparisons are reached."""
    counts = np.cumsum([row.n for row in rows])
    return rows[int(np.searchsorted(counts, counts[-1] / 2))].bin_high


def _draw_intervals(
    axes: Axes,
    curve: Curve,
    rows: Sequence[IdentificationRow],
    colour: str,
    place: float,
    n_gallery: int,
) -> None:
    """Draw the intervals of a curve beside those of the others, ``place`` steps to the right."""
    for row in rows:
        if row.ci_low is None or row.ci_high is None or row.k > len(curve.rates):
            continue
        if row.attack == curve.attack:
            across = row.k * 1.04**place if n_gallery > LONG_GALLERY else row.k + 0.12 * place
            axes.vlines(across, row.ci_low, row.ci_high, color=colour, alpha=0.45, linewidth=4)


def _dress(axes: Axes, n_gallery: int) -> None:
    """Label the axes; the ranks of a long gallery are spread on a logarithmic scale."""
    dress_rates(axes, 'participants found')
    axes.set_xlabel('within the first … candidates (rank)')
    if n_gallery > LONG_GALLERY:
        axes.set_xscale('log')
        ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if tick <= n_gallery]
        axes.set_xticks(ticks)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.set_xlim(0.9, n_gallery)
    else:
        step = 1 if n_gallery <= FEW_RANKS else 5
        axes.set_xticks([1, *range(step, n_gallery + 1, step)])
        axes.set_xlim(0.5, n_gallery + 0.5)


def _describe(curves: Mapping[str, Curve]) -> str:
    """Say in words what the figure shows, for those who do not see it."""
    return ' '.join(
        f'{attack}: {words.percent(curve.rates[0])} at rank 1, '
        f'{words.percent(curve.rates[-1])} at rank {len(curve.rates)}.'
        for attack, curve in curves.items()
    )
