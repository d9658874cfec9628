"""How alike each probe is to each scan.

The score matrix made here, one row per probe and one column per scan, is all that
:mod:`bids_reid.risk` needs to know about features. An extractor whose features are not vectors
may fill such a matrix in its own way.

A *decision* turns the many renders of a scan into one score. To add one, write a function with
the signature of :data:`Decision` and add a line to :data:`DECISIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bids_reid.records import Template

Similarity = Literal['euclidean', 'cosine']
Decision = Callable[
    [NDArray[np.float32], Sequence[Template], Similarity, int], NDArray[np.float64]
]
"""``(probes, templates, similarity, block_bytes) -> (p, n)``; no template is empty."""

BLOCK_BYTES = 16 * 2**20
"""Bound on each float64 array while scores are computed; some ten of them live at a time."""


def probe_scores(
    probes: NDArray[np.float32],
    gallery: Sequence[Template],
    *,
    similarity: Similarity,
    decision: str = 'best',
    block_bytes: int = BLOCK_BYTES,
) -> NDArray[np.float32]:
    """Score every probe against every scan; a higher score means more alike.

    Parameters
    ----------
    probes
        Features of the probes, shape (p, d). Photographs without a face have no feature and are
        not probes; ``p`` may be 0.
    gallery
        One template per scan, ``features`` of shape (n_views, d); ``n_views`` may be 0.
    similarity
        ``euclidean``: minus the distance, so 0 is identical. ``cosine``: from -1 to 1; a vector
        of zeros has no direction and scores 0 against everything.
    decision
        A key of :data:`DECISIONS`.
    block_bytes
        Bound on each working array. Changes memory and speed, not the scores.

    Returns
    -------
    Scores of shape (p, n_scans); the column of a scan without features is NaN.

    Raises
    ------
    ValueError
        If a shape, a value, the similarity or the decision is not as described.
    """
    if decision not in DECISIONS:
        raise ValueError(f'unknown decision {decision!r}; known: {", ".join(DECISIONS)}')
    if similarity not in get_args(Similarity):
        raise ValueError(
            f'unknown similarity {similarity!r}; known: {", ".join(get_args(Similarity))}'
        )
    if block_bytes < 1:
        raise ValueError(f'block_bytes must be positive, not {block_bytes}')
    _check_features(probes, gallery)
    enrolled = np.array([len(template.features) > 0 for template in gallery], dtype=bool)
    scores = np.full((len(probes), len(gallery)), np.nan, dtype=np.float32)
    if len(probes) and enrolled.any():
        templates = [template for template in gallery if len(template.features)]
        scores[:, enrolled] = DECISIONS[decision](probes, templates, similarity, block_bytes)
    return scores


def best(
    probes: NDArray[np.float32],
    templates: Sequence[Template],
    similarity: Similarity,
    block_bytes: int = BLOCK_BYTES,
) -> NDArray[np.float64]:
    """Score each scan by its render that is most like the probe.

    Parameters
    ----------
    probes, templates, similarity, block_bytes
        As for :func:`probe_scores`, but no template is empty.

    Returns
    -------
    Scores of shape (p, n_templates).
    """
    compare = _SIMILARITIES[similarity]
    scores = np.empty((len(probes), len(templates)))
    # Both sides are shifted alike, which changes no distance and keeps the numbers small; for a
    # cosine the origin has a meaning and stays.
    origin = (
        probes.mean(axis=0, dtype=np.float64)
        if similarity == 'euclidean'
        else np.zeros(probes.shape[1])
    )
    n_columns = max(1, block_bytes // 8 // probes.shape[1])
    for columns, features, starts in _blocks(templates, n_columns):
        views = features - origin
        n_rows = max(1, block_bytes // 8 // len(views))
        for first in range(0, len(probes), n_rows):
            rows = slice(first, first + n_rows)
            view_scores = compare(probes[rows] - origin, views)
            scores[rows, columns] = np.maximum.reduceat(view_scores, starts, axis=1)
    return scores


DECISIONS: dict[str, Decision] = {
    'best': best,
}


def _blocks(
    templates: Sequence[Template], n_views: int
) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.intp]]]:
    """Yield runs of whole templates of about ``n_views`` views.

    Each is (which templates, their features below each other, where each one starts).
    """
    sizes = np.array([len(template.features) for template in templates])
    first = 0
    while first < len(templates):
        fitting = int(np.searchsorted(np.cumsum(sizes[first:]), n_views, side='right'))
        run = slice(first, first + max(1, fitting))
        ends = np.cumsum(sizes[run])
        features = np.concatenate(
            [template.features for template in templates[run]], dtype=np.float64
        )
        yield run, features, ends - sizes[run]
        first = run.stop


def _minus_distance(
    probes: NDArray[np.float64], views: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Minus the Euclidean distance of every probe (p, d) to every view (v, d), shape (p, v).

    Uses ``|a - b|^2 = |a|^2 + |b|^2 - 2 a.b``, which loses digits where a and b are nearly
    equal. In float64 what is lost lies below the resolution of the float32 features; where
    nothing but rounding error is left the distance is 0.
    """
    sizes = np.square(probes).sum(axis=1)[:, None] + np.square(views).sum(axis=1)
    squared = sizes - 2 * (probes @ views.T)
    rounding = np.finfo(np.float64).eps * np.sqrt(probes.shape[1]) * sizes
    squared[squared <= rounding] = 0
    distance: NDArray[np.float64] = np.sqrt(squared)
    return -distance


def _cosine(probes: NDArray[np.float64], views: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosine of the angle between every probe (p, d) and every view (v, d), shape (p, v)."""
    return np.clip(_unit_length(probes) @ _unit_length(views).T, -1, 1)


def _unit_length(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


_SIMILARITIES: dict[
    Similarity, Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
] = {
    'euclidean': _minus_distance,
    'cosine': _cosine,
}


def _check_features(probes: NDArray[np.float32], gallery: Sequence[Template]) -> None:
    """Raise ValueError unless all features are finite rows of the same length."""
    if probes.ndim != 2:
        raise ValueError(f'probes must have shape (p, d), not {probes.shape}')
    if not np.isfinite(probes).all():
        raise ValueError(f'probe {_first_bad_row(probes)} has a value that is not finite')
    for number, template in enumerate(gallery):
        features = template.features
        if features.ndim != 2:
            raise ValueError(f'template {number} must have shape (n, d), not {features.shape}')
        # An empty template may come as (0, 0): nobody knew the length of its features.
        if not len(features) or not len(probes):
            continue
        if features.shape[1] != probes.shape[1]:
            raise ValueError(
                f'template {number} has features of length {features.shape[1]}, '
                f'the probes of length {probes.shape[1]}'
            )
        if not np.isfinite(features).all():
            raise ValueError(
                f'template {number}, feature {_first_bad_row(features)} '
                'has a value that is not finite'
            )


def _first_bad_row(features: NDArray[np.float32]) -> int:
    return int(np.flatnonzero(~np.isfinite(features).all(axis=1))[0])
