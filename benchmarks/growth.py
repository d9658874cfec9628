"""How often the interval of an extrapolated rank-1 rate holds the truth.

Scores follow known laws, so that the true rate in a gallery of any size is known. Each repeat
draws 400 people, fits on a random quarter of them, and predicts the rate among all 400 and among
10^3 to 10^7 people.

    python -m benchmarks.growth [--repeats R] [--people N] [--law NAME ...]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from bids_reid.risk.growth import extrapolate
from bids_reid.risk.identification import Searches

SIZES = (400, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)
N_TRUTH = 200_000


@dataclass(frozen=True, slots=True)
class Law:
    """Scores of everybody with everybody, and the truth.

    ``scores(rng, n)`` gives (n, n), the mated on the diagonal; ``exceed(rng, n)`` gives, of n new
    probes, the probability that a random non-mated person scores as high as the mated one.
    """

    scores: Callable[[np.random.Generator, int], np.ndarray]
    exceed: Callable[[np.random.Generator, int], np.ndarray]


def located(nonmated: object, mean: float, spread: float) -> Law:
    """Independent non-mated scores of one law, normal mated ones; each probe its own units."""

    def scores(rng: np.random.Generator, n: int) -> np.ndarray:
        result = nonmated.rvs(size=(n, n), random_state=rng)
        np.fill_diagonal(result, rng.normal(mean, spread, n))
        return result * rng.uniform(0.5, 2, (n, 1)) + rng.normal(0, 3, (n, 1))

    def exceed(rng: np.random.Generator, n: int) -> np.ndarray:
        return nonmated.sf(rng.normal(mean, spread, n))

    return Law(scores, exceed)


def vectors(dimension: int, photo: float, scan: float, wide: float = 0.0) -> Law:
    """Feature vectors: people are normal, photographs and scans are off by some noise.

    The score is minus the distance, so that a person's scores depend on each other and on how
    unusual the person is. The noise of a photograph varies with ``wide``.
    """

    def features(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        people = rng.normal(size=(n, dimension))
        noise = photo * np.exp(wide * rng.normal(size=(n, 1)))
        return (
            people + noise * rng.normal(size=people.shape),
            people + scan * rng.normal(size=people.shape),
        )

    def scores(rng: np.random.Generator, n: int) -> np.ndarray:
        probes, scans = features(rng, n)
        square = (probes**2).sum(1)[:, None] - 2 * probes @ scans.T + (scans**2).sum(1)
        return -np.sqrt(square)

    def exceed(rng: np.random.Generator, n: int) -> np.ndarray:
        probes, scans = features(rng, n)
        variance = 1 + scan**2
        near = ((probes - scans) ** 2).sum(1) / variance
        return stats.ncx2.cdf(near, dimension, (probes**2).sum(1) / variance)

    return Law(scores, exceed)


LAWS = {
    'normal, far': located(stats.norm(), 5, 1.5),
    'normal, near': located(stats.norm(), 2.5, 1),
    'normal, apart': located(stats.norm(), 9, 1),
    'logistic': located(stats.logistic(scale=0.55), 6, 2),
    'Student 5': located(stats.t(5), 7, 3),
    'bounded': located(stats.beta(4, 4, loc=-3, scale=6), 2.6, 0.4),
    'vectors 16': vectors(16, 0.6, 0.3),
    'vectors 64': vectors(64, 1.0, 0.5),
    'vectors 128, uneven': vectors(128, 1.5, 0.7, 0.3),
}


def searches_of(scores: np.ndarray) -> Searches:
    """Everybody once on a photograph and once in a scan."""
    people = tuple(f'{number:05}' for number in range(len(scores)))
    everyone = np.ones(len(people), dtype=bool)
    return Searches(scores.astype(np.float32), people, people, everyone, people, everyone)


def true_rates(law: Law, seed: int = 1) -> np.ndarray:
    """Rank-1 rates among ``SIZES`` people, the mean over many new probes."""
    p = law.exceed(np.random.default_rng(seed), N_TRUTH)
    return np.array([np.exp((size - 1) * np.log1p(-p)).mean() for size in SIZES])


def repeat(law: Law, n_people: int, seed: int) -> tuple[np.ndarray, float]:
    """Rates and interval ends, (3, n_sizes), predicted from a quarter; the rate among all."""
    rng = np.random.default_rng(seed)
    scores = law.scores(rng, n_people)
    quarter = rng.permutation(n_people)[: n_people // 4]
    curve = extrapolate(searches_of(scores[np.ix_(quarter, quarter)]), SIZES, seed=seed)
    nonmated = scores - np.diag(np.full(n_people, np.inf))
    return np.array(curve), float((np.diag(scores) > nonmated.max(axis=1)).mean())


def main() -> None:
    """Print, per law and size, the truth, the mean prediction and interval, and the coverage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--repeats', type=int, default=100)
    parser.add_argument('--people', type=int, default=400)
    parser.add_argument('--law', nargs='+', choices=list(LAWS), default=list(LAWS))
    arguments = parser.parse_args()
    print('law\tn_gallery\ttruth\tpredicted\tci_low\tci_high\tcovered\trealised_covered')
    for name in arguments.law:
        law, truth = LAWS[name], true_rates(LAWS[name])
        runs = [repeat(law, arguments.people, seed) for seed in range(arguments.repeats)]
        curves = np.array([curve for curve, _ in runs])
        realised = np.array([rate for _, rate in runs])
        covered = ((curves[:, 1] <= truth) & (truth <= curves[:, 2])).mean(axis=0)
        of_all = ((curves[:, 1, 0] <= realised) & (realised <= curves[:, 2, 0])).mean()
        for number, size in enumerate(SIZES):
            rate, low, high = curves[:, :, number].mean(axis=0)
            beside = f'{of_all:.2f}' if number == 0 else 'n/a'
            print(
                f'{name}\t{size}\t{truth[number]:.3f}\t{rate:.3f}\t{low:.3f}\t{high:.3f}\t'
                f'{covered[number]:.2f}\t{beside}',
                flush=True,
            )


if __name__ == '__main__':
    main()
