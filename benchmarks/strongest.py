"""How often the interval of the strongest of many attacks holds the truth.

People are drawn, each is recognised by each attack with a known probability, the attack that
recognises most is picked, and its rate is quoted with an interval. Two truths are asked for:

- ``picked``: the true rate of the attack that was picked;
- ``largest``: the largest true rate of all attacks, which is how many could be recognised.

The attacks are independent, agree more or less (a Gaussian copula), or are all the same; all have
the same true rate, or one has three times the odds of the others. Intervals:

- ``exact``: what page and gate quote (`bids_reid.risk.attacks.headline_interval`);
- ``wilson``: Wilson's, as if no other attack had been tried;
- ``wilson_bonferroni``: Wilson's with Bonferroni's quantile, which was quoted before;
- ``max_t`` (10 attacks, equal rates): Wilson's with the quantile of the largest studentised
  deviation of all attacks in 400 bootstrap samples of people, which takes from the data how much
  attacks agree;
- ``max_t_exact``: the same idea with exact limits: the lower one's tail is the 2.5% quantile of
  the least p-value of all attacks in bootstrap samples.

With ``--reduction`` the same people are attacked before and after, and the change of the attack
that recognised most before is quoted with Newcombe's interval and McNemar's test, as if alone and
with both for all attacks (`bids_reid.risk.pairing.for_all_attacks`).

    python -m benchmarks.strongest [--runs R] [--people N ...] [--attacks N ...] [--reduction]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy import special, stats

from bids_reid.risk.attacks import headline_interval
from bids_reid.risk.comparisons import paired_interval
from bids_reid.risk.intervals import exact_high, exact_low, normal_quantile, wilson

RATES = ('chance', 0.05, 0.5, 0.95)
AGREEMENT = (0.0, 0.5, 0.9, 1.0)
"""Correlation of the normal variables behind the outcomes; 1: the same people are recognised."""
ODDS = 3
MAX_T_ATTACKS = 10
MAX_T_RUNS = 1000
N_RESAMPLES = 400
COLUMNS = (
    'n_attacks\tn_people\trate\tbest_rate\tagreement\tinterval\tn_runs\tcovers_picked\t'
    'covers_largest\thigh_covers_largest\tlow_covers_largest\tlow_above_chance\tmean_low\tmean_high'
)

CHANGES = ((None, None), (0.5, 0.5), (0.7, 0.3), (0.3, 0.05), (0.95, None))
"""Rates before and after; ``None`` is chance."""
REDUCTION_COLUMNS = (
    'n_attacks\tn_people\trate_before\trate_after\tagreement\tinterval\tn_runs\tcovered\t'
    'low_above\thigh_below\tp_below_0.05\tmean_low\tmean_high'
)

Ends = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, slots=True)
class Cell:
    """True rates of the attacks, and how much they agree."""

    n_people: int
    rates: tuple[float, ...]
    agreement: float


def cells(people: list[int], attacks: list[int]) -> Iterator[Cell]:
    """All combinations that differ; a single attack agrees with itself."""
    for n, k, named in product(people, attacks, RATES):
        rate = 1 / n if named == 'chance' else float(named)
        odds = ODDS * rate / (1 - rate)
        for best in (rate, odds / (1 + odds))[: 2 if k > 1 else 1]:
            for agreement in AGREEMENT if k > 1 else (0.0,):
                yield Cell(n, (best, *(rate,) * (k - 1)), agreement)


def recognised(cell: Cell, n_runs: int, rng: np.random.Generator) -> np.ndarray:
    """Whether each attack recognises each person, (n_runs, n_people, n_attacks)."""
    shape = (n_runs, cell.n_people, len(cell.rates))
    common = rng.standard_normal((*shape[:2], 1), dtype=np.float32)
    latent = np.sqrt(cell.agreement, dtype=np.float32) * common
    if cell.agreement < 1:
        own = rng.standard_normal(shape, dtype=np.float32)
        latent = latent + np.sqrt(1 - cell.agreement, dtype=np.float32) * own
    return latent < special.ndtri(np.array(cell.rates)).astype(np.float32)


def resampled_counts(found: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Recognised people in bootstrap samples, (n_resamples, n_runs, n_attacks)."""
    n_runs, n, k = found.shape
    weights = rng.multinomial(n, np.full(n, 1 / n), size=N_RESAMPLES).astype(np.float32)
    by_person = found.transpose(1, 0, 2).reshape(n, -1).astype(np.float32)
    return (weights @ by_person).reshape(N_RESAMPLES, n_runs, k)


def max_t(counts: np.ndarray, resampled: np.ndarray, n: int) -> Ends:
    """Wilson's interval of the largest rate with a bootstrapped quantile of all, (n_runs,)."""
    rates = counts / n
    error = np.sqrt(rates * (1 - rates) / n)
    deviation = np.abs(resampled / n - rates) / np.where(error > 0, error, np.inf)
    quantile = np.quantile(deviation.max(axis=2), 0.95, axis=0)
    quantile = np.maximum(quantile, normal_quantile())
    ends = [wilson(p, n, z) for p, z in zip(rates.max(axis=1), quantile, strict=True)]
    low, high = np.array(ends, dtype=np.float64).T
    return low, high


def max_t_exact(counts: np.ndarray, resampled: np.ndarray, n: int) -> Ends:
    """Exact limits; the lower one's tail is that of the least of all bootstrapped p-values."""
    every = np.arange(n + 1)
    p_values = special.bdtrc(every - 1.0, n, every[:, None] / n)
    least = p_values[counts, np.rint(resampled).astype(int)].min(axis=2)
    tail = np.clip(np.quantile(least, 0.025, axis=0), 0.025 / counts.shape[1], 0.025)
    best = counts.max(axis=1)
    low = [exact_low(x, n, t) for x, t in zip(best, tail, strict=True)]
    return np.array(low), exact_high(best, n, 0.025)


def intervals(
    found: np.ndarray, rng: np.random.Generator, *, bootstrap: bool
) -> Iterator[tuple[str, Ends]]:
    """Ends of each kind of interval, (n_runs,)."""
    n, k = found.shape[1:]
    best = found.sum(axis=1).max(axis=1)
    kinds: dict[str, Callable[[], Ends]] = {
        'exact': lambda: headline_interval(best, n, n, k),
        'wilson': lambda: wilson(best / n, n),
        'wilson_bonferroni': lambda: wilson(best / n, n, normal_quantile(1 - 0.05 / k)),
    }
    for name, ends in kinds.items():
        yield name, ends()
    if bootstrap:
        some = found[:MAX_T_RUNS]
        counts, resampled = some.sum(axis=1), resampled_counts(some, rng)
        yield 'max_t', max_t(counts, resampled, n)
        yield 'max_t_exact', max_t_exact(counts, resampled, n)


def lines(cell: Cell, n_runs: int, rng: np.random.Generator) -> Iterator[str]:
    """Coverage of each interval in one cell."""
    found, rates = recognised(cell, n_runs, rng), np.array(cell.rates)
    picked = rates[found.sum(axis=1).argmax(axis=1)]
    largest, equal = rates.max(), len(set(cell.rates)) == 1
    bootstrap = equal and len(rates) == MAX_T_ATTACKS
    for name, (low, high) in intervals(found, rng, bootstrap=bootstrap):
        truth = picked[: len(low)]
        numbers = (
            ((low <= truth) & (truth <= high)).mean(),
            ((low <= largest) & (largest <= high)).mean(),
            (largest <= high).mean(),
            (low <= largest).mean(),
            (low > 1 / cell.n_people).mean(),
            low.mean(),
            high.mean(),
        )
        yield '\t'.join(
            [
                f'{len(rates)}\t{cell.n_people}\t{rates[-1]:.4f}\t{largest:.4f}',
                f'{cell.agreement:g}\t{name}\t{len(low)}',
                *(f'{number:.4f}' for number in numbers),
            ]
        )


def reduction_lines(n: int, k: int, n_runs: int, rng: np.random.Generator) -> Iterator[str]:
    """Coverage and share of p below 0.05 of the change of the attack strongest before."""
    for (first, last), agreement in product(CHANGES, AGREEMENT[:3]):
        before, after = (1 / n if rate is None else rate for rate in (first, last))
        shape = (n_runs, n, k)
        latent = np.sqrt(agreement) * rng.standard_normal((n_runs, n, 1))
        latent = latent + np.sqrt(1 - agreement) * rng.standard_normal(shape)
        later = np.sqrt(agreement) * latent + np.sqrt(1 - agreement) * rng.standard_normal(shape)
        found = latent < special.ndtri(before), later < special.ndtri(after)
        best = found[0].sum(axis=1).argmax(axis=1)
        a, b = (side[np.arange(n_runs), :, best] for side in found)
        cells = np.stack([a & b, a & ~b, ~a & b, ~a & ~b]).sum(axis=2).T.tolist()
        # Holm's adjusted p of one of k attacks is k times p at most
        p = np.array([stats.binomtest(x, x + y).pvalue if x + y else 1 for _, x, y, _ in cells])
        for name, tests in (('alone', 1), ('all_attacks', k)):
            z = normal_quantile(1 - 0.05 / tests)
            low, high = np.array([paired_interval(*cell, z) for cell in cells]).T
            covered = (low <= before - after) & (before - after <= high)
            yield (
                f'{k}\t{n}\t{before:.4f}\t{after:.4f}\t{agreement:g}\t{name}\t{n_runs}\t'
                f'{covered.mean():.4f}\t{(low > before - after).mean():.4f}\t'
                f'{(high < before - after).mean():.4f}\t{(p * tests < 0.05).mean():.4f}\t'
                f'{low.mean():.4f}\t{high.mean():.4f}'
            )


def main() -> None:
    """Print a line per cell and interval."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--runs', type=int, default=4000)
    parser.add_argument('--people', type=int, nargs='+', default=[24, 60, 182])
    parser.add_argument('--attacks', type=int, nargs='+', default=[1, 4, 10, 20])
    parser.add_argument('--reduction', action='store_true', help='changes instead of rates')
    arguments = parser.parse_args()
    if arguments.reduction:
        print(REDUCTION_COLUMNS)
        for n, k in product(arguments.people, arguments.attacks):
            rng = np.random.default_rng([16, n, k])
            for line in reduction_lines(n, k, arguments.runs, rng):
                print(line, flush=True)
        return
    print(COLUMNS)
    for number, cell in enumerate(cells(arguments.people, arguments.attacks)):
        for line in lines(cell, arguments.runs, np.random.default_rng([16, number])):
            print(line, flush=True)


if __name__ == '__main__':
    main()
