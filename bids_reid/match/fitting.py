"""What decisions learn of a gallery and of all photographs beforehand, without any label.

It is learned once and goes to every part of the gallery. It is of no order: neither that of the
scans nor that of the photographs changes a bit of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from bids_reid.match.scores import (
    Gallery,
    Similarity,
    check_finite,
    check_probes,
    checked_template,
    unit_length,
)
from bids_reid.match.whitening import Whitening, whitening

T = TypeVar('T')

FIT_SCANS = 2000
"""Scans that the mean of a gallery is taken of; a larger gallery gives as many, evenly spaced."""
SVM_OTHERS, SVM_RENDERS = 200, 9
"""Scans of others, and renders of each, that an SVM learns from: all others up to 200 scans."""
SVM_SCANS = 5000
"""A larger gallery has no SVM: it would take longer than all else together."""
SCATTER_SCANS = 200
"""Scans whose renders say how much light and camera change features."""
REFERENCE_PROBES = 2000
"""Photographs that a scan's scores are compared with, to see whether it is like everybody."""
PRIOR_PROBES = 3
"""A mean of n probes counts n / (n + 3): of few, it says more about them than about photographs.

Chosen on phantoms of 1 to 16 people; anything from 1 to 5 does as well.
"""


@dataclass(frozen=True, slots=True)
class Fit:
    """What decisions know of a gallery, and of all probes, as a whole.

    Attributes
    ----------
    similarity
        Of the extractor. Features that are compared by cosine are scaled to length 1 first.
    gallery_mean, probe_mean
        Means of the scans' mean renders and of the probes, (d,) float64.
    others
        Renders that an SVM learns to tell a scan from, (m, d) float32; none for no SVM.
    owners
        Whom each of them shows, (m,) str.
    whitening
        From the renders of up to `SCATTER_SCANS` scans.
    reference
        Up to `REFERENCE_PROBES` of the probes, less their mean and whitened, (q, d) float64.
    """

    similarity: Similarity
    gallery_mean: NDArray[np.float64]
    probe_mean: NDArray[np.float64]
    others: NDArray[np.float32]
    owners: NDArray[np.str_]
    whitening: Whitening
    reference: NDArray[np.float64]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what a file holds of it."""
        return {
            'similarity': np.array(self.similarity),
            'gallery_mean': self.gallery_mean,
            'probe_mean': self.probe_mean,
            'others': self.others,
            'owners': self.owners,
            'directions': self.whitening.directions,
            'gains': self.whitening.gains,
            'rest': np.array(self.whitening.rest),
            'reference': self.reference,
        }

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> Fit:
        """Take it from the arrays of a file, which have the names of the attributes."""
        similarity: Similarity = 'cosine' if arrays['similarity'] == 'cosine' else 'euclidean'
        return cls(
            similarity,
            arrays['gallery_mean'],
            arrays['probe_mean'],
            arrays['others'],
            arrays['owners'],
            Whitening(arrays['directions'], arrays['gains'], float(arrays['rest'])),
            arrays['reference'],
        )


def fit(
    probes: NDArray[np.float32],
    gallery: Gallery,
    people: Sequence[str],
    *,
    similarity: Similarity,
) -> Fit:
    """Learn what decisions need to know of a gallery and of all probes.

    Nothing depends on the order of probes and scans; no label of a probe is known.

    Parameters
    ----------
    probes
        Features of photographs like those searched with, (p, d); ``p`` may be 0.
    gallery
        Templates of the scans, of which :data:`FIT_SCANS` are read at most.
    people
        Whose each scan is.
    similarity
        Of the extractor.

    Raises
    ------
    ValueError
        If a shape, a value or the similarity is not as described.
    """
    check_probes(probes, similarity)
    taken = spaced(sorted(range(len(gallery)), key=lambda scan: people[scan]), FIT_SCANS)
    means: list[NDArray[np.float64]] = []
    deviations: list[tuple[str, NDArray[np.float64]]] = []
    scattered = set(spaced(taken, SCATTER_SCANS))
    renders: list[tuple[str, NDArray[np.float32]]] = []
    for scan in taken:
        features = checked_template(gallery, scan, probes)
        if len(features):
            check_finite(features, scan)
            exact = prepared(features, similarity)
            means.append(exact.mean(axis=0))
            if scan in scattered:
                deviations.append((people[scan], exact - means[-1]))
            chosen = spaced(range(len(features)), SVM_RENDERS)
            renders.append((people[scan], features[list(chosen)]))
    d = means[0].shape[0] if means else probes.shape[1]
    gallery_mean = _mean(np.array(means).reshape(-1, d), np.zeros(d), prior=0)
    others = renders if len(gallery) <= SVM_SCANS and len({who for who, _ in renders}) > 1 else []
    others = sorted(spaced(others, SVM_OTHERS), key=lambda other: (other[0], other[1].tobytes()))
    deviations.sort(key=lambda one: (one[0], one[1].tobytes()))
    photographs = _ordered(prepared(probes, similarity) if len(probes) else np.empty((0, d)))
    probe_mean = _mean(photographs, gallery_mean, prior=PRIOR_PROBES)
    white = whitening((rows for _, rows in deviations), d)
    reference = photographs[spaced(range(len(photographs)), REFERENCE_PROBES)]
    return Fit(
        similarity,
        gallery_mean,
        probe_mean,
        np.concatenate([np.empty((0, d), np.float32), *(rows for _, rows in others)]),
        np.array([who for who, rows in others for _ in rows], dtype=str),
        white,
        # here once, and not in every shard
        white(reference - probe_mean),
    )


def prepared(features: NDArray[np.float32], similarity: Similarity) -> NDArray[np.float64]:
    """Features (n, d) in float64, of length 1 where only their direction counts."""
    exact = features.astype(np.float64)
    return unit_length(exact) if similarity == 'cosine' else exact


def mean_render(features: NDArray[np.float32], similarity: Similarity) -> NDArray[np.float64]:
    """Mean of the renders of a scan (n, d), shape (d,)."""
    mean: NDArray[np.float64] = prepared(features, similarity).mean(axis=0)
    return mean


def _mean(
    rows: NDArray[np.float64], expected: NDArray[np.float64], *, prior: int
) -> NDArray[np.float64]:
    """Mean of rows (n, d) and ``prior`` times what is expected, whatever the rows' order."""
    if not len(rows):
        return expected
    total = _ordered(rows).sum(axis=0)
    mean: NDArray[np.float64] = (total + prior * expected) / (len(rows) + prior)
    return mean


def _ordered(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows (n, d) in an order that only their values make."""
    return rows[np.lexsort(rows.T[::-1])] if len(rows) else rows


def spaced(items: Sequence[T], n: int) -> Sequence[T]:
    """Take ``n`` items evenly spaced, with the first and the last; all if there are fewer."""
    if len(items) <= n:
        return items
    return [items[place] for place in np.linspace(0, len(items) - 1, n).round().astype(int)]
