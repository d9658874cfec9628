"""How alike each probe is to each scan, computed exactly.

The score matrix made here, one row per probe and one column per scan, is all that
:mod:`bids_reid.risk` needs to know about features. An extractor whose features are not vectors
may fill such a matrix in its own way. :mod:`bids_reid.match.search` fills it many times faster,
with bounds on what each entry lacks; whatever a result depends on is then computed here.

What is compared with a probe are the renders of a scan, and its score is that of the render most
alike; :mod:`bids_reid.match.decisions` has other ways to make one score of many renders.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

Similarity = Literal['euclidean', 'cosine']

BLOCK_BYTES = 2**20
"""Bound on the working array while scores are computed: what a processor's cache holds."""


class Gallery(Protocol):
    """The templates of a group of scans, each read when it is asked for."""

    def __len__(self) -> int:
        """Return the number of scans."""
        ...

    def __getitem__(self, scan: int, /) -> NDArray[np.float32]:
        """Return the features of a scan's renders, shape (n, d); ``n`` may be 0."""
        ...


def probe_scores(
    probes: NDArray[np.float32],
    gallery: Gallery,
    *,
    similarity: Similarity,
    block_bytes: int = BLOCK_BYTES,
) -> NDArray[np.float32]:
    """Score every probe against every scan; a higher score means more alike.

    A score depends on its probe and its scan alone, to the last bit: each is computed in float64
    element by element, since what a matrix product gives depends on what else is in it.

    Parameters
    ----------
    probes
        Features of the probes, shape (p, d). Photographs without a face have no feature and are
        not probes; ``p`` may be 0.
    gallery
        Templates of the scans.
    similarity
        ``euclidean``: minus the distance, so 0 is identical. ``cosine``: from -1 to 1; a vector
        of zeros has no direction and scores 0 against everything.
    block_bytes
        Bound on the working array. Changes memory and speed, not the scores.

    Returns
    -------
    Scores of shape (p, n_scans); the column of a scan without features is NaN.

    Raises
    ------
    ValueError
        If a shape, a value or the similarity is not as described.
    """
    check_probes(probes, similarity)
    if block_bytes < 1:
        raise ValueError(f'block_bytes must be positive, not {block_bytes}')
    compare = _SIMILARITIES[similarity]
    scores = np.full((len(probes), len(gallery)), np.nan, dtype=np.float32)
    for scan in range(len(gallery)):
        features = checked_template(gallery, scan, probes)
        if len(features) and len(probes):
            check_finite(features, scan)
            rows = features.astype(np.float64)
            n_probes = max(1, block_bytes // rows.nbytes)
            for first in range(0, len(probes), n_probes):
                block = slice(first, first + n_probes)
                scores[block, scan] = compare(probes[block].astype(np.float64), rows).max(axis=1)
    return scores


def _minus_distance(probes: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Minus the Euclidean distance of every probe (p, d) to every row (m, d), shape (p, m)."""
    difference = probes[:, None, :] - rows
    np.square(difference, out=difference)
    return -np.sqrt(difference.sum(axis=2))


def _cosine(probes: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosine of the angle between every probe (p, d) and every row (m, d), shape (p, m)."""
    product = unit_length(probes)[:, None, :] * unit_length(rows)
    return np.clip(product.sum(axis=2), -1, 1)


def unit_length(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale vectors (n, d) to length 1; zeros stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


_SIMILARITIES: dict[
    Similarity, Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
] = {
    'euclidean': _minus_distance,
    'cosine': _cosine,
}


def check_probes(probes: NDArray[np.float32], similarity: str) -> None:
    """Raise ValueError unless the probes are finite rows and the similarity is known."""
    if similarity not in get_args(Similarity):
        raise ValueError(
            f'unknown similarity {similarity!r}; known: {", ".join(get_args(Similarity))}'
        )
    if probes.ndim != 2:
        raise ValueError(f'probes must have shape (p, d), not {probes.shape}')
    if not np.isfinite(probes).all():
        raise ValueError(f'probe {_first_bad_row(probes)} has a value that is not finite')


def checked_template(
    gallery: Gallery, scan: int, probes: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Read a template; raise ValueError unless its features are rows as long as a probe."""
    features = gallery[scan]
    if features.ndim != 2:
        raise ValueError(f'template {scan} must have shape (n, d), not {features.shape}')
    # An empty template may come as (0, 0): nobody knew the length of its features.
    if not len(features) or not len(probes):
        return features
    if features.shape[1] != probes.shape[1]:
        raise ValueError(
            f'template {scan} has features of length {features.shape[1]}, '
            f'the probes of length {probes.shape[1]}'
        )
    return features


def check_finite(features: NDArray[np.float32], scan: int) -> None:
    """Raise ValueError unless the features of a scan are finite."""
    if not np.isfinite(features).all():
        raise ValueError(
            f'template {scan}, feature {_first_bad_row(features)} has a value that is not finite'
        )


def _first_bad_row(features: NDArray[np.float32]) -> int:
    return int(np.flatnonzero(~np.isfinite(features).all(axis=1))[0])
