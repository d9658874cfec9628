"""The photographs that are searched with, and how alike each is to the renders of a scan.

One value holds the probes of a run, whatever kind of features their extractor gives, and compares
them with one scan after the other. :mod:`bids_reid.match.decisions` asks no more of it; the score
matrix that results is all that :mod:`bids_reid.risk` needs to know about features.

Scores do not depend on how a gallery is shared among processes. Of vectors, the mean of a scan's
renders is compared in float64, by products whose shape is the same for any number of scans; only
what its renders differ from the mean is compared in float32, by one product for each scan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Generic, Literal, Protocol, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from bids_reid.match.keypoints import Distance, keypoint_scores, searchable
from bids_reid.records import Keypoints

Kind = Literal['vector', 'keypoints']
Similarity = Literal['euclidean', 'cosine']
Side = Literal['seen', 'every', 'soft']
"""The name of an attribute of `Renders`."""
SIDES: tuple[Side, ...] = get_args(Side)
T = TypeVar('T')
T_co = TypeVar('T_co', covariant=True)

POOLED_RENDERS = 5
"""Number of renders whose mean counts for keypoints.

About half of a camera's renders, near to those of a photograph.
"""
TOGETHER = 32
"""Scans that are compared at once, and a multiple of which `filled` fills up."""
COLUMNS = 16
"""Photographs are filled up with zeros to a multiple of so many.

Otherwise the last of them have another kernel of the product, and so other last bits: it would
matter which photographs are searched with beside.
"""
TERMS = 384
"""Longest sum of one product: OpenBLAS cuts longer ones, where depends on all of the shape."""


@dataclass(frozen=True, slots=True)
class Renders(Generic[T]):
    """Features of a scan's renders; none of them for a failure to enrol.

    Attributes
    ----------
    seen
        Of the standard views in which a detector found the face.
    every
        Of all standard views; where no face was found, of the place where it should be.
    soft
        Of the soft views, which are beside the standard ones; keypoints have none.
    """

    seen: T
    every: T
    soft: T

    @classmethod
    def plain(cls, features: Any) -> Renders[Any]:
        """Take standard views in all of which a face was found, (n, d), and no others."""
        return cls(features, features, features[:0])

    def sides(self) -> dict[Side, T]:
        """Return those of which there are any, by name."""
        named: dict[Side, Any] = {side: getattr(self, side) for side in SIDES}
        return {side: features for side, features in named.items() if len(features)}


class Gallery(Protocol[T_co]):
    """The templates of a group of scans, each read when it is asked for."""

    def __len__(self) -> int:
        """Return the number of scans."""
        ...

    def __getitem__(self, scan: int, /) -> T_co:
        """Return what is known of a scan."""
        ...


class OneSide(Generic[T]):
    """A gallery of which one side of the renders is looked at."""

    def __init__(self, gallery: Gallery[Renders[T]], side: Side) -> None:
        self._gallery, self._side = gallery, side

    def __len__(self) -> int:
        return len(self._gallery)

    def __getitem__(self, scan: int, /) -> T:
        """Return the features of this side of a scan, maybe none."""
        features: T = getattr(self._gallery[scan], self._side)
        return features


class Comparison(Protocol):
    """All probes against the renders of one scan; there is one render or more."""

    @property
    def renders(self) -> Any:
        """Features of the renders."""
        ...

    def best(self) -> NDArray[np.float32]:
        """Score every probe by the render most like it, (p,); higher is more alike."""
        ...

    def pooled(self) -> NDArray[np.float32]:
        """Score every probe by the renders taken together, (p,); higher is more alike."""
        ...


class Probes(Protocol):
    """Features of p photographs with a face; ``p`` may be 0."""

    kind: Kind

    def __len__(self) -> int:
        """Return p."""
        ...

    def against(self, scans: Sequence[Any], /) -> Sequence[Comparison]:
        """Compare with the renders of scans; raise ValueError if they cannot be compared."""
        ...

    def photograph(self, number: int, /) -> Any:
        """Return the features of one probe as those of a scan with one render."""
        ...


class VectorProbes:
    """Probes whose features are vectors.

    Parameters
    ----------
    features
        Shape (p, d).
    similarity
        ``euclidean``: minus the distance, so 0 is identical. ``cosine``: from -1 to 1; a vector
        of zeros has no direction and scores 0 against everything.
    mirrored
        Of the same photographs, left and right exchanged, (p, d); ``None`` if there are none.

    Raises
    ------
    ValueError
        A shape, a value or the similarity is not as described.
    """

    kind: Kind = 'vector'

    def __init__(
        self,
        features: NDArray[np.float32],
        similarity: Similarity,
        mirrored: NDArray[np.float32] | None = None,
    ) -> None:
        _check_probes(features, similarity)
        self.features, self.similarity, self.mirrored = features, similarity, mirrored
        self.prepared = prepared(features, similarity)
        self.sizes = np.square(self.prepared).sum(axis=1)
        n_columns = -(-len(features) // COLUMNS) * COLUMNS
        self._columns = np.zeros((features.shape[1] + 1, n_columns), np.float32)
        self._columns[:-1, : len(features)] = self.prepared.T
        self._columns[-1] = -1
        self._products = np.empty((0, n_columns), np.float32)
        n_parts = -(-len(self._columns) // TERMS)
        self._parts = np.linspace(0, len(self._columns), n_parts + 1).astype(int).tolist()

    def __len__(self) -> int:
        return len(self.features)

    def both_ways(self) -> NDArray[np.float64]:
        """Return the mean of each photograph and its mirror image, as `prepared`, (p, d)."""
        if self.mirrored is None:
            return self.prepared
        _check_probes(self.mirrored, self.similarity)
        mean: NDArray[np.float64] = (self.prepared + prepared(self.mirrored, self.similarity)) / 2
        return unit_length(mean) if self.similarity == 'cosine' else mean

    def check(self, renders: NDArray[np.float32]) -> None:
        """Raise ValueError unless renders (n, d) can be compared with the probes."""
        check_renders(renders)
        if len(self) and renders.shape[1] != self.features.shape[1]:
            raise ValueError(
                f'a template has features of length {renders.shape[1]}, '
                f'the probes of length {self.features.shape[1]}'
            )

    def against(self, scans: Sequence[NDArray[np.float32]], /) -> list[VectorComparison]:
        """Compare with the renders (n, d) of scans."""
        for renders in scans:
            self.check(renders)
        means = _Means(self, scans)
        return [VectorComparison(self, renders, means, k) for k, renders in enumerate(scans)]

    def photograph(self, number: int, /) -> NDArray[np.float32]:
        """Return one probe, (1, d)."""
        return self.features[number : number + 1]

    def highest(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the highest product of each probe with rows, less their last number, (p,).

        Parameters
        ----------
        rows
            Shape (n, d + 1).
        """
        first, *further = pairwise(self._parts)
        if len(rows) > len(self._products):
            self._products = np.empty((len(rows), self._columns.shape[1]), np.float32)
        products = self._products[: len(rows)]
        np.matmul(rows[:, slice(*first)], self._columns[slice(*first)], out=products)
        for part in further:
            products += rows[:, slice(*part)] @ self._columns[slice(*part)]
        highest: NDArray[np.float32] = products.max(axis=0)[: len(self)]
        return highest


@dataclass(frozen=True)
class _Means:
    """The mean renders of k scans, and how near each photograph is to each of them."""

    probes: VectorProbes
    scans: Sequence[NDArray[np.float32]]

    @cached_property
    def rows(self) -> NDArray[np.float64]:
        """Mean renders, (k, d)."""
        return np.array([mean_render(renders, self.probes.similarity) for renders in self.scans])

    @cached_property
    def rounded(self) -> NDArray[np.float32]:
        """Mean renders, rounded as features are, (k, d)."""
        return self.rows.astype(np.float32)

    @cached_property
    def products(self) -> NDArray[np.float64]:
        """Products with the photographs, (k, p)."""
        return np.asarray((filled(self.rows) @ self.probes.prepared.T)[: len(self.rows)])

    @cached_property
    def squares(self) -> NDArray[np.float64]:
        """Squared distances from the photographs, (k, p)."""
        sizes = np.square(self.rows).sum(axis=1)
        return self.probes.sizes + sizes[:, None] - 2 * self.products


@dataclass(frozen=True)
class VectorComparison:
    """Photographs q against the renders m + u of a scan, m being their mean.

    A cosine is q.m + q.u, a squared distance is (q - m)^2 - 2 (q.u - m.u - u^2 / 2). What has to
    do with the mean is computed in float64. Products with the differences u, nearly all of the
    work, need no more than float32, since u is short: a cosine or a squared distance is wrong by
    (d + 4) 2^-23 |u| (|q| + |m| + |u|) at most, and by less than a hundredth of that on average.
    They are rounded differences from a rounded mean: renders move by less than 2^-23 (|m| + |u|).
    """

    probes: VectorProbes
    renders: NDArray[np.float32]
    means: _Means
    number: int

    @property
    def mean(self) -> NDArray[np.float64]:
        """The mean render, (d,)."""
        return np.asarray(self.means.rows[self.number])

    def best(self) -> NDArray[np.float32]:
        """Score by the nearest render."""
        if not len(self.probes):
            return np.empty(0, np.float32)
        mean, similarity = self.means.rounded[self.number], self.probes.similarity
        rows = np.empty((len(self.renders), len(mean) + 1), np.float32)
        away, less = rows[:, :-1], rows[:, -1]
        if similarity == 'cosine':
            np.subtract(prepared(self.renders, similarity), mean, out=away, casting='same_kind')
            less[:] = 0
            cosines = self.means.products[self.number] + self.probes.highest(rows)
            return np.clip(cosines, -1, 1).astype(np.float32)
        np.subtract(self.renders, mean, out=away)
        np.add(away @ mean, np.vecdot(away, away) / 2, out=less)
        return _minus_root(self.means.squares[self.number] - 2 * self.probes.highest(rows))

    def pooled(self) -> NDArray[np.float32]:
        """Score by the mean render."""
        if self.probes.similarity == 'euclidean':
            return _minus_root(self.means.squares[self.number])
        # the mean of unit vectors is shorter than they are
        length = np.linalg.norm(self.mean) or 1.0
        return np.clip(self.means.products[self.number] / length, -1, 1).astype(np.float32)


def _minus_root(squares: NDArray[np.float64]) -> NDArray[np.float32]:
    return -np.sqrt(np.maximum(squares, 0)).astype(np.float32)


class KeypointProbes:
    """Probes with keypoints; a photograph may have none.

    A score is that of `bids_reid.match.keypoints`. Renders are pooled by the mean of the few
    highest scores: a render in another light has no keypoints in common with a photograph.
    """

    kind: Kind = 'keypoints'

    def __init__(self, photographs: Sequence[Keypoints], distance: Distance) -> None:
        self.photographs, self.distance = photographs, distance

    def __len__(self) -> int:
        return len(self.photographs)

    def against(self, scans: Sequence[Keypoints], /) -> list[_KeypointComparison]:
        """Compare with the renders of scans."""
        return [_KeypointComparison(self, renders) for renders in scans]

    def photograph(self, number: int, /) -> Keypoints:
        """Return the keypoints of one probe."""
        return self.photographs[number]


@dataclass(frozen=True)
class _KeypointComparison:
    probes: KeypointProbes
    renders: Keypoints

    def best(self) -> NDArray[np.float32]:
        return self._scores.max(axis=1)

    def pooled(self) -> NDArray[np.float32]:
        highest = np.sort(self._scores, axis=1)[:, -POOLED_RENDERS:]
        return highest.mean(axis=1, dtype=np.float64).astype(np.float32)

    @cached_property
    def _scores(self) -> NDArray[np.float32]:
        """Scores of every probe against every render, (p, n)."""
        scan = searchable(self.renders, self.probes.distance)
        rows = [keypoint_scores(photograph, scan) for photograph in self.probes.photographs]
        return np.array(rows, np.float32).reshape(len(rows), len(self.renders))


def probes_of(arrays: Mapping[str, NDArray[Any]], taken: Sequence[int], model: Any) -> Probes:
    """Take some photographs from the arrays that an extractor gave for all of them.

    Parameters
    ----------
    arrays
        ``features`` and maybe ``mirrored`` (n, d), or the arrays of `Keypoints`.
    taken
        Numbers of p photographs.
    model
        The extractor.
    """
    if model.kind == 'keypoints':
        photographs = Keypoints.of(arrays)
        return KeypointProbes([photographs[number] for number in taken], model.distance)
    mirrored = arrays.get('mirrored')
    return VectorProbes(
        arrays['features'][list(taken)],
        model.similarity,
        None if mirrored is None else mirrored[list(taken)],
    )


def photograph_scores(probes: Probes) -> NDArray[np.float32]:
    """Score photographs against each other, (p, p): the positive control.

    Each (row) is searched among the others, which take the part of a scan with one render; the
    diagonal is NaN.
    """
    scores = np.empty((len(probes), len(probes)), np.float32)
    others = probes.against([probes.photograph(number) for number in range(len(probes))])
    for column, other in enumerate(others):
        scores[:, column] = other.best()
    np.fill_diagonal(scores, np.nan)
    return scores


def prepared(features: NDArray[np.float32], similarity: Similarity) -> NDArray[np.float64]:
    """Features (n, d) in float64, of length 1 where only their direction counts."""
    exact = features.astype(np.float64)
    return unit_length(exact) if similarity == 'cosine' else exact


def mean_render(features: NDArray[np.float32], similarity: Similarity) -> NDArray[np.float64]:
    """Mean of the renders of a scan (n, d), shape (d,)."""
    mean: NDArray[np.float64] = prepared(features, similarity).mean(axis=0)
    return mean


def filled(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fill rows (n, d) up with zeros to a multiple of `TOGETHER`.

    A product then has the same shape, and so the same bits, for any smaller number of rows.
    """
    return np.pad(rows, ((0, -len(rows) % TOGETHER), (0, 0)))


def unit_length(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale vectors (n, d) to length 1; zeros stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def check_renders(renders: NDArray[np.float32]) -> None:
    """Raise ValueError unless renders are finite rows."""
    if renders.ndim != 2:
        raise ValueError(f'a template must have shape (n, d), not {renders.shape}')
    if not np.isfinite(renders).all():
        raise ValueError(
            f'feature {_first_bad_row(renders)} of a template has a value that is not finite'
        )


def _check_probes(probes: NDArray[np.float32], similarity: str) -> None:
    """Raise ValueError unless the probes are finite rows and the similarity is known."""
    if similarity not in get_args(Similarity):
        raise ValueError(
            f'unknown similarity {similarity!r}; known: {", ".join(get_args(Similarity))}'
        )
    if probes.ndim != 2:
        raise ValueError(f'probes must have shape (p, d), not {probes.shape}')
    if not np.isfinite(probes).all():
        raise ValueError(f'probe {_first_bad_row(probes)} has a value that is not finite')


def _first_bad_row(features: NDArray[np.float32]) -> int:
    return int(np.flatnonzero(~np.isfinite(features).all(axis=1))[0])
