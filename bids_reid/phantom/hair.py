"""Hair as a signed distance: a cap over the skull, cut at the hairline, and panels for long hair.

Hair is in photographs only: a scanner does not see it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bids_reid.phantom.shapes import bump, ellipsoid, intersection, union

if TYPE_CHECKING:
    from bids_reid.phantom.anatomy import Anatomy
    from bids_reid.phantom.shapes import Array


@dataclass(frozen=True, slots=True)
class Cut:
    """A hair style: how thick it lies, how far it hangs below the eyes (mm; None: a cap only)."""

    thickness: float
    hang: float | None = None
    fringe: float = 0.0  # how far the hairline comes down the forehead


CUTS = {
    'cropped': Cut(2.5),
    'short': Cut(9.0, fringe=4.0),
    'bob': Cut(14.0, hang=75.0, fringe=10.0),
    'long': Cut(13.0, hang=150.0),
}
# The hairline seen from the side: heights (mm) at depths from the nape to the forehead.
_DEPTHS = (-175.0, -110.0, -88.0, -72.0, -58.0, -38.0, 0.0, 25.0)
_HEIGHTS = (-75.0, -45.0, -5.0, -12.0, 2.0, 34.0, 58.0, 70.0)


def hair_sdf(x: Array, y: Array, z: Array, a: Anatomy) -> Array | None:
    """Signed distance (mm) to the hair, or ``None`` for a bald head."""
    who = a.who
    cut = CUTS.get(who.hair_style)
    if cut is None:
        return None
    side = np.sqrt(x * x + 1.0)
    half_width, half_depth = 0.5 * who.cranium_width, 0.5 * who.cranium_depth
    centre = (0.0, 17.0 - half_depth, who.cranium_height - 84.0)
    thick = cut.thickness
    cap = ellipsoid(
        x, y, z, centre, (half_width + 0.8 * thick, half_depth - 1.5 + 0.6 * thick, 84.0 + thick)
    )
    line = np.interp(y, _DEPTHS, _HEIGHTS).astype(np.float32)
    line -= cut.fringe - who.hairline
    line += (4.0 if who.sex == 'F' else 9.0) * bump(side, y, (36.0, 5.0), (14.0, 40.0))
    line += 1.0 * np.sin(0.7 * (x + y)) + 0.4 * np.sin(1.7 * x - 1.2 * y)  # strands' ends
    hair = intersection(cap, 0.42 * (line - z), 1.0 + 0.3 * thick)
    if cut.hang is not None:
        middle, reach = 0.5 * (50.0 - cut.hang), 0.5 * (50.0 + cut.hang)
        panel = ellipsoid(
            side, y, z, (half_width - 10.0, -84.0, middle), (21.0, 46.0, reach + 12.0)
        )
        back = ellipsoid(x, y, z, (0.0, -118.0, middle), (half_width, 62.0, reach + 14.0))
        hair = union(hair, union(panel, back, 20.0), 18.0)
    return hair
