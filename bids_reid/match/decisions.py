"""Decisions: how many renders of a scan become one score for each probe.

A decision is made for the probes of a run and what was fitted beforehand, and then scores scan
after scan; a score depends on nothing else. None knows who is on a probe.

- ``best``: the render most like the probe.
- ``pooled``: the mean of the renders.
- ``svm``: a linear support vector machine tells the renders of the scan from those of others.
- ``adapted``: renders and photographs differ in ways that have nothing to do with who they show.
  The mean of its own side is taken from both, directions in which the renders of one scan differ
  count less, and what is left is compared by its direction. A scan that is like every photograph
  has to be more like one than others.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bids_reid.match.fitting import Fit, mean_render, prepared
from bids_reid.match.scores import (
    Gallery,
    Similarity,
    check_finite,
    check_probes,
    checked_template,
    probe_scores,
    unit_length,
)
from bids_reid.match.search import FastScores, search

SVM_C = 0.1
"""For features of size 1. Of 0.1, 1, 10 and 100 the best on phantoms."""
SVM_SEED = 0
"""The primal solver draws nothing; should it ever, it draws the same."""
HUB_PROBES = 3
"""Of 1, 3, 5 and 10 on 182 phantoms 1 and 3 do best; where a person has several photographs, 3."""
_BLOCK = 1024
"""Probes compared at a time."""


class Decision(Protocol):
    """Scores of one scan."""

    def scores(self, features: NDArray[np.float32], person: str) -> NDArray[np.float32]:
        """Score every probe against a scan, (p,); higher is more alike.

        Parameters
        ----------
        features
            Of the scan's renders, (n, d) with n > 0.
        person
            Whose the scan is. It only keeps other scans of the same person from being taken for
            somebody else's.
        """
        ...


class Best:
    """Score each scan by its render most like the probe."""

    def __init__(self, fitted: Fit, probes: NDArray[np.float32]) -> None:
        self._probes, self._similarity = probes, fitted.similarity

    def scores(self, features: NDArray[np.float32], person: str) -> NDArray[np.float32]:  # noqa: ARG002
        """Score every probe against a scan, (p,)."""
        return probe_scores(self._probes, [features], similarity=self._similarity)[:, 0]


class Pooled:
    """Score each scan by the mean of its renders."""

    def __init__(self, fitted: Fit, probes: NDArray[np.float32]) -> None:
        self._similarity = fitted.similarity
        self._compared = _Compared(prepared(probes, fitted.similarity), fitted.similarity)

    def scores(self, features: NDArray[np.float32], person: str) -> NDArray[np.float32]:  # noqa: ARG002
        """Score every probe against a scan, (p,)."""
        return self._compared.with_(mean_render(features, self._similarity))


class Adapted:
    """Score each scan by the mean of its renders, less what all of them share.

    The cosine of what is left when each side's mean is taken away, so that a shift between
    renders and photographs cancels, after `bids_reid.match.whitening`. Half the mean of the
    scan's `HUB_PROBES` highest cosines is taken from it (cross-domain similarity local scaling;
    Conneau et al., ICLR 2018): some scans are hubs, near to the photographs of everybody.
    """

    def __init__(self, fitted: Fit, probes: NDArray[np.float32]) -> None:
        self._fitted = fitted
        shifted = prepared(probes, fitted.similarity) - fitted.probe_mean
        self._compared = _Compared(fitted.whitening(shifted), 'cosine')
        self._reference = _Compared(fitted.reference, 'cosine')

    def scores(self, features: NDArray[np.float32], person: str) -> NDArray[np.float32]:  # noqa: ARG002
        """Score every probe against a scan, (p,)."""
        fitted = self._fitted
        mean = mean_render(features, fitted.similarity) - fitted.gallery_mean
        row = fitted.whitening(mean[None])[0]
        highest = np.sort(self._reference.with_(row))[-HUB_PROBES:]
        hub = float(highest.mean(dtype=np.float64)) if len(highest) else 0.0
        return self._compared.with_(row) - np.float32(hub / 2)


class Svm:
    """Score each scan by a linear SVM that tells its renders from those of others.

    scikit-learn's ``LinearSVC`` (LIBLINEAR; Fan et al., J. Mach. Learn. Res. 9:1871-1874, 2008),
    squared hinge loss, solved in the primal: no random numbers. Features are shifted and scaled
    as one, so that those of the others have mean 0 and size 1. The cost grows with the number of
    scans, and not with its square.
    """

    def __init__(self, fitted: Fit, probes: NDArray[np.float32]) -> None:
        self._similarity, self._owners = fitted.similarity, fitted.owners
        others = prepared(fitted.others, fitted.similarity)
        self._mean = others.mean(axis=0)
        size = np.sqrt(np.square(others - self._mean).sum(axis=1).mean())
        self._size = size if size > 0 else 1.0
        self._others, self._probes = (
            self._scaled(others),
            self._scaled(prepared(probes, fitted.similarity)),
        )

    def scores(self, features: NDArray[np.float32], person: str) -> NDArray[np.float32]:
        """Score every probe against a scan, (p,); 0 if there is nobody to tell it from."""
        others = self._others[self._owners != person]
        if not len(others):
            return np.zeros(len(self._probes), np.float32)
        weights, offset = self._learn(self._scaled(prepared(features, self._similarity)), others)
        return (_row_sums(self._probes, weights) + offset).astype(np.float32)

    def _scaled(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        return (features - self._mean) / self._size

    def _learn(
        self, own: NDArray[np.float64], others: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], float]:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.svm import LinearSVC

        machine = LinearSVC(C=SVM_C, dual=False, random_state=SVM_SEED)
        with warnings.catch_warnings():
            # what it has reached then is as good an attack
            warnings.simplefilter('ignore', ConvergenceWarning)
            machine.fit(np.concatenate([own, others]), [True] * len(own) + [False] * len(others))
        return machine.coef_[0], float(machine.intercept_[0])


DECISIONS: dict[str, Callable[[Fit, NDArray[np.float32]], Decision]] = {
    'best': Best,
    'pooled': Pooled,
    'svm': Svm,
    'adapted': Adapted,
}
"""Decisions for features that are vectors, the plain ones first."""

ADAPTIVE = ('svm', 'adapted')
"""Decisions that learn from the renders of the very scans that are attacked.

Whoever goes to that length also looks where a face should be if no detector sees one there.
"""

MEAN_OF_PHOTOGRAPHS = ('svm', 'adapted')
"""Under which several photographs of a person count by the mean of their scores, not the highest.

On 48 phantoms with 3 photographs each the mean finds 46 and not 42 (adapted), 26 and not 22 (svm).
For ``pooled`` and ``best`` it makes no such difference; under ``best`` only those scores are exact
that the highest depends on.
"""


def decisions_of(fitted: Fit) -> tuple[str, ...]:
    """Names of the decisions that can be made after a fit."""
    return tuple(name for name in DECISIONS if name != 'svm' or len(fitted.others))


def search_all(
    probes: NDArray[np.float32],
    gallery: Gallery,
    people: Sequence[str],
    fitted: Fit,
    adaptive: Gallery | None = None,
) -> tuple[FastScores, dict[str, NDArray[np.float32]], NDArray[np.bool_]]:
    """Score every probe against every scan under every decision, each template read in order.

    Parameters
    ----------
    probes
        Features, (p, d); ``p`` may be 0.
    gallery, people
        Templates, and whose each is.
    fitted
        What `fit` gave for the whole gallery, of which this may be a part.
    adaptive
        Templates of the same scans for the decisions that learn from renders (`ADAPTIVE`);
        ``gallery`` itself if they are the same.

    Returns
    -------
    Scores of ``best`` with a bound on the error, and the exact ones of the others,
    (p, n_scans) each; the column of a scan without features is NaN. Last, whether each scan has
    features for the adaptive decisions, (n_scans,).

    Raises
    ------
    ValueError
        If a shape or a value is not as described.
    """
    check_probes(probes, fitted.similarity)
    if len(probes) and probes.shape[1] != len(fitted.gallery_mean):
        raise ValueError(
            f'the probes have length {probes.shape[1]}, '
            f'templates that were fitted {len(fitted.gallery_mean)}'
        )
    naive = [name for name in decisions_of(fitted) if name not in (*ADAPTIVE, 'best')]
    learning = [name for name in decisions_of(fitted) if name in ADAPTIVE]
    scored = _Scored(probes, gallery, people, fitted, naive)
    best = search(probes, scored, similarity=fitted.similarity)
    further, enrolled = search_learned(probes, adaptive or gallery, people, fitted, learning)
    return best, scored.scores | further, enrolled


def search_learned(
    probes: NDArray[np.float32],
    gallery: Gallery,
    people: Sequence[str],
    fitted: Fit,
    names: Sequence[str],
) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.bool_]]:
    """Score every probe (p, d) against every scan under some decisions, named ``names``.

    Parameters as for `search_all`. Returns scores (p, n_scans) of each decision, NaN for a scan
    without features, and whether each scan has any, (n_scans,).
    """
    scored = _Scored(probes, gallery, people, fitted, names)
    enrolled = np.array([len(scored[scan]) > 0 for scan in range(len(scored))], dtype=bool)
    return scored.scores, enrolled


class _Scored:
    """A gallery whose templates are scored by some decisions as they are read."""

    def __init__(
        self,
        probes: NDArray[np.float32],
        gallery: Gallery,
        people: Sequence[str],
        fitted: Fit,
        names: Sequence[str],
    ) -> None:
        self._probes, self._gallery, self._people = probes, gallery, people
        made = names if len(probes) else ()
        self._decisions = {name: DECISIONS[name](fitted, probes) for name in made}
        self.scores = {
            name: np.full((len(probes), len(gallery)), np.nan, np.float32) for name in names
        }

    def __len__(self) -> int:
        return len(self._gallery)

    def __getitem__(self, scan: int) -> NDArray[np.float32]:
        features = checked_template(self._gallery, scan, self._probes)
        if len(features):
            check_finite(features, scan)
            for name, decision in self._decisions.items():
                self.scores[name][:, scan] = decision.scores(features, self._people[scan])
        return features


class _Compared:
    """Probes (p, d) to be compared with one vector after the other, as `probe_scores` would."""

    def __init__(self, probes: NDArray[np.float64], similarity: Similarity) -> None:
        self._cosine = similarity == 'cosine'
        self._probes = unit_length(probes) if self._cosine else probes

    def with_(self, row: NDArray[np.float64]) -> NDArray[np.float32]:
        """Score every probe against a vector (d,), shape (p,)."""
        if self._cosine:
            return np.clip(_row_sums(self._probes, unit_length(row[None])[0]), -1, 1).astype(
                np.float32
            )
        scores = np.empty(len(self._probes), np.float32)
        for block in _blocks(len(scores)):
            scores[block] = -np.sqrt(np.square(self._probes[block] - row).sum(axis=1))
        return scores


def _row_sums(probes: NDArray[np.float64], row: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inner product of every probe (p, d) with a vector, the same whatever the other probes.

    A matrix product would be faster, and give other last bits with other probes.
    """
    sums = np.empty(len(probes))
    for block in _blocks(len(probes)):
        sums[block] = (probes[block] * row).sum(axis=1)
    return sums


def _blocks(n: int) -> list[slice]:
    return [slice(first, first + _BLOCK) for first in range(0, n, _BLOCK)]
