"""The sheet that figures are drawn on, and what they have in common.

Each figure is drawn once and saved as SVG and as PDF, for the page and for files. Everything is
drawn on its own ``Figure`` (no pyplot, no global state), and the same input gives the same bytes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from bids_reid.report.curve_labels import Curved
from bids_reid.report.drawing import Drawing, with_prefix

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

# Okabe and Ito's colours that stand out on white and on black alike.
COLOURS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#B8860B', '#56B4E9')
DASHES = ('solid', 'dashed', 'dashdot', (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (3, 1)))
MARKERS = ('o', 's', '^', 'D', 'v', 'P')
GUESSING: Any = {'color': 'black', 'alpha': 0.6, 'linestyle': (0, (1, 2)), 'linewidth': 1.5}
_STYLE: Any = {
    'svg.fonttype': 'none',
    'svg.hashsalt': 'bids_reid',
    # glyphs as outlines: embedding subsets of fonts takes three times as long
    'pdf.fonttype': 3,
    'font.family': 'DejaVu Sans',
    'font.size': 10,
    # Names come from the user: a dollar sign is no formula.
    'text.parse_math': False,
    'axes.spines.top': False,
    'axes.spines.right': False,
}


@dataclass(frozen=True, slots=True)
class About:
    """What a figure shows: see `bids_reid.report.drawing.Drawing`."""

    kind: str
    name: str
    heading: str
    title: str
    table: str = ''


def drawn(
    about: About,
    size: tuple[float, float],
    draw: Callable[[Figure, Axes], None],
    description: str,
) -> Drawing:
    """Draw once, save as SVG and as PDF. Neither has a date: the same figure is the same bytes."""
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        # names of people's own may have letters that the font lacks
        warnings.filterwarnings('ignore', message='Glyph .* missing from font')
        figure = Figure(figsize=size, layout='constrained')
        draw(figure, figure.add_subplot())
        # laid out once, for both files
        figure.draw_without_rendering()
        figure.set_layout_engine('none')
        svg, pdf = StringIO(), BytesIO()
        nothing = dict.fromkeys(('Date', 'Creator', 'Format', 'Type'))
        figure.savefig(svg, format='svg', transparent=True, metadata=nothing)
        nothing = dict.fromkeys(('CreationDate', 'Creator', 'Producer'))
        figure.savefig(pdf, format='pdf', metadata=nothing)
    return Drawing(
        kind=about.kind,
        name=about.name,
        heading=about.heading,
        title=about.title,
        description=description,
        table=about.table,
        svg=with_prefix(svg.getvalue(), about.name),
        pdf=pdf.getvalue(),
    )


def stroke(number: int) -> dict[str, Any]:
    """Give a curve a colour and a dash, the same for the same place in every figure."""
    return {
        'color': COLOURS[number % len(COLOURS)],
        'linestyle': DASHES[number % len(DASHES)],
        'linewidth': 2,
    }


def curved(name: str, line: Line2D) -> Curved:
    """Return a line of the figure with its name, to be named beside it."""
    return Curved(name, line, *(np.asarray(axis, float) for axis in line.get_data(orig=False)))


def dress_rates(axes: Axes, what: str) -> None:
    """Label the vertical axis of rates and draw a grid."""
    axes.set_ylim(0, 1)
    axes.set_ylabel(what)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.grid(color='black', alpha=0.15, linewidth=0.8)
