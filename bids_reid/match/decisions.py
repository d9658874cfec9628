"""Decisions: how many renders of a scan become one score for each probe.

A decision learns from a gallery and from photographs without labels, once, and then scores scan
after scan; a score depends on nothing else. None knows who is on a probe.

- ``best``: the render most like the probe.
- ``pooled``: the renders taken together.
- ``svm``: a linear support vector machine tells the renders of the scan from those of others.
- ``adapted``: renders and photographs differ in ways that have nothing to do with who they show.
  The mean of its own side is taken from both, directions in which the renders of one scan differ
  count less, and what is left is compared by its direction. A photograph is taken together with
  its mirror image, and renders in soft light count as much as those of the study. A scan that is
  like every photograph has to be more like one than others.

A new decision is a class here and its line in `DECISIONS`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import methodcaller
from typing import Any, Literal, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bids_reid.match.probes import (
    SIDES,
    TOGETHER,
    Comparison,
    KeypointProbes,
    Kind,
    OneSide,
    Probes,
    Renders,
    Side,
    Similarity,
    VectorComparison,
    VectorProbes,
    filled,
    prepared,
    unit_length,
)
from bids_reid.match.training import (
    SVM_SCANS,
    Means,
    Training,
    gallery_means,
    mean_with_prior,
    other_renders,
    spaced,
    value_ordered,
)
from bids_reid.match.vocabulary import Vocabulary, WordGallery, learn_words
from bids_reid.match.whitening import Whitening, whitening

Arrays = Mapping[str, NDArray[Any]]
"""Parameters that a decision learned, by name, as a file holds them."""
Pooling = Literal['max', 'mean']
Comparisons = Mapping[Side, Comparison]
"""All probes against each side of a scan that has renders."""
Scorer = Callable[[Sequence[Comparisons], Sequence[str]], ArrayLike]
"""The probes against k scans, and whose they are, to a score for each scan and probe, (k, p).

The people only keep other scans of the same person from being taken for somebody else's.
"""

SVM_C = 0.1
"""Penalty for features of size 1: the best of 0.1, 1, 10 and 100 on phantoms."""
SVM_SEED = 0
"""The primal solver draws no random numbers; the seed is set in case it ever does."""
HUB_PROBES = 3
"""On 182 phantoms, 1 and 3 do best of 1, 3, 5 and 10.

If a person has several photographs, 3 does.
"""
REFERENCE_PROBES = 2000
"""Number of photographs with which a scan's scores are compared to see whether it is a hub."""
PRIOR_PROBES = 3
"""A mean of n probes has the weight n / (n + 3): the mean of a few says more about these people
than about photographs.

Chosen on phantoms of 1 to 16 people; anything from 1 to 5 does as well.
"""


class Decision(Protocol):
    """A way to make one score of many renders.

    Attributes
    ----------
    name
        As in the tables.
    applies_to
        Kinds of features.
    side
        The renders that a scan must have. Whoever goes to the length of learning from renders
        also looks where a face should be if no detector sees one there, and takes ``every``.
    photo_pooling
        How the scores of several photographs of a person become one: their highest, or their
        mean. On 48 phantoms with 3 photographs each the mean finds 46 and not 42 (adapted), 26
        and not 22 (svm); for ``pooled`` and ``best`` it makes no such difference.
    """

    name: str
    applies_to: tuple[Kind, ...]
    side: Side
    photo_pooling: Pooling

    def learn(self, training: Training) -> Arrays | None:
        """Learn from a whole gallery and from photographs; ``None`` if there is no such decision.

        Nothing may depend on the order of scans or photographs.
        """
        ...

    def scorer(self, learned: Arrays, probes: Probes) -> Scorer:
        """Return the function that scores some scans after others; each has the side."""
        ...


class Plain:
    """A decision that learns nothing: the method of `Comparison` that bears its name."""

    applies_to: tuple[Kind, ...] = ('vector', 'keypoints')
    side: Side = 'seen'
    photo_pooling: Pooling = 'max'

    def __init__(self, name: Literal['best', 'pooled']) -> None:
        self.name: str = name

    def learn(self, training: Training) -> Arrays:  # noqa: ARG002
        """Learn nothing."""
        return {}

    def scorer(self, learned: Arrays, probes: Probes) -> Scorer:  # noqa: ARG002
        """Return the function that scores scans."""
        scores = methodcaller(self.name)
        return lambda scans, _: [scores(comparisons[self.side]) for comparisons in scans]


class Svm:
    """Score each scan by a linear SVM that tells its renders from those of others.

    scikit-learn's ``LinearSVC`` (LIBLINEAR; Fan et al., J. Mach. Learn. Res. 9:1871-1874, 2008),
    squared hinge loss, solved in the primal: no random numbers. Features are shifted and scaled
    as one, so that those of the others have mean 0 and size 1. The cost grows with the number of
    scans, and not with its square. Keypoints are counted as words (`bids_reid.match.vocabulary`).
    """

    name = 'svm'
    applies_to: tuple[Kind, ...] = ('vector', 'keypoints')
    side: Side = 'every'
    photo_pooling: Pooling = 'mean'

    def learn(self, training: Training) -> Arrays | None:
        """Take the renders of others, ``others`` (m, d), and ``owners`` (m,): whom they show.

        Returns
        -------
        Also ``words`` (w, d) for keypoints. ``None`` where there is nobody to tell a scan from,
        in a gallery larger than `SVM_SCANS`, and without any keypoint.
        """
        if len(training.gallery) > SVM_SCANS or len(set(training.people)) < 2:
            return None
        gallery: Any = OneSide(training.gallery, self.side)
        words: Arrays = {}
        if isinstance(training.photographs, KeypointProbes):
            distance = training.photographs.distance
            vocabulary = learn_words(gallery, training.people, distance=distance)
            if vocabulary is None:
                return None
            gallery, words = WordGallery(gallery, vocabulary), {'words': vocabulary.words}
        renders = other_renders(gallery, training.people)
        if len({person for person, _ in renders}) < 2:
            return None
        return {
            'others': np.concatenate([rows for _, rows in renders]),
            'owners': np.array([person for person, rows in renders for _ in rows], dtype=str),
            **words,
        }

    def scorer(self, learned: Arrays, probes: Probes) -> Scorer:
        """Return the function that scores scans: 0 if there is nobody to tell one from."""
        features, vectors, similarity = _as_vectors(learned, probes)
        others = prepared(learned['others'], similarity)
        mean = others.mean(axis=0)
        size = np.sqrt(np.square(others - mean).sum(axis=1).mean()) or 1.0

        def scaled(features: NDArray[np.float32]) -> NDArray[np.float64]:
            return np.asarray((prepared(features, similarity) - mean) / size)

        pool, rows = scaled(learned['others']), scaled(features)

        def score(comparisons: Comparisons, person: str) -> NDArray[np.float32]:
            own = vectors(comparisons[self.side].renders)
            negatives = pool[learned['owners'] != person]
            if not len(negatives):
                return np.zeros(len(rows), np.float32)
            weights, offset = _separation(scaled(own), negatives)
            return (rows @ weights + offset).astype(np.float32)

        return lambda scans, people: [score(*one) for one in zip(scans, people, strict=True)]


def _as_vectors(
    learned: Arrays, probes: Probes
) -> tuple[NDArray[np.float32], Callable[[Any], NDArray[np.float32]], Similarity]:
    """Return vectors of the probes (p, d), the function that gives those of renders (n, d)."""
    if isinstance(probes, KeypointProbes):
        vocabulary = Vocabulary(learned['words'], probes.distance)
        return vocabulary.of_photographs(probes.photographs), vocabulary.vectors, 'euclidean'
    vectors = cast('VectorProbes', probes)
    return vectors.features, lambda renders: renders, vectors.similarity


def _separation(
    own: NDArray[np.float64], others: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Train on renders of a scan (n, d) and of others (m, d): weights (d,) and offset."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    machine = LinearSVC(C=SVM_C, dual=False, random_state=SVM_SEED)
    with warnings.catch_warnings():
        # what it has reached then is as good an attack
        warnings.simplefilter('ignore', ConvergenceWarning)
        machine.fit(np.concatenate([own, others]), [True] * len(own) + [False] * len(others))
    return machine.coef_[0], float(machine.intercept_[0])


class Adapted:
    """Score each scan by the mean of its renders, less the part that all of them share.

    The cosine of the rest when each side's mean is taken away, so that a shift between renders
    and photographs cancels, after within-class covariance normalisation
    (`bids_reid.match.whitening`); the mean of that for each of `ADAPTED_SIDES` that a scan has.
    Half the mean of the scan's `HUB_PROBES` highest is taken from it (cross-domain similarity
    local scaling; Conneau et al., ICLR 2018): some scans are hubs, near to the photographs of
    everybody.
    """

    name = 'adapted'
    applies_to: tuple[Kind, ...] = ('vector',)
    side: Side = 'every'
    photo_pooling: Pooling = 'mean'

    def learn(self, training: Training) -> Arrays:
        """Learn, for each of `ADAPTED_SIDES`, both means, (d,), the whitening and a ``reference``.

        Returns
        -------
        ``SIDE.parameter``: ``SIDE.reference`` are up to `REFERENCE_PROBES` of the photographs,
        less their mean and whitened, of length 1, (q, d).
        """
        probes = cast('VectorProbes', training.photographs)
        photographs = value_ordered(probes.both_ways())
        sides = gallery_means(training, ADAPTED_SIDES)
        return {
            f'{side}.{name}': array
            for side, known in sides.items()
            for name, array in _adaptation(known, photographs).items()
        }

    def scorer(self, learned: Arrays, probes: Probes) -> Scorer:
        """Return the function that scores scans."""
        probes = cast('VectorProbes', probes)
        sides = {
            side: AdaptedSide(side_parameters(learned, side), probes) for side in ADAPTED_SIDES
        }
        n_columns = len(probes) + len(learned[f'{self.side}.reference'])

        def score(scans: Sequence[Comparisons], _: Sequence[str]) -> NDArray[np.float64]:
            sums, n_sides = np.zeros((len(scans), n_columns)), np.zeros((len(scans), 1))
            for side, one in sides.items():
                there = [number for number, some in enumerate(scans) if side in some]
                if there:
                    means = [cast('VectorComparison', scans[n][side]).mean for n in there]
                    sums[there] += one.cosines(np.array(means))
                    n_sides[there] += 1
            cosines, reference = np.split(sums / n_sides, [len(probes)], axis=1)
            return cosines - _hubs(reference) / 2

        return score


ADAPTED_SIDES: tuple[Side, ...] = ('every', 'soft')
"""The study's views, and the soft ones."""


def _adaptation(known: Means, photographs: NDArray[np.float64]) -> Arrays:
    """Learn what `Adapted` needs to know of one side of the renders, and of photographs (p, d)."""
    if not len(photographs):
        photographs = np.empty((0, known.d))
    gallery_mean = mean_with_prior(known.means, np.zeros(known.d), prior=0)
    probe_mean = mean_with_prior(photographs, gallery_mean, prior=PRIOR_PROBES)
    white = whitening(known.deviations, known.d)
    reference = photographs[spaced(range(len(photographs)), REFERENCE_PROBES)]
    return {
        'gallery_mean': gallery_mean,
        'probe_mean': probe_mean,
        'reference': unit_length(white(reference - probe_mean)),
        **white.arrays(),
    }


def side_parameters(learned: Arrays, side: Side) -> Arrays:
    """Take the parameters of one side."""
    prefix = f'{side}.'
    return {
        name.removeprefix(prefix): array
        for name, array in learned.items()
        if name.startswith(prefix)
    }


class AdaptedSide:
    """Probes and the reference, adapted to one side of the renders."""

    def __init__(self, learned: Arrays, probes: VectorProbes) -> None:
        self._white, self._gallery_mean = Whitening.of(learned), learned['gallery_mean']
        rows = unit_length(self._white(probes.both_ways() - learned['probe_mean']))
        self._columns = np.concatenate([rows, learned['reference']]).T

    def cosines(self, means: NDArray[np.float64]) -> NDArray[np.float64]:
        """Cosines of the probes, and of the reference, with mean renders (k, d), (k, p + q)."""
        rows = unit_length(self._white(filled(means - self._gallery_mean)))
        return np.clip(rows @ self._columns, -1, 1)[: len(means)]


def _hubs(reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of the `HUB_PROBES` highest of each scan's scores (k, q), (k, 1); 0 without any."""
    q = reference.shape[1]
    if not q:
        return np.zeros((len(reference), 1))
    first = max(q - HUB_PROBES, 0)
    highest = np.sort(np.partition(reference, first, axis=1)[:, first:], axis=1)
    return np.asarray(highest.mean(axis=1, keepdims=True))


DECISIONS: dict[str, Decision] = {
    decision.name: decision
    for decision in (
        Plain('best'),
        Plain('pooled'),
        Svm(),
        Adapted(),
    )
}
"""All decisions, the plain ones first: the order of the tables."""
FUSED = Adapted.name
"""Decision whose scores are fused over extractors; they differ in scale and in little else."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of one decision.

    Attributes
    ----------
    scores
        Shape (p, n_scans), higher is more alike; the column of a failure to enrol is NaN.
    enrolled
        Whether each scan has a render that the decision takes, (n_scans,).
    """

    scores: NDArray[np.float32]
    enrolled: NDArray[np.bool_]


def learn(training: Training) -> dict[str, Arrays]:
    """Learn what each decision needs to know of a gallery; those that cannot be made are absent.

    Raises
    ------
    ValueError
        A shape or a value is not as described.
    """
    applicable = (d for d in DECISIONS.values() if training.photographs.kind in d.applies_to)
    learned = ((decision.name, decision.learn(training)) for decision in applicable)
    return {name: arrays for name, arrays in learned if arrays is not None}


def score(
    probes: Probes,
    templates: Iterable[Renders[Any]],
    people: Sequence[str],
    learned: Mapping[str, Arrays],
) -> dict[str, Scores]:
    """Score every probe against every scan under every decision, scan after scan.

    Parameters
    ----------
    probes
        Photographs with a face.
    templates
        Features of each scan's renders.
    people
        Whose each scan is, (n_scans,).
    learned
        What `learn` gave for the whole gallery, of which this may be a part.

    Raises
    ------
    ValueError
        A shape or a value is not as described.
    """
    decisions = {name: DECISIONS[name] for name in learned}
    scorers = {
        name: decision.scorer(learned[name], probes)
        for name, decision in decisions.items()
        if len(probes)
    }
    # in memory the scores of a scan lie side by side, as they come
    shape = (len(people), len(probes))
    results = {
        name: Scores(np.full(shape, np.nan, np.float32).T, np.zeros(len(people), np.bool_))
        for name in decisions
    }
    pairs, first = zip(people, templates, strict=True), 0
    while block := list(islice(pairs, TOGETHER)):
        comparisons = _comparisons(probes, [renders for _, renders in block])
        for name, decision in decisions.items():
            there = [k for k, sides in enumerate(comparisons) if decision.side in sides]
            columns = [first + k for k in there]
            results[name].enrolled[columns] = True
            if name in scorers and there:
                results[name].scores.T[columns] = scorers[name](
                    [comparisons[k] for k in there], [block[k][0] for k in there]
                )
        first += len(block)
    return results


def _comparisons(probes: Probes, templates: Sequence[Renders[Any]]) -> Sequence[Comparisons]:
    """Compare all probes with each side of each of some scans that has renders."""
    present = [renders.sides() for renders in templates]
    compared: list[dict[Side, Comparison]] = [{} for _ in present]
    for side in SIDES:
        there = [k for k, sides in enumerate(present) if side in sides]
        for k, one in zip(there, probes.against([present[k][side] for k in there]), strict=True):
            compared[k][side] = one
    return compared
