"""Where the parts of a face lie: landmarks computed from an identity and an expression.

Head coordinates, used in all of :mod:`bids_reid.phantom`: millimetres, +x to the person's right,
+y out of the face (anterior), +z up (RAS). The origin lies midway between the eyeballs' centres.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bids_reid.phantom.identity import Identity

EYEBALL = 12.0  # mm, radius


@dataclass(frozen=True, slots=True)
class Expression:
    """What a face does at one moment: eyes from shut (0) to open (1), the rest from 0 to 1."""

    eyes_open: float = 1.0
    smile: float = 0.0
    jaw_open: float = 0.0
    brow_raise: float = 0.0


ASLEEP = Expression(eyes_open=0.0)
"""The face of somebody who lies in a scanner."""


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Landmarks in head coordinates (mm); ``_y`` is depth, ``_z`` height."""

    who: Identity
    how: Expression
    front: float  # depth of the upper jaw under the nose
    eye_x: float
    eye_y: float
    brow_z: float
    nasion_y: float
    base_z: float  # under the nose
    tip_y: float
    tip_z: float
    mouth_z: float
    mouth_y: float
    mouth_half: float
    corner_lift: float
    jaw_drop: float
    chin_y: float
    chin_z: float  # lowest point
    cheek_x: float
    cheek_z: float
    gonion_x: float
    gonion_z: float


def anatomy(who: Identity, how: Expression) -> Anatomy:
    """Place the parts of ``who``'s face while it does ``how``."""
    drop = 9.0 * how.jaw_open
    nasion_z = 4.0
    front = 17.5 + who.midface_projection
    base_z = nasion_z - who.nose_length
    mouth_z = base_z - who.philtrum_length + 1.0 * how.smile
    return Anatomy(
        who=who,
        how=how,
        front=front,
        eye_x=0.5 * who.eye_spacing,
        eye_y=-who.eye_depth,
        brow_z=who.brow_height + 3.5 * how.brow_raise,
        nasion_y=14.5 - who.nose_root_depth + 0.3 * who.midface_projection,
        base_z=base_z,
        tip_y=front + who.nose_projection,
        tip_z=base_z + 8.5 + who.nose_tip_lift,
        mouth_z=mouth_z,
        mouth_y=front + 4.5 + who.lip_projection - 1.0 * how.smile,
        mouth_half=0.5 * who.mouth_width * (1.0 + 0.16 * how.smile),
        corner_lift=who.mouth_curve + 5.0 * how.smile,
        jaw_drop=drop,
        chin_y=front - 1.5 + who.chin_projection - 0.15 * drop,
        chin_z=mouth_z - who.chin_length - drop,
        cheek_x=0.5 * who.cheekbone_width,
        cheek_z=-21.0 + who.cheekbone_height,
        gonion_x=0.5 * who.jaw_width,
        gonion_z=base_z - 26.0 + who.jaw_height - 0.4 * drop,
    )
