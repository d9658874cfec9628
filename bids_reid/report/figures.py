"""Figures as SVG text that takes its colours from the page around it.

Everything here draws on its own ``Figure`` (no pyplot, no global state), and the same input gives
the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from io import StringIO
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, PercentFormatter, ScalarFormatter

from bids_reid.group.result import Curve
from bids_reid.report import words
from bids_reid.risk.growth import GrowthRow
from bids_reid.risk.identification import IdentificationRow
from bids_reid.risk.verification import DetRow, equal_error_rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

# Okabe and Ito's colours that stand out on white and on black alike.
COLOURS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#B8860B', '#56B4E9')
DASHES = ('solid', 'dashed', 'dashdot', 'dotted')
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
_STYLE: Any = {
    'svg.fonttype': 'none',
    'svg.hashsalt': 'bids_reid',
    'font.family': 'DejaVu Sans',
    'font.size': 10,
    # Names come from the user: a dollar sign is no formula.
    'text.parse_math': False,
    'axes.spines.top': False,
    'axes.spines.right': False,
}


def attack_styles(attacks: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Give each attack a colour and a dash, the same in every panel of a page."""
    return {
        attack: (
            COLOURS[number % len(COLOURS)],
            DASHES[number // len(COLOURS) % len(DASHES)],
        )
        for number, attack in enumerate(attacks)
    }


def cmc_figure(
    name: str,
    curves: Mapping[str, Curve],
    rows: Sequence[IdentificationRow],
    styles: Mapping[str, tuple[str, str]],
) -> str:
    """Draw the CMC of one group of scans as an SVG element.

    Parameters
    ----------
    name
        What the figure shows, for its title; also keeps its ids apart from those of others.
    curves
        By attack, as in the legend; at least one with at least one rank.
    rows
        Their identification rows (same unit), for intervals and chance.
    styles
        Colour and dash of each attack, from :func:`attack_styles`.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(4.8, 3.2 + 0.22 * len(curves)), layout='constrained')
        axes = figure.add_subplot()
        n_gallery = max(len(curve.rates) for curve in curves.values())
        for number, (attack, curve) in enumerate(curves.items()):
            colour, dash = styles[attack]
            axes.plot(
                range(1, len(curve.rates) + 1),
                curve.rates,
                color=colour,
                linestyle=dash,
                linewidth=2,
                marker='o' if n_gallery <= LONG_GALLERY else None,
                markersize=3.5,
                label=attack,
                clip_on=False,
                zorder=3,
            )
            if len(curves) <= MOST_BARS:
                place = number - (len(curves) - 1) / 2
                _draw_intervals(axes, curve, rows, colour, place, n_gallery)
        axes.plot(
            range(1, n_gallery + 1),
            [rank / n_gallery for rank in range(1, n_gallery + 1)],
            color='black',
            alpha=0.6,
            linestyle=(0, (1, 2)),
            linewidth=1.5,
            marker='.' if n_gallery == 1 else None,
            label='guessing',
        )
        _dress(axes, n_gallery)
        figure.legend(loc='outside lower center', frameon=False, ncols=1)
        drawing = _svg(figure)
    return _inline(drawing, f'Identification rate at each rank: {name}', _describe(curves))


def growth_figure(name: str, rows: Sequence[GrowthRow]) -> str:
    """Draw the rank-1 rate against the size of the gallery as an SVG element.

    Parameters
    ----------
    name
        What the figure shows, for its title; also keeps its ids apart from those of others.
    rows
        Of one attack, by size, each with a rate; those that are measured first.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(4.8, 3.6), layout='constrained')
        axes = figure.add_subplot()
        measured = [row for row in rows if row.measured == 'yes']
        for part, dash, label in (
            (measured, 'solid', 'measured'),
            ([*measured[-1:], *(row for row in rows if row.measured == 'no')], 'dashed', 'model'),
        ):
            if len(part) < 2:
                continue
            sizes = [row.n_gallery for row in part]
            low, rate, high = (
                [float(getattr(row, key) or 0) for row in part]
                for key in ('ci_low', 'rate', 'ci_high')
            )
            axes.fill_between(sizes, low, high, color=COLOURS[0], alpha=0.2, linewidth=0)
            axes.plot(sizes, rate, color=COLOURS[0], linestyle=dash, linewidth=2, label=label)
        axes.plot(
            [row.n_gallery for row in rows],
            [row.chance for row in rows],
            color='black',
            alpha=0.6,
            linestyle=(0, (1, 2)),
            linewidth=1.5,
            label='guessing',
        )
        axes.set_xscale('log')
        ticks = [size for size in SIZES if size <= rows[-1].n_gallery]
        if len(ticks) < FEW_TICKS:
            ticks = [size for size in (1, 2, 5, 10, 20, 50) if size <= rows[-1].n_gallery]
        axes.set_xticks(ticks, [SIZES.get(size, str(size)) for size in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel('people in the gallery (k: thousands, M: millions)')
        _dress_rates(axes, 'participants found at rank 1')
        figure.legend(loc='outside lower center', frameon=False, ncols=3)
        drawing = _svg(figure)
    text = ' '.join(
        f'{words.percent(row.rate)} among {row.n_gallery:,}{"" if row.measured == "yes" else "?"}.'
        for row in rows
    )
    return _inline(drawing, f'Identification rate and size of the gallery: {name}', text)


def det_figure(name: str, curves: Mapping[str, Sequence[DetRow]]) -> str:
    """Draw curves of detection error trade-off as an SVG element.

    Both axes are those of the normal deviate, on which normal scores give straight lines (Martin
    et al., Eurospeech 1997); what is 0 lies on their edge.

    Parameters
    ----------
    name
        What the figure shows, for its title; also keeps its ids apart from those of others.
    curves
        Rows by their place in the legend, each with one or more, in their order.
    """
    from scipy import special

    def place(rates: Sequence[float]) -> NDArray[np.float64]:
        return np.asarray(special.ndtri(np.clip(rates, DET_TICKS[0], DET_TICKS[-1])))

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(4.8, 4.2 + 0.22 * len(curves)), layout='constrained')
        axes = figure.add_subplot()
        for label, (colour, dash) in attack_styles(list(curves)).items():
            fmr, fnmr = ([getattr(row, key) for row in curves[label]] for key in ('fmr', 'fnmr'))
            axes.plot(
                place([1.0, *fmr]),
                place([fnmr[0], *fnmr]),
                color=colour,
                linestyle=dash,
                linewidth=2,
                drawstyle='steps-pre',
                label=label,
            )
        edges = place([DET_TICKS[0], DET_TICKS[-1]])
        axes.plot(edges, edges, color='black', alpha=0.3, linewidth=1, label='equal error rate')
        axes.plot(
            edges,
            -edges,
            color='black',
            alpha=0.6,
            linestyle=(0, (1, 2)),
            linewidth=1.5,
            label='guessing',
        )
        ticks = place(DET_TICKS), [words.percent(tick) for tick in DET_TICKS]
        axes.set_xticks(*ticks)
        axes.set_yticks(*ticks)
        axes.set_xlim(edges[0], edges[1])
        axes.set_ylim(edges[0], edges[1])
        axes.set_xlabel('other people taken for the right one (FMR)')
        axes.set_ylabel('right people rejected (FNMR)')
        axes.grid(color='black', alpha=0.15, linewidth=0.8)
        figure.legend(loc='outside lower center', frameon=False, ncols=1)
        drawing = _svg(figure)
    text = ' '.join(
        f'{label}: equal error rate {words.percent(_equal_error(rows))}.'
        for label, rows in curves.items()
    )
    return _inline(drawing, f'Detection error trade-off: {name}', text)


def _equal_error(rows: Sequence[DetRow]) -> float:
    fmr, fnmr = (np.array([getattr(row, key) for row in rows]) for key in ('fmr', 'fnmr'))
    return equal_error_rate(fmr, fnmr)


def _svg(figure: Figure) -> str:
    """Save a figure as SVG text without a date: the same figure is the same text."""
    buffer = StringIO()
    nothing = dict.fromkeys(('Date', 'Creator', 'Format', 'Type'))
    figure.savefig(buffer, format='svg', transparent=True, metadata=nothing)
    return buffer.getvalue()


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
    _dress_rates(axes, 'participants found')
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


def _dress_rates(axes: Axes, what: str) -> None:
    """Label the vertical axis of rates and draw a grid."""
    axes.set_ylim(0, 1)
    axes.set_ylabel(what)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.grid(color='black', alpha=0.15, linewidth=0.8)


def _describe(curves: Mapping[str, Curve]) -> str:
    """Say in words what the figure shows, for those who do not see it."""
    return ' '.join(
        f'{attack}: {words.percent(curve.rates[0])} at rank 1, '
        f'{words.percent(curve.rates[-1])} at rank {len(curve.rates)}.'
        for attack, curve in curves.items()
    )


def _inline(svg: str, title: str, description: str) -> str:
    """Make matplotlib's SVG file an element of an HTML page.

    Black becomes the colour of the text around it; ids get a prefix, as the figures of one page
    share their names; style rules that would reach the rest of the page go.
    """
    svg = svg[svg.index('<svg') :].strip()
    svg = re.sub(r'<defs>\s*<style.*?</style>\s*</defs>', '', svg, count=1, flags=re.DOTALL)
    prefix = re.sub(r'\W+', '-', title.lower())
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = re.sub(r'href="#', f'href="#{prefix}-', svg)
    svg = svg.replace('url(#', f'url(#{prefix}-').replace('#000000', 'currentColor')
    svg = re.sub(r' ?font-family: [^;"]*;', '', svg)
    svg = re.sub(
        r'^<svg ([^>]*?)width="[^"]*" height="[^"]*" ',
        rf'<svg \1role="img" fill="currentColor" '
        rf'aria-labelledby="{prefix}-title {prefix}-desc" ',
        svg,
        count=1,
    )
    words_first = (
        f'<title id="{prefix}-title">{escape(title)}</title>'
        f'<desc id="{prefix}-desc">{escape(description)}</desc>'
    )
    return re.sub('>', lambda match: match.group() + words_first, svg, count=1)
