"""The photographs that are searched with, and how alike each is to the renders of a scan.

One value holds the probes of a run, whatever kind of features their extractor gives, and compares
them with one scan after the other. :mod:`bids_reid.match.decisions` asks no more of it; the score
matrix that results is all that :mod:`bids_reid.risk` needs to know about features.

Scores are computed by one float64 product per scan and rounded to float32: a score does not depend
on the other scans, so that it does not matter how a gallery is shared among processes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, Literal, Protocol, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from bids_reid.match.keypoints import Distance, keypoint_scores, searchable
from bids_reid.records import Keypoints

Kind = Literal['vector', 'keypoints']
Similarity = Literal['euclidean', 'cosine']
Side = Literal['seen', 'every', 'soft']
"""The name of an attribute of `Renders`."""
T = TypeVar('T')
T_co = TypeVar('T_co', covariant=True)

POOLED_RENDERS = 5
"""Number of renders whose mean counts for keypoints.

About half of a camera's renders, near to those of a photograph.
"""


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
        named: dict[Side, Any] = {side: getattr(self, side) for side in get_args(Side)}
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

    def against(self, renders: Any, /) -> Comparison:
        """Compare with the renders of a scan; raise ValueError if they cannot be compared."""
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
        columns = self.prepared.T
        if similarity == 'euclidean':
            # |a - b|^2 = |a|^2 - 2 (a.b - |b|^2 / 2), all of the bracket by one product
            columns = np.concatenate([columns, np.full((1, len(features)), -0.5)])
        self._columns = np.ascontiguousarray(columns)
        self._sizes = np.square(self.prepared).sum(axis=1)

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

    def against(self, renders: NDArray[np.float32], /) -> _VectorComparison:
        """Compare with the renders (n, d) of a scan."""
        self.check(renders)
        return _VectorComparison(self, renders)

    def photograph(self, number: int, /) -> NDArray[np.float32]:
        """Return one probe, (1, d)."""
        return self.features[number : number + 1]

    def nearest(self, rows: NDArray[np.float64]) -> NDArray[np.float32]:
        """Score every probe against the nearest of rows (n, d), (p,)."""
        if not len(self):
            return np.empty(0, np.float32)
        if self.similarity == 'cosine':
            return np.clip((rows @ self._columns).max(axis=0), -1, 1).astype(np.float32)
        sizes = np.square(rows).sum(axis=1)
        product = np.column_stack([rows, sizes]) @ self._columns
        squared = self._sizes - 2 * product.max(axis=0)
        return -np.sqrt(np.maximum(squared, 0)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class _VectorComparison:
    probes: VectorProbes
    renders: NDArray[np.float32]

    def best(self) -> NDArray[np.float32]:
        return self.probes.nearest(prepared(self.renders, self.probes.similarity))

    def pooled(self) -> NDArray[np.float32]:
        similarity = self.probes.similarity
        mean = mean_render(self.renders, similarity)[None]
        # the mean of unit vectors is shorter than they are
        return self.probes.nearest(unit_length(mean) if similarity == 'cosine' else mean)


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

    def against(self, renders: Keypoints, /) -> _KeypointComparison:
        """Compare with the renders of a scan."""
        return _KeypointComparison(self, renders)

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
    for column in range(len(probes)):
        scores[:, column] = probes.against(probes.photograph(column)).best()
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
