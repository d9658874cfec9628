"""The study's figure: a bar for each method, its interval, chance and what was published."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from bids_reid.report.canvas import COLOURS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from benchmarks.study.outcome import Method

_STYLE: Any = {
    'svg.fonttype': 'none',
    'svg.hashsalt': 'bids_reid',
    'font.family': 'DejaVu Sans',
    'font.size': 9,
    'axes.spines.top': False,
    'axes.spines.right': False,
}


def bar_figure(found: Sequence[Method], title: str) -> str:
    """Draw the bars, from the top in the order given, as an SVG file; same input, same bytes."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(6.4, 1.6 + 0.26 * len(found)), layout='constrained')
        axes = figure.add_subplot()
        _draw_bars(axes, found)
        axes.axvline(found[0].chance, color='black', linestyle=(0, (1, 2)), linewidth=1.2)
        axes.set_xlim(0, 1)
        axes.set_xlabel('match rate: the right participant comes first')
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.set_yticks(range(len(found)), [method.name for method in found])
        axes.set_ylim(len(found) - 0.4, -0.6)
        axes.set_title(title, fontsize=10, loc='left')
        figure.legend(
            handles=[
                Line2D([], [], color='black', label='95% interval (Wilson)'),
                Patch(color='black', alpha=0.15, label='published, with its interval'),
                Line2D([], [], color='black', linestyle=(0, (1, 2)), label='chance'),
            ],
            loc='outside lower center',
            frameon=False,
            ncols=3,
        )
        buffer = StringIO()
        nothing = dict.fromkeys(('Date', 'Creator', 'Format', 'Type'))
        figure.savefig(buffer, format='svg', metadata=nothing)
    return buffer.getvalue()


def _draw_bars(axes: Axes, found: Sequence[Method]) -> None:
    """One colour for all bars of an extractor."""
    extractors = list(dict.fromkeys(method.extractor for method in found))
    for place, method in enumerate(found):
        if method.published_low is not None and method.published_high is not None:
            width = method.published_high - method.published_low
            axes.barh(place, width, left=method.published_low, height=1, color='black', alpha=0.15)
        colour = COLOURS[extractors.index(method.extractor) % len(COLOURS)]
        axes.barh(place, method.rate, height=0.6, color=colour, alpha=0.85)
        axes.hlines(place, method.ci_low, method.ci_high, color='black', linewidth=1.4)
        axes.text(method.ci_high + 0.01, place, f'{method.rate:.0%}', va='center', fontsize=8)
