"""How often the interval of an extrapolated rank-1 rate holds the truth.

Scores follow known laws, so that the true rate in a gallery of any size is known. Each repeat
draws 400 people, fits on a random quarter of them, and predicts the rate among all 400 and among
10^3 to 10^7 people. The laws ``fused`` and ``adapted`` are those of the decisions that correct
for hubs: cosines of one network or the sum of two, standardised and weighted, each less half the
mean of the three highest cosines of the scan with any photograph of the run. A score then depends
on who else was photographed: the quarter is scored without the others, and their truth is counted
in crowds of up to 10^4 people.

With ``--scores FOLDER`` scores of real searches are taken instead: each ``*.npz`` holds
``scores`` (n_photographs, n_people), ``owners``, the column of whoever is on each photograph
(n_photographs,); several photographs of a person count by the mean of their scores, or the
highest with ``pooling`` ('max'). Each repeat predicts from 60 of the people the rate among all,
and is compared with the one counted; repeats that a run would refuse to model are counted apart.

    python -m benchmarks.growth [--repeats R] [--people N] [--law NAME ...]
    python -m benchmarks.growth --scores FOLDER [--repeats R] [--fitted N]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from bids_reid.match.decisions import HUB_PROBES, REFERENCE_PROBES
from bids_reid.records import AttackKey
from bids_reid.risk.growth import extrapolate, growth_rows
from bids_reid.risk.identification import Pooling, Searches
from bids_reid.risk.pairing import restrict

SIZES = (400, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)
N_TRUTH = 200_000
SCORED_COLUMNS = (
    'scores\tn_people\tn_fitted\trepeats\tcounted\tpredicted\tci_low\tci_high\tcovered\trefused\t'
    'reason'
)
N_COUNTED = 20_000
MAX_COUNTED = 10_000


Crowd = Callable[[np.ndarray], np.ndarray]
"""Some of the people (k,) to their scores with each other, (k, k), the mated on the diagonal."""


@dataclass(frozen=True, slots=True)
class Law:
    """Scores of everybody with everybody, and the truth.

    ``crowd(rng, n)`` draws n people. ``exceed(rng, n)`` gives, of n new probes, the probability
    that a random non-mated person scores as high as the mated one; ``None`` if that depends on
    the others, and the truth has to be counted.
    """

    crowd: Callable[[np.random.Generator, int], Crowd]
    exceed: Callable[[np.random.Generator, int], np.ndarray] | None


def among(scores: np.ndarray) -> Crowd:
    """Scores that do not depend on who else is there."""
    return lambda some: scores[np.ix_(some, some)]


def located(nonmated: object, mean: float, spread: float) -> Law:
    """Independent non-mated scores of one law, normal mated ones; each probe its own units."""

    def crowd(rng: np.random.Generator, n: int) -> Crowd:
        result = nonmated.rvs(size=(n, n), random_state=rng)
        np.fill_diagonal(result, rng.normal(mean, spread, n))
        return among(result * rng.uniform(0.5, 2, (n, 1)) + rng.normal(0, 3, (n, 1)))

    def exceed(rng: np.random.Generator, n: int) -> np.ndarray:
        return nonmated.sf(rng.normal(mean, spread, n))

    return Law(crowd, exceed)


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

    def crowd(rng: np.random.Generator, n: int) -> Crowd:
        probes, scans = features(rng, n)
        square = (probes**2).sum(1)[:, None] - 2 * probes @ scans.T + (scans**2).sum(1)
        return among(-np.sqrt(square))

    def exceed(rng: np.random.Generator, n: int) -> np.ndarray:
        probes, scans = features(rng, n)
        variance = 1 + scan**2
        near = ((probes - scans) ** 2).sum(1) / variance
        return stats.ncx2.cdf(near, dimension, (probes**2).sum(1) / variance)

    return Law(crowd, exceed)


@dataclass(frozen=True, slots=True)
class Network:
    """One network: numbers per face, noise of photographs and scans, weight of its scores."""

    dimension: int
    photo: float
    scan: float
    weight: float = 1.0


def hub_corrected(
    probes: np.ndarray, scans: np.ndarray, reference: np.ndarray
) -> tuple[np.ndarray, float]:
    """Cosines less half the mean of the highest of each scan, and the spread of the non-mated."""
    scores = probes @ scans.T
    highest = np.partition(reference @ scans.T, -HUB_PROBES, axis=0)[-HUB_PROBES:]
    scores -= highest.mean(axis=0) / 2
    some = scores[: min(len(scores), 1000)]
    others = some[~np.eye(*some.shape, dtype=bool)]
    return scores, float(others.std())


def fused(*networks: Network, shared: float = 0.3) -> Law:
    """Scores that are corrected for hubs, standardised and added, as of `match.decisions.Adapted`.

    Each network sees people as normal vectors of its own, photographs and scans with noise that
    rises in ``shared`` for all networks alike: a poor photograph is poor for all. Up to
    `REFERENCE_PROBES` of the photographs say which scans are hubs.
    """

    def unit(rows: np.ndarray) -> np.ndarray:
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def crowd(rng: np.random.Generator, n: int) -> Crowd:
        poor = np.exp(shared * rng.normal(size=(n, 1)))
        sides = []
        for network in networks:
            people = rng.normal(size=(n, network.dimension))
            photo = network.photo * poor * rng.normal(size=people.shape)
            scan = network.scan * rng.normal(size=people.shape)
            sides.append((unit(people + photo), unit(people + scan)))

        def scores(some: np.ndarray) -> np.ndarray:
            total = np.zeros((len(some), len(some)), np.float32)
            for network, (photos, scans) in zip(networks, sides, strict=True):
                reference = photos[some[:REFERENCE_PROBES]]
                one, spread = hub_corrected(photos[some], scans[some], reference)
                total += np.float32(network.weight / spread) * one
            return total

        return scores

    return Law(crowd, None)


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
    'adapted 24': fused(Network(24, 1.2, 0.6)),
    'fused, near': fused(Network(20, 2.0, 0.8, 0.7), Network(24, 2.4, 0.8, 0.3)),
    'fused, middle': fused(Network(24, 1.4, 0.6, 0.7), Network(32, 2.0, 0.8, 0.3)),
    'fused, far': fused(Network(48, 1.3, 0.6, 0.55), Network(64, 1.6, 0.6, 0.45)),
    'fused, uneven': fused(Network(48, 2.0, 0.8, 0.7), Network(48, 2.4, 0.8, 0.3), shared=0.7),
}


def searches_of(scores: np.ndarray) -> Searches:
    """Everybody once on a photograph and once in a scan."""
    people = tuple(f'{number:05}' for number in range(len(scores)))
    everyone = np.ones(len(people), dtype=bool)
    return Searches(scores.astype(np.float32), people, people, everyone, people, everyone)


def true_rates(law: Law, seed: int = 1) -> np.ndarray:
    """Rank-1 rates among ``SIZES`` people; NaN beyond what can be counted."""
    rng = np.random.default_rng(seed)
    if law.exceed is not None:
        p = law.exceed(rng, N_TRUTH)
        return np.array([np.exp((size - 1) * np.log1p(-p)).mean() for size in SIZES])
    rates = []
    for size in SIZES:
        crowds = max(1, N_COUNTED // size) if size <= MAX_COUNTED else 0
        found = [counted_rate(law.crowd(rng, size)(np.arange(size))) for _ in range(crowds)]
        rates.append(np.mean(found) if found else np.nan)
    return np.array(rates)


def counted_rate(scores: np.ndarray) -> float:
    """Share of the people who are at rank 1."""
    mated = np.diag(scores).copy()
    np.fill_diagonal(scores, -np.inf)
    return float((mated > scores.max(axis=1)).mean())


def repeat(law: Law, n_people: int, seed: int) -> tuple[np.ndarray, float]:
    """Rates and interval ends, (3, n_sizes), predicted from a quarter; the rate among all."""
    rng = np.random.default_rng(seed)
    crowd = law.crowd(rng, n_people)
    quarter = rng.permutation(n_people)[: n_people // 4]
    curve = extrapolate(searches_of(crowd(quarter)), SIZES, seed=seed)
    return np.array(curve), counted_rate(crowd(np.arange(n_people)))


def searches_in(path: Path) -> Searches:
    """Read the scores of real searches; raises SystemExit if they are not as described."""
    with np.load(path) as file:
        scores, owners = file['scores'].astype(np.float32), file['owners']
        pooling: Pooling = 'max' if str(file.get('pooling', 'mean')) == 'max' else 'mean'
    integer = np.issubdtype(owners.dtype, np.integer)
    if not integer or owners.shape != scores.shape[:1] or not np.isfinite(scores).all():
        raise SystemExit(f'{path}: owners are no columns of finite scores')
    people = np.array([f'{number:05}' for number in range(scores.shape[1])])
    return Searches(
        scores=scores,
        photos=tuple(f'{number}' for number in range(len(scores))),
        photo_participants=tuple(people[owners]),
        acquired=np.ones(len(scores), dtype=bool),
        scan_participants=tuple(people),
        enrolled=np.ones(len(people), dtype=bool),
        pooling=pooling,
    )


def scored_line(searches: Searches, name: str, n_fitted: int, repeats: int) -> str:
    """Coverage of the rate that was counted, predicted from some of the people at a time."""
    attack, n_people = AttackKey('raw', 'T1w', name, 'x'), len(searches.gallery)
    counted = growth_rows(searches, attack, sizes=())[-1].rate or 0.0
    curves, reasons = [], set()
    for seed in range(repeats):
        some = np.zeros(n_people, dtype=bool)
        some[np.random.default_rng(seed).permutation(n_people)[:n_fitted]] = True
        row = growth_rows(restrict(searches, some), attack, seed=seed, sizes=(n_people,))[-1]
        if row.rate is None:
            reasons.add(row.reason or '')
        else:
            curves.append((row.rate, row.ci_low or 0.0, row.ci_high or 0.0))
    modelled = np.array(curves).reshape(-1, 3)
    means = [f'{value:.3f}' for value in modelled.mean(axis=0)] if curves else ['n/a'] * 3
    inside = (modelled[:, 1] <= counted) & (counted <= modelled[:, 2])
    covered = f'{inside.mean():.2f}' if curves else 'n/a'
    refused = repeats - len(curves)
    told = min(reasons, default='n/a')
    numbers = f'{name}\t{n_people}\t{n_fitted}\t{repeats}\t{counted:.3f}'
    return '\t'.join([numbers, *means, covered, str(refused), told])


def main() -> None:
    """Print, per law and size, the truth, the mean prediction and interval, and the coverage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--repeats', type=int, default=100)
    parser.add_argument('--people', type=int, default=400)
    parser.add_argument('--law', nargs='+', choices=list(LAWS), default=list(LAWS))
    parser.add_argument('--scores', type=Path, metavar='FOLDER')
    parser.add_argument('--fitted', type=int, default=60, help='people to predict from')
    arguments = parser.parse_args()
    if arguments.scores:
        print(SCORED_COLUMNS)
        for path in sorted(arguments.scores.glob('*.npz')):
            searches = searches_in(path)
            print(
                scored_line(searches, path.stem, arguments.fitted, arguments.repeats), flush=True
            )
        return
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
            known = not np.isnan(truth[number])
            print(
                name,
                size,
                f'{truth[number]:.3f}' if known else 'n/a',
                f'{rate:.3f}\t{low:.3f}\t{high:.3f}',
                f'{covered[number]:.2f}' if known else 'n/a',
                f'{of_all:.2f}' if number == 0 else 'n/a',
                sep='\t',
                flush=True,
            )


if __name__ == '__main__':
    main()
