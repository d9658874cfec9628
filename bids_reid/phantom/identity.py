"""Who a synthetic person is: the shape of a head in numbers, and how its skin and hair look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Colour = tuple[float, float, float]

HAIR_STYLES = ('bald', 'cropped', 'short', 'bob', 'long')


@dataclass(frozen=True, slots=True)
class Identity:
    """One synthetic person.

    The first block is the shape of the head in millimetres (angles in degrees) and is all that a
    scan can show. Fields described as a shift are 0 in the average face. The second block is what
    only a photograph shows; colours are linear RGB in [0, 1].
    """

    cranium_width: float
    cranium_height: float  # eyes to vertex
    cranium_depth: float
    forehead_slope: float  # shift, + leans back
    forehead_width: float  # shift
    temple_depth: float  # shift, + hollow
    brow_projection: float  # shift
    brow_height: float  # eyes to brow
    eye_spacing: float  # between the pupils
    eye_depth: float  # shift, + sunken
    eye_width: float  # inner to outer corner
    eye_opening: float  # between the lids, open
    eye_tilt: float  # degrees, + outer corner higher
    lid_fold: float  # depth of the crease of the upper lid
    eye_bags: float
    cheekbone_width: float
    cheekbone_height: float  # shift
    cheekbone_projection: float  # shift
    cheek_fullness: float  # shift, + round, - hollow
    midface_projection: float  # shift
    nose_length: float  # root to base
    nose_width: float  # over the wings
    nose_projection: float  # tip in front of its base
    nose_bridge: float  # shift, + hump
    nose_bridge_width: float
    nose_root_depth: float  # shift, + deep set
    nose_tip_size: float
    nose_tip_lift: float  # shift, + turned up
    philtrum_length: float  # nose base to mouth line
    philtrum_depth: float
    mouth_width: float
    upper_lip: float  # height
    lower_lip: float  # height
    lip_projection: float  # shift
    mouth_curve: float  # shift, + corners up
    nasolabial_fold: float
    jaw_width: float
    jaw_height: float  # shift of the jaw angle
    chin_length: float  # mouth line to under the chin
    chin_projection: float  # shift
    chin_width: float
    chin_cleft: float
    ear_height: float
    ear_flare: float  # degrees from the side of the head
    neck_width: float
    asymmetry_eyes: float  # one side higher
    asymmetry_mouth: float
    asymmetry_midline: float  # nose and chin off the middle

    sex: str  # 'F' or 'M'
    age: int  # years
    skin: Colour
    lips: Colour
    hair: Colour
    iris: Colour
    hair_style: str  # one of HAIR_STYLES
    hairline: float  # shift, mm
    brow_thickness: float  # mm
    stubble: float  # 0 to 1


# name: (mean, standard deviation, shift from F to M in standard deviations). Means and spreads are
# rounded from adult anthropometry (Farkas, Anthropometry of the Head and Face, 1994).
_SHAPE: dict[str, tuple[float, float, float]] = {
    'cranium_width': (150.0, 5.5, 0.6),
    'cranium_height': (112.0, 4.5, 0.3),
    'cranium_depth': (191.0, 6.5, 0.8),
    'forehead_slope': (0.0, 3.2, 0.7),
    'forehead_width': (0.0, 2.6, 0.2),
    'temple_depth': (0.0, 1.2, 0.0),
    'brow_projection': (0.0, 1.5, 1.0),
    'brow_height': (17.5, 1.9, -0.9),
    'eye_spacing': (62.5, 3.2, 0.3),
    'eye_depth': (0.0, 1.5, 0.4),
    'eye_width': (29.5, 1.5, 0.2),
    'eye_opening': (10.4, 1.2, -0.4),
    'eye_tilt': (4.0, 2.8, -0.3),
    'lid_fold': (0.8, 0.3, -0.2),
    'eye_bags': (0.6, 0.4, 0.1),
    'cheekbone_width': (132.0, 5.0, 0.6),
    'cheekbone_height': (0.0, 2.6, -0.2),
    'cheekbone_projection': (0.0, 2.0, -0.2),
    'cheek_fullness': (0.0, 2.2, -0.3),
    'midface_projection': (0.0, 2.0, 0.0),
    'nose_length': (48.0, 3.4, 0.5),
    'nose_width': (34.5, 3.0, 0.7),
    'nose_projection': (18.5, 2.3, 0.3),
    'nose_bridge': (0.0, 1.3, 0.5),
    'nose_bridge_width': (6.3, 0.8, 0.3),
    'nose_root_depth': (0.0, 1.6, 0.0),
    'nose_tip_size': (8.2, 0.9, 0.4),
    'nose_tip_lift': (0.0, 2.2, -0.5),
    'philtrum_length': (21.5, 2.2, 0.5),
    'philtrum_depth': (0.9, 0.3, 0.0),
    'mouth_width': (51.0, 3.6, 0.4),
    'upper_lip': (7.6, 1.4, -0.3),
    'lower_lip': (9.4, 1.5, -0.2),
    'lip_projection': (0.0, 1.7, 0.0),
    'mouth_curve': (0.0, 1.0, 0.0),
    'nasolabial_fold': (0.7, 0.4, 0.2),
    'jaw_width': (104.0, 5.5, 0.9),
    'jaw_height': (0.0, 4.0, -0.3),
    'chin_length': (42.0, 3.2, 0.8),
    'chin_projection': (0.0, 2.8, 0.2),
    'chin_width': (17.0, 2.2, 0.7),
    'chin_cleft': (0.3, 0.3, 0.3),
    'ear_height': (62.0, 4.0, 0.7),
    'ear_flare': (22.0, 6.0, 0.1),
    'neck_width': (106.0, 6.0, 1.2),
    'asymmetry_eyes': (0.0, 0.7, 0.0),
    'asymmetry_mouth': (0.0, 0.8, 0.0),
    'asymmetry_midline': (0.0, 1.1, 0.0),
}
# Here every number is drawn by itself, while in people many go together: with all of the spread
# the heads would be caricatures, and a search among them far too easy.
_SPREAD = 0.6
LEAST_ALIKE = 1.0 - 1.0 / _SPREAD
"""Of `draw_people`: every number spreads as far as in Farkas's tables, and no further."""
# Draws beyond this many standard deviations are pulled back: a head must stay a head.
_LIMIT = 2.2
_SKINS = ((0.80, 0.55, 0.43), (0.72, 0.46, 0.33), (0.60, 0.36, 0.24), (0.40, 0.22, 0.14))
_HAIRS = (
    (0.018, 0.013, 0.011),
    (0.05, 0.028, 0.016),
    (0.12, 0.06, 0.03),
    (0.30, 0.19, 0.09),
    (0.22, 0.07, 0.03),
    (0.38, 0.37, 0.36),
)
_IRISES = ((0.10, 0.05, 0.025), (0.16, 0.09, 0.04), (0.16, 0.27, 0.38), (0.15, 0.22, 0.12))


def draw_people(n: int, *, seed: int | Sequence[int], alike: float = 0.0) -> list[Identity]:
    """Draw ``n`` people; person ``i`` depends on ``seed``, ``alike`` and ``i`` only.

    Parameters
    ----------
    n
        How many.
    seed
        Entropy for :class:`numpy.random.SeedSequence`; a sequence of numbers is a seed of its own.
    alike
        0 keeps the natural spread of the head shape; towards 1 every head comes nearer to the
        average one (its deviations are multiplied by ``1 - alike``), below 0, to `LEAST_ALIKE`,
        further from it. Skin and hair keep theirs.

    Raises
    ------
    ValueError
        ``alike`` is outside this range.
    """
    if not LEAST_ALIKE <= alike < 1.0:
        raise ValueError(f'alike must be at least {LEAST_ALIKE:.2f} and below 1, not {alike}')
    return [
        _draw(np.random.default_rng(child), 1.0 - alike)
        for child in np.random.SeedSequence(seed).spawn(n)
    ]


def average_person() -> Identity:
    """Return the person whose shape is the mean of all, midway between the sexes."""
    return Identity(
        **{name: mean for name, (mean, _, _) in _SHAPE.items()},
        sex='F',
        age=40,
        skin=_SKINS[1],
        lips=_SKINS[2],
        hair=_HAIRS[1],
        iris=_IRISES[0],
        hair_style='bald',
        hairline=0.0,
        brow_thickness=3.0,
        stubble=0.0,
    )


def _draw(rng: np.random.Generator, spread: float) -> Identity:
    sex = 'F' if rng.random() < 0.5 else 'M'
    towards = 0.5 if sex == 'M' else -0.5
    shape = {}
    for name, (mean, sd, shift) in _SHAPE.items():
        deviation = float(np.clip(rng.standard_normal(), -_LIMIT, _LIMIT)) + towards * shift
        shape[name] = mean + spread * _SPREAD * sd * deviation
    skin = _mix(_SKINS, rng) * rng.uniform(0.92, 1.08)
    lips = skin * np.array([0.86, 0.52, 0.56]) + rng.uniform(0, 0.06) * np.array([1, 0.1, 0.2])
    age = int(rng.integers(20, 76))
    hair = np.array(_HAIRS[rng.choice(len(_HAIRS), p=_hair_odds(age, float(skin[0])))])
    odds = (0.02, 0.06, 0.22, 0.40, 0.30) if sex == 'F' else (0.18, 0.27, 0.45, 0.07, 0.03)
    dark = skin[0] < 0.5
    return Identity(
        **shape,
        sex=sex,
        age=age,
        skin=_rgb(skin),
        lips=_rgb(lips),
        hair=_rgb(hair * rng.uniform(0.8, 1.25)),
        iris=_rgb(np.array(_IRISES[rng.integers(2 if dark else 4)]) * rng.uniform(0.8, 1.2)),
        hair_style=HAIR_STYLES[rng.choice(len(HAIR_STYLES), p=odds)],
        hairline=float(rng.normal(0.0, 4.0)),
        brow_thickness=float(rng.uniform(2.2, 3.4) + (0.8 if sex == 'M' else 0.0)),
        stubble=float(rng.uniform(0.0, 0.6)) if sex == 'M' else 0.0,
    )


def _mix(colours: Sequence[Colour], rng: np.random.Generator) -> NDArray[np.float64]:
    """A colour somewhere between two neighbours of a list."""
    where = rng.uniform(0, len(colours) - 1)
    low = min(int(where), len(colours) - 2)
    near, far = np.array(colours[low]), np.array(colours[low + 1])
    mixed: NDArray[np.float64] = near + (where - low) * (far - near)
    return mixed


def _hair_odds(age: int, skin: float) -> list[float]:
    """Chances of each of ``_HAIRS``: grey comes with age, fair and red hair with fair skin."""
    grey = float(np.clip((age - 40) / 45, 0.0, 0.75))
    fair = 0.45 if skin > 0.68 else 0.05
    rest = 1.0 - grey
    dark = rest * (1.0 - fair)
    return [dark * 0.45, dark * 0.3, dark * 0.25, rest * fair * 0.75, rest * fair * 0.25, grey]


def _rgb(colour: NDArray[np.float64]) -> Colour:
    red, green, blue = np.clip(colour, 0.005, 0.95).tolist()
    return red, green, blue
