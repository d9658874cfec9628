"""Names of curves beside the curves, where they find room; otherwise a legend below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.transforms import Bbox

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

N_PLACES = 41
"""Places along a curve that are tried, on both of its sides."""
N_SAMPLES = 400
"""Points of a curve that no name may cover."""
PAD = 4.0
"""Between a name and its curve, pixels at 100 per inch."""
CLEAR = 9.0
"""Between a name and any other curve, at least: else nobody knows which curve is meant."""
LEGEND_LINE = 0.22
"""Height of a line of the legend, inches."""


@dataclass(frozen=True, slots=True)
class Curved:
    """A curve as it was drawn, and its name."""

    name: str
    artist: Artist
    x: NDArray[np.float64]
    y: NDArray[np.float64]


def name_curves(figure: Figure, axes: Axes, curves: Sequence[Curved], *, columns: int = 1) -> None:
    """Write the name of each curve beside it, or of all below the figure if one finds no room.

    Parameters
    ----------
    figure, axes
        Drawn already, axes with their limits.
    curves
        In the order of a legend, in the coordinates of the data.
    columns
        Of the legend.
    """
    figure.draw_without_rendering()
    lines = [_on_screen(axes, curve) for curve in curves]
    placed: list[Bbox] = []
    for number, curve in enumerate(curves):
        box = _free_place(axes, _size(axes, curve.name), number, lines, placed)
        if box is None:
            _legend(figure, curves, columns)
            return
        placed.append(box)
    for curve, box in zip(curves, placed, strict=True):
        x, y = axes.transAxes.inverted().transform((box.x0, box.y0))
        text = axes.text(x, y, curve.name, transform=axes.transAxes, va='bottom', fontsize=9)
        text.set_in_layout(False)


def _legend(figure: Figure, curves: Sequence[Curved], columns: int) -> None:
    width, height = figure.get_size_inches()
    lines = -(-len(curves) // columns)
    figure.set_size_inches(width, height + LEGEND_LINE * lines)
    figure.legend(
        [curve.artist for curve in curves],
        [curve.name for curve in curves],
        loc='outside lower center',
        frameon=False,
        ncols=columns,
        handlelength=3.2,
        fontsize=9,
    )


def _on_screen(axes: Axes, curve: Curved) -> NDArray[np.float64]:
    """Return points along a curve in pixels, evenly spread, (n, 2)."""
    points = np.asarray(axes.transData.transform(np.column_stack([curve.x, curve.y])), float)
    along = np.concatenate([[0.0], np.hypot(*np.diff(points, axis=0).T).cumsum()])
    places = np.linspace(0, along[-1], N_SAMPLES)
    return np.column_stack([np.interp(places, along, points[:, axis]) for axis in (0, 1)])


def _size(axes: Axes, name: str) -> tuple[float, float]:
    """Return width and height of a name in pixels."""
    text = axes.text(0, 0, name, fontsize=9)
    box = text.get_window_extent()
    text.remove()
    return box.width, box.height


def _free_place(
    axes: Axes,
    size: tuple[float, float],
    number: int,
    lines: Sequence[NDArray[np.float64]],
    placed: Sequence[Bbox],
) -> Bbox | None:
    """Find the place beside a curve that is furthest from all others; ``None`` without room."""
    width, height = size
    inside, best, room = axes.bbox, None, CLEAR
    own = lines[number]
    others = [line for place, line in enumerate(lines) if place != number]
    for x, y in own[np.linspace(0, N_SAMPLES - 1, N_PLACES).astype(int)]:
        for side in (1, -1):
            middle = y + side * (PAD + height / 2)
            for left in (x - width / 2, x + PAD, x - width - PAD):
                box = Bbox.from_bounds(left, middle - height / 2, width, height)
                fits = (
                    box.x0 >= inside.x0 + PAD
                    and box.x1 <= inside.x1 - 1
                    and box.y0 >= inside.y0 + 1
                    and box.y1 <= inside.y1 - 1
                )
                if not fits or any(box.padded(2).overlaps(one) for one in placed):
                    continue
                if _distance(box, [own]) < PAD / 2:
                    continue
                distance = _distance(box, others)
                if distance > room:
                    best, room = box, distance
    return best


def _distance(box: Bbox, lines: Sequence[NDArray[np.float64]]) -> float:
    """Return the distance of the nearest point of any line from a box; 0 if inside."""
    if not lines:
        return float('inf')
    points = np.concatenate(lines)
    across = np.maximum(np.maximum(box.x0 - points[:, 0], points[:, 0] - box.x1), 0)
    up = np.maximum(np.maximum(box.y0 - points[:, 1], points[:, 1] - box.y1), 0)
    return float(np.hypot(across, up).min())
