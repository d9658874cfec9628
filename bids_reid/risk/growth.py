"""The rank-1 rate in smaller and in larger galleries than the one that was searched.

Smaller: for a probe with m non-mated people at or above its mated score, among N - 1, the
probability that none of them is drawn into a gallery of g people is hypergeometric. No sampling is
needed.

Larger: a probe that is found among N people is still found among G if none of the G - N further
people scores as high as the mated one, (1 - p)^(G - N). Its p lies below what a count can show, so
it is read off a model of the non-mated scores' upper tail (`bids_reid.risk.tails`). These are
standardised probe by probe, since each photograph has its own mean and spread, and pooled.

The interval holds the uncertainty of the tail and that of having searched with few people; the
first grows with the distance from the data. `benchmarks/growth.py` measures how often the truth is
inside, also for scores that depend on the other photographs, as those corrected for hubs do.

What is predicted is the attack as it is: one that learns from the run (its means, its whitening)
would learn a little better from more people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bids_reid.records import AttackKey
from bids_reid.risk.identification import Probe, Searches, mated_ranks, probes
from bids_reid.risk.intervals import CONFIDENCE, wilson
from bids_reid.risk.tails import NODE_WEIGHTS, NODES, Tail, draw_tails

LARGE_GALLERIES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
STEPS = (1, 2, 5)
MIN_PEOPLE = 20
MIN_PROBES = 10
N_DRAWS = 500
PROBES_AT_ONCE = 200
TINY = 1e-9
N_EXCEEDANCES = 500
MAX_TAIL = 0.1
MAX_BODY = 1_000_000
MAX_TIED = 0.2
"""If more of a probe's non-mated scores are equal, mean and spread say little about the others.

Measured with scores of 0 or 3 and more, four fifths of them 0 (keypoints that mostly agree in
nothing): fitted on 100 of 400 people the rate was predicted 5 points too low.
"""
MAX_AT_CEILING = 0.2
"""Share of the searches in which the best of the others ties with the right person.

Scores that end at a value, as a matcher's that saturates do, have a heap there and no tail beyond.
Measured with such scores, fitted on 100 of 400 people: with ties in 16% of the searches all of 12
intervals held the rate, with ties in 75% only 5, all others lying too high.
"""


@dataclass(frozen=True, slots=True)
class GrowthRow:
    """A row of ``group_growth.tsv``; fields are its columns, ``None`` is ``n/a``."""

    condition: str
    modality: str
    extractor: str
    decision: str
    n_gallery: int
    measured: str
    n_probes: int
    n_found: int
    n_people: int
    rate: float | None
    ci_low: float | None
    ci_high: float | None
    chance: float
    seed: int | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class _Spread:
    """Mean and spread of the non-mated scores of each probe, (n_probes,), for standardising."""

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    kept: float
    common: float
    n_others: int
    noise: float

    def doubt(self, standard: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standard error of standardised scores, from those of mean and spread."""
        return np.sqrt(np.pi / 2 / self.n_others + self.kept * self.noise * standard**2)


def growth_rows(
    searches: Searches, attack: AttackKey, *, seed: int = 0, sizes: Sequence[int] = LARGE_GALLERIES
) -> list[GrowthRow]:
    """Rank-1 rate against the number of people in the gallery, of the unit ``participant``.

    Parameters
    ----------
    searches
        Photographs and scans of one group.
    attack
        What the rows are about.
    seed
        Of the draws from the posterior; written into the extrapolated rows.
    sizes
        Galleries to extrapolate to; those not larger than the real one are left out.

    Returns
    -------
    Measured sizes (2, 5, 10, 20, ... and all), then extrapolated ones. Failures count as not
    found at every size. Without enough people to extrapolate from, or where many of the non-mated
    scores are the same or as high as the mated ones, rate is ``None`` and ``reason`` says why.
    """
    n_people = len(searches.gallery)
    results = mated_ranks(searches, 'participant')
    beaten = np.array([result.rank - 1 for result in results if result.rank], dtype=np.int64)
    n_probes = len(results)
    empty = GrowthRow(
        **asdict(attack),
        n_gallery=0,
        measured='yes',
        n_probes=n_probes,
        n_found=int((beaten == 0).sum()),
        n_people=n_people,
        rate=None,
        ci_low=None,
        ci_high=None,
        chance=1.0,
        seed=None,
        reason=None if n_probes else 'there is nobody to search for',
    )
    rows = []
    for size in measured_sizes(n_people):
        row = replace(empty, n_gallery=size, chance=1 / size)
        if n_probes:
            rate = float(subsampled(beaten, n_people, size).sum()) / n_probes
            low, high = (float(end) for end in wilson(rate, n_probes))
            row = replace(row, rate=rate, ci_low=low, ci_high=high)
        rows.append(row)
    larger = [size for size in sizes if size > n_people]
    reason = _too_little(n_people, len(beaten)) or _too_coarse(searches)
    curve = None if reason or not larger else extrapolate(searches, larger, seed=seed)
    reason = reason or 'all non-mated scores are equal, so their tail cannot be modelled'
    for number, size in enumerate(larger):
        row = replace(empty, n_gallery=size, chance=1 / size, measured='no', reason=reason)
        if curve is not None:
            rate, low, high = (float(values[number]) for values in curve)
            row = replace(row, rate=rate, ci_low=low, ci_high=high, seed=seed, reason=None)
        rows.append(row)
    return rows


def _too_little(n_people: int, n_searched: int) -> str | None:
    if n_people < MIN_PEOPLE:
        return f'fewer than {MIN_PEOPLE} people in the gallery'
    if n_searched < MIN_PROBES:
        return f'fewer than {MIN_PROBES} people searched for'
    return None


def _too_coarse(searches: Searches) -> str | None:
    """Why scores that are mostly one value cannot be modelled; nothing if they are not."""
    tied, at_ceiling = np.array(
        [
            (
                np.unique(probe.nonmated, return_counts=True)[1].max() / len(probe.nonmated),
                probe.nonmated.max() == np.float32(probe.mated),
            )
            for probe in _searched(searches)
        ]
    ).T
    if not tied.mean() < 1:
        return None
    if tied.mean() > MAX_TIED:
        return (
            f'{tied.mean():.0%} of the non-mated scores are equal, so their tail cannot be '
            'modelled'
        )
    if at_ceiling.mean() > MAX_AT_CEILING:
        return (
            f'in {at_ceiling.mean():.0%} of the searches another person scores exactly as high '
            'as the right person: the scores are too coarse or have reached their maximum, so '
            'their tail cannot be modelled'
        )
    return None


def measured_sizes(n_people: int) -> list[int]:
    """Sizes 2, 5, 10, 20, 50, ... below the number of people, and that number."""
    sizes = [step * 10**power for power in range(len(str(n_people))) for step in STEPS]
    return [size for size in sizes if 1 < size < n_people] + [n_people] * (n_people > 0)


def subsampled(beaten: NDArray[np.int64], n_people: int, size: int) -> NDArray[np.float64]:
    """Probability that each probe is found in a random smaller gallery that holds its mate.

    Parameters
    ----------
    beaten
        How many non-mated people score as high as the mated one or higher, (n_probes,).
    n_people
        Number of people that the smaller gallery is drawn from, the mated one among them.
    size
        People in the smaller gallery, 1 to ``n_people``.

    Returns
    -------
    Shape (n_probes,): C(n_people - 1 - m, size - 1) / C(n_people - 1, size - 1), the
    hypergeometric probability of drawing none of m.
    """
    from scipy import special

    def log_factorial(n: NDArray[np.int64] | int) -> NDArray[np.float64]:
        return special.gammaln(np.asarray(n, np.float64) + 1)

    others, drawn = n_people - 1, size - 1
    left = others - beaten
    possible = left >= drawn
    kept = np.where(possible, left, others)
    logarithm = (
        log_factorial(kept)
        - log_factorial(kept - drawn)
        - log_factorial(others)
        + log_factorial(others - drawn)
    )
    return np.where(possible, np.exp(logarithm), 0.0)


def extrapolate(
    searches: Searches, sizes: Sequence[int], *, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]] | None:
    """Predict the rank-1 rate (unit ``participant``) in larger galleries of the same kind.

    Parameters
    ----------
    searches
        At least ``MIN_PEOPLE`` people and ``MIN_PROBES`` searches, for a model to be had.
    sizes
        Numbers of people, not below that of the gallery.

    Returns
    -------
    Rates, lower and upper ends of 95% intervals, each (n_sizes,); ``None`` if the non-mated
    scores of the probes do not spread.
    """
    spread = _spreads(searches)
    if spread is None:
        return None
    mated, found, total = _standardised_mated(searches, spread)
    body, tail = _pooled_tail(searches, spread, seed)
    rng = np.random.default_rng(seed)
    kept = np.zeros((N_DRAWS, len(sizes)))
    n_people = len(searches.gallery)
    if found.any():
        draw = _tail_law(body, tail, rng)
        for first in range(0, len(mated), PROBES_AT_ONCE):
            some = slice(first, first + PROBES_AT_ONCE)
            standard = mated[some][found[some]]
            kept += _still_found(standard, spread.doubt(standard), draw, n_people, sizes)
    draws = kept / total
    # what else could have been found with as many people: Clopper and Pearson's ends, drawn
    lower = rng.beta(np.maximum(total * draws, TINY), total * (1 - draws) + 1)
    upper = rng.beta(total * draws + 1, np.maximum(total * (1 - draws), TINY))
    edge = (1 - CONFIDENCE) / 2
    rate = draws.mean(axis=0)
    # more people in the gallery never help; draws are finite
    low = np.minimum.accumulate(np.quantile(lower, edge, axis=0))
    high = np.minimum.accumulate(np.quantile(upper, 1 - edge, axis=0))
    return rate, np.minimum(low, rate), np.maximum(high, rate)


def _still_found(
    mated: NDArray[np.float64],
    doubt: NDArray[np.float64],
    draw: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    n_people: int,
    sizes: Sequence[int],
) -> NDArray[np.float64]:
    """How many of the probes found among ``n_people`` are found in larger galleries.

    A probe's mean and spread are known from its own scores only, and all people of a gallery meet
    the same error of them: the probability of being found is averaged over that error, given that
    the probe was found.

    Returns
    -------
    Shape (n_draws, n_sizes): expected numbers, one per drawn tail.
    """
    log_kept = np.stack([np.log1p(-draw(mated + node * doubt)) for node in NODES])
    logs = np.log(NODE_WEIGHTS)[:, None, None]
    reference = np.exp(logs + (n_people - 1) * log_kept).sum(axis=0)
    return np.stack(
        [
            (np.exp(logs + (size - 1) * log_kept).sum(axis=0) / reference).sum(axis=1)
            for size in sizes
        ],
        axis=1,
    )


def _searched(searches: Searches) -> Iterator[Probe]:
    return (probe for probe in probes(searches, 'participant') if probe.status == 'ok')


def _spreads(searches: Searches) -> _Spread | None:
    """Mean and spread of each probe's non-mated scores, the spread drawn towards the common one.

    The spread is the mean absolute deviation, which outliers move less than they move the standard
    deviation. With N scores x and mean absolute deviation 1, the variance of its logarithm is
    (var(x) - 1) / N; what the spreads differ by beyond that is kept (empirical Bayes).
    """
    n_others = len(searches.gallery) - 1
    mean, deviation, relative = np.array(
        [_moments(probe.nonmated.astype(np.float64)) for probe in _searched(searches)]
    ).T
    if not (deviation > 0).any():
        return None
    # a probe without any spread, as ORB has, is as spread as the least of the others
    logs = np.log(np.maximum(deviation, deviation[deviation > 0].min()))
    noise = float((np.mean(relative[deviation > 0]) - 1) / n_others)
    between = float(logs.var(ddof=1))
    kept = max(0.0, 1 - noise / between) if between > 0 else 0.0
    common = float(logs.mean())
    return _Spread(mean, np.exp(common + kept * (logs - common)), kept, common, n_others, noise)


def _moments(row: NDArray[np.float64]) -> tuple[float, float, float]:
    """Mean, mean absolute deviation, and variance over the square of that."""
    mean = row.mean()
    deviation = np.abs(row - mean).mean()
    relative = row.var() / deviation**2 if deviation > 0 else np.pi / 2
    return float(mean), float(deviation * np.sqrt(len(row) / (len(row) - 1))), float(relative)


def _standardised_mated(
    searches: Searches, spread: _Spread
) -> tuple[NDArray[np.float64], NDArray[np.bool_], int]:
    """Mated scores in spreads from the mean of their probe, whether found, number of probes."""
    mated, found, total = [], [], 0
    for probe in probes(searches, 'participant'):
        total += 1
        if probe.status == 'ok':
            mated.append(probe.mated)
            found.append(not (probe.nonmated >= np.float32(probe.mated)).any())
    standard = (np.array(mated) - spread.mean) / spread.deviation
    return standard, np.array(found, dtype=bool), total


def _standardised(row: NDArray[np.float32], number: int, spread: _Spread) -> NDArray[np.float64]:
    """Non-mated scores in spreads from their mean, both made without the score itself.

    So they are off as the mated score is. Measured with the mean and spread that it helped to
    make, an outlier would look less far out.
    """
    n = len(row)
    centred = row.astype(np.float64) - spread.mean[number]
    size = np.abs(centred)
    without = (size.sum() - size) / (n - 1) * np.sqrt(n / (n - 1))
    logs = np.log(np.maximum(without, np.exp(spread.common) * 1e-3))
    deviation = np.exp(spread.common + spread.kept * (logs - spread.common))
    return centred * (n / (n - 1)) / deviation


def _pooled_tail(
    searches: Searches, spread: _Spread, seed: int
) -> tuple[NDArray[np.float64], Tail]:
    """A sorted sample of all standardised non-mated scores, and all of those in their tail."""
    n_rows, n_others = len(spread.mean), len(searches.gallery) - 1
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(n_rows)[: max(1, MAX_BODY // n_others)]
    sampled = set(chosen.tolist())
    body = np.sort(
        np.concatenate(
            [
                _standardised(probe.nonmated, number, spread)
                for number, probe in enumerate(_searched(searches))
                if number in sampled
            ]
        )
    )
    total = n_rows * n_others
    share = min(MAX_TAIL, max(N_EXCEEDANCES / total, 20 / len(body)))
    threshold = float(np.quantile(body, 1 - share))
    values, by_row, by_column = [], [], np.zeros(len(searches.gallery))
    for number, probe in enumerate(_searched(searches)):
        row = _standardised(probe.nonmated, number, spread)
        above = np.flatnonzero(row > threshold)
        values.append(row[above] - threshold)
        by_row.append(len(above))
        by_column[above + (above >= probe.column)] += 1
    exceedances = np.sort(np.concatenate(values))
    weakening = _dispersion(np.array(by_row)) + _dispersion(by_column) - 1
    return body, Tail(
        threshold,
        len(exceedances) / total,
        exceedances,
        # each pair of people was compared twice, with the photograph of either
        len(exceedances) / max(1.0, weakening) / 2,
        spread.doubt,
    )


def _dispersion(counts: NDArray[np.float64]) -> float:
    """Variance of counts over their mean: 1 if nobody draws more look-alikes than others."""
    return float(counts.var(ddof=1) / counts.mean()) if counts.sum() and len(counts) > 1 else 1.0


def _tail_law(
    body: NDArray[np.float64], tail: Tail, rng: np.random.Generator
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Draw laws of the standardised non-mated scores.

    Returns
    -------
    Function of standardised scores (n,) to the probability that a further person scores as high,
    under each drawn law, (N_DRAWS, n).
    """
    beyond = draw_tails(tail, rng, N_DRAWS)

    def probability(standard: NDArray[np.float64]) -> NDArray[np.float64]:
        at_least = (len(body) - np.searchsorted(body, standard)) / len(body)
        p = np.tile(at_least, (N_DRAWS, 1))
        outside = standard > tail.threshold
        p[:, outside] = beyond(standard[outside] - tail.threshold)
        return np.clip(p, 0, 1 - 1e-12)

    return probability
