"""The probability that a part of a face is left, by a fitted model.

A logistic regression per kind of part, fitted by ``python -m benchmarks.defacers.fit`` to phantoms
and other synthetic heads, whose numbers are in ``data/part_model.json``, and a last one for the
whole image. That file says the data, the people left out in turn, and how well it did.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import exp
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bids_reid.records import HalfFaces, PartTrace

NO_HOG = -1.0
"""Score of a detector that found nothing: lower scores are not requested."""
UNKNOWN = 0.3
"""Share next to emptied air where it cannot be measured.

The mean of the cases that the model was fitted to.
"""
FAR_MM = 15.0
SPREAD_MM = 6.0
"""Larger distances make no difference."""


@dataclass(frozen=True, slots=True)
class Regression:
    """A logistic regression: the intercept, and the weight of each input by its name."""

    intercept: float
    weights: Mapping[str, float]

    def probability(self, inputs: Mapping[str, float]) -> float:
        """Return the probability for inputs, which have the names of the weights."""
        total = self.intercept + sum(
            weight * inputs[name] for name, weight in self.weights.items()
        )
        return 1 / (1 + exp(-min(max(total, -30.0), 30.0)))


@dataclass(frozen=True, slots=True)
class PartModel:
    """The fitted model.

    Attributes
    ----------
    parts : mapping
        The regression of each kind of part (`kind_of`).
    image : Regression
        Of a whole image.
    removed : mapping
        Up to which probability a part of each kind is removed.
    left : float
        A part is left from this probability on.
    clear : float
        Up to this probability no part is left on an image.
    """

    parts: Mapping[str, Regression]
    image: Regression
    removed: Mapping[str, float]
    left: float
    clear: float


@cache
def part_model() -> PartModel:
    """Read the model, once per process."""
    with (files('bids_reid') / 'data' / 'part_model.json').open() as file:
        content = json.load(file)
    return PartModel(
        {kind: Regression(**numbers) for kind, numbers in content['parts'].items()},
        Regression(**content['image']),
        content['removed'],
        content['left'],
        content['clear'],
    )


def kind_of(part: str) -> str:
    """Name the kind of a part: both eyes are of one.

    >>> kind_of('left eye'), kind_of('nose')
    ('eye', 'nose')
    """
    return part.rsplit(maxsplit=1)[-1]


def part_inputs(trace: PartTrace, halves: HalfFaces | None) -> dict[str, float]:
    """Inputs of a part that was measured."""
    off, spread = trace.off_mm or 0.0, trace.spread_mm or 0.0
    return {
        'follows': trace.follows or 0.0,
        'around': trace.around or 0.0,
        'match': (trace.follows or 0.0) * max(trace.bend or 0.0, 0.0),
        'alone': trace.alone or 0.0,
        'bend': trace.bend or 0.0,
        'spread': min(spread, SPREAD_MM) / SPREAD_MM,
        'near': trace.near or 0.0,
        'behind': min(max(-off, 0.0), FAR_MM) / FAR_MM,
        'emptied': min(max(UNKNOWN if trace.emptied is None else trace.emptied, 0.0), 1.0),
        **_half_inputs(halves),
    }


def _half_inputs(halves: HalfFaces | None) -> dict[str, float]:
    """Inputs of detectors, which are asked only if enough of a face is in the image."""
    if halves is None:
        return {'half_asked': 0.0, 'half_hog': 0.0, 'half_cnn': 0.0}
    return {
        'half_asked': 1.0,
        'half_hog': NO_HOG if halves.hog is None else max(halves.hog, NO_HOG),
        'half_cnn': halves.cnn or 0.0,
    }


def image_inputs(probabilities: Sequence[float], halves: HalfFaces | None) -> dict[str, float]:
    """Inputs of a whole image, from the probabilities of its parts that identify."""
    ordered = sorted(probabilities, reverse=True) or [0.0]
    return {
        'most': ordered[0],
        'second': ordered[1] if len(ordered) > 1 else ordered[0],
        'mean': sum(ordered) / len(ordered),
        **_half_inputs(halves),
    }


def probability_left(trace: PartTrace, halves: HalfFaces | None) -> float | None:
    """Return the probability that a part is left; ``None`` if too little of it is in the image."""
    if trace.follows is None:
        return None
    model = part_model().parts[kind_of(trace.name)]
    return model.probability(part_inputs(trace, halves))
