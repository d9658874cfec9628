"""The rates of a run beside those of published studies, as a chart of strips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.ticker import PercentFormatter

from bids_reid.report.canvas import COLOURS, About, drawn
from bids_reid.report.drawing import Drawing
from bids_reid.report.published import Bar, range_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW_HEIGHT = 0.36
"""Inches: a label above each strip."""


def published_figure(about: About, bars: Sequence[Bar]) -> Drawing:
    """Draw rates of this dataset and of published studies below each other.

    Filled circles are scans with their faces, open diamonds scans without.

    Parameters
    ----------
    about
        What it shows.
    bars
        From top to bottom, at least one.
    """

    def draw(_figure: Figure, axes: Axes) -> None:
        n_own = sum(bar.own for bar in bars)
        for place, bar in enumerate(bars):
            colour = COLOURS[1] if bar.own else COLOURS[0]
            _strip(axes, place, bar, colour)
        if 0 < n_own < len(bars):
            axes.axhline(n_own - 0.62, color='black', alpha=0.4, linewidth=1)
        axes.set_ylim(len(bars) - 0.3, -0.75)
        axes.set_xlim(-0.01, 1.01)
        axes.set_yticks([])
        axes.spines['left'].set_visible(False)
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.set_xlabel('participants found at rank 1')
        axes.grid(color='black', alpha=0.15, linewidth=0.8, axis='x')

    text = ' '.join(f'{bar.label}: {range_of(bar.low, bar.high)}.' for bar in bars)
    return drawn(about, (4.8, 0.7 + ROW_HEIGHT * len(bars)), draw, text)


def _strip(axes: Axes, place: int, bar: Bar, colour: str) -> None:
    """Draw one line of the chart, its label above it."""
    if bar.ci_low is not None and bar.ci_high is not None:
        axes.plot(
            [bar.ci_low, bar.ci_high],
            [place, place],
            color=colour,
            alpha=0.4,
            linewidth=5,
            solid_capstyle='butt',
        )
    marker = 'D' if bar.defaced else 'o'
    axes.plot(
        [bar.low, bar.high] if bar.high > bar.low else [bar.low],
        [place] * (2 if bar.high > bar.low else 1),
        color=colour,
        linewidth=1.5,
        linestyle='dashed' if bar.defaced else 'solid',
        marker=marker,
        markersize=6,
        markerfacecolor='none' if bar.defaced else colour,
        markeredgewidth=1.6,
        zorder=3,
        clip_on=False,
    )
    axes.text(
        0,
        place - 0.22,
        f'{bar.label}: {range_of(bar.low, bar.high)}',
        fontsize=8.5,
        va='bottom',
        fontweight='bold' if bar.own else 'normal',
    )
