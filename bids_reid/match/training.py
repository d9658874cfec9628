"""The material that decisions learn from, without any label of a photograph.

The order of people and of photographs changes no bit of what is learned. That of the scans of one
person decides only which of them are taken, where a gallery is too large for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from bids_reid.match.probes import (
    Gallery,
    Probes,
    Renders,
    Side,
    VectorProbes,
    check_renders,
    prepared,
)

T = TypeVar('T')

FIT_SCANS = 2000
"""Number of scans for the mean of a gallery; a larger gallery gives as many, evenly spaced."""
SVM_OTHERS, SVM_RENDERS = 200, 9
"""Number of other scans, and of renders of each, that an SVM learns from.

All others up to 200 scans.
"""
SVM_SCANS = 5000
"""Largest gallery with an SVM.

Beyond it the SVM would take longer than everything else together.
"""
SCATTER_SCANS = 200
"""Number of scans whose renders show how much light and camera change the features."""


@dataclass(frozen=True, slots=True)
class Training:
    """A gallery, and photographs like those that are searched with.

    Attributes
    ----------
    gallery
        Templates of the scans.
    people
        Whose each scan is.
    photographs
        Of the dataset's participants, whoever they show.
    """

    gallery: Gallery[Renders[Any]]
    people: Sequence[str]
    photographs: Probes


@dataclass(frozen=True, slots=True)
class Means:
    """One side of the renders of a gallery.

    Attributes
    ----------
    means
        The mean render of each scan that has any, (s, d).
    deviations
        How the renders of up to `SCATTER_SCANS` scans differ from it, (n, d) each.
    d
        Length of features.
    """

    means: NDArray[np.float64]
    deviations: list[NDArray[np.float64]]
    d: int


def gallery_means(training: Training, sides: Sequence[Side]) -> dict[Side, Means]:
    """Average the renders of each scan, side by side; each scan is read once."""
    probes = cast('VectorProbes', training.photographs)
    taken = _taken(training.people)
    scattered = set(spaced(taken, SCATTER_SCANS))
    means: dict[Side, list[NDArray[np.float64]]] = {side: [] for side in sides}
    deviations: dict[Side, list[tuple[str, NDArray[np.float64]]]] = {side: [] for side in sides}
    for scan in taken:
        present = training.gallery[scan].sides()
        for side in sides:
            if side not in present:
                continue
            probes.check(present[side])
            exact = prepared(present[side], probes.similarity)
            means[side].append(exact.mean(axis=0))
            if scan in scattered:
                deviations[side].append((training.people[scan], exact - means[side][-1]))
    return {side: _side_means(means[side], deviations[side], probes) for side in sides}


def _side_means(
    means: list[NDArray[np.float64]],
    deviations: list[tuple[str, NDArray[np.float64]]],
    probes: VectorProbes,
) -> Means:
    d = means[0].shape[0] if means else probes.features.shape[1]
    deviations.sort(key=lambda one: (one[0], one[1].tobytes()))
    return Means(np.array(means).reshape(-1, d), [rows for _, rows in deviations], d)


def other_renders(
    gallery: Gallery[NDArray[np.float32]], people: Sequence[str]
) -> list[tuple[str, NDArray[np.float32]]]:
    """Return some renders (n, d) of up to `SVM_OTHERS` scans, and whom they show."""
    renders = []
    for scan in _taken(people):
        features = gallery[scan]
        if len(features):
            check_renders(features)
            chosen = spaced(range(len(features)), SVM_RENDERS)
            renders.append((people[scan], features[list(chosen)]))
    return sorted(spaced(renders, SVM_OTHERS), key=lambda one: (one[0], one[1].tobytes()))


def mean_with_prior(
    rows: NDArray[np.float64], expected: NDArray[np.float64], *, prior: int
) -> NDArray[np.float64]:
    """Mean of rows (n, d) and ``prior`` times the expected mean (d,), whatever the rows' order."""
    if not len(rows):
        return expected
    mean: NDArray[np.float64] = (value_ordered(rows).sum(axis=0) + prior * expected) / (
        len(rows) + prior
    )
    return mean


def value_ordered(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows (n, d) in an order that only their values make."""
    return rows[np.lexsort(rows.T[::-1])] if len(rows) else rows


def spaced(items: Sequence[T], n: int) -> Sequence[T]:
    """Take ``n`` items evenly spaced, with the first and the last; all if there are fewer."""
    if len(items) <= n:
        return items
    return [items[place] for place in np.linspace(0, len(items) - 1, n).round().astype(int)]


def _taken(people: Sequence[str]) -> Sequence[int]:
    """Choose scans to learn from, in the order of their people."""
    return spaced(sorted(range(len(people)), key=lambda scan: people[scan]), FIT_SCANS)
