"""Is one attack, or one condition, really different from another? Paired on the same people.

All comparisons are of the rank-1 identification of the same participants under two attacks that
differ in one thing only: condition, modality, extractor or decision.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import combinations

import numpy as np

from bids_reid.records import AttackKey, Score
from bids_reid.risk.intervals import wilson

Outcomes = Mapping[AttackKey, Sequence[Score]]
"""Results of `mated_ranks` with the unit ``participant``, per attack."""

FACTORS = tuple(entry.name for entry in fields(AttackKey))


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """A row of ``group_comparisons.tsv``; fields are its columns, ``None`` is ``n/a``.

    ``a`` and ``b`` are what the factor was; ``None`` in the column of the factor itself.
    """

    factor: str
    condition: str | None
    modality: str | None
    extractor: str | None
    decision: str | None
    a: str
    b: str
    n_people: int
    n_a: int
    n_b: int
    n_only_a: int
    n_only_b: int
    rate_a: float
    rate_b: float
    difference: float
    ci_low: float
    ci_high: float
    relative_reduction: float | None
    p: float
    p_holm: float
    n_tests: int


def comparison_rows(outcomes: Outcomes, factors: Sequence[str] = FACTORS) -> list[ComparisonRow]:
    """Compare all attacks that differ in one factor, by the exact McNemar test.

    McNemar's test asks whether those found under ``a`` only are as many as those found under ``b``
    only; exact means by the binomial law (Fay & Lumbard, Stat. Med. 40:1147-1159, 2021). P-values
    are adjusted after Holm (Scand. J. Stat. 6:65-70, 1979) for all tests of the same factor.

    Parameters
    ----------
    outcomes
        Participants' results per attack. Those who were searched under both are compared,
        failures among them, as not identified.
    factors
        What to compare.

    Returns
    -------
    Rows ordered by factor, then as in ``outcomes``. ``difference`` is rate_a - rate_b;
    ``relative_reduction`` is what share of the risk under ``a`` is gone under ``b``, ``None`` if
    there was none.
    """
    identified = {
        attack: {result.participant: result.rank == 1 for result in results}
        for attack, results in outcomes.items()
    }
    rows: list[ComparisonRow] = []
    for factor in factors:
        family = [
            _compare(factor, first, second, identified[first], identified[second])
            for first, second in _pairs(list(identified), factor)
            if identified[first].keys() & identified[second].keys()
        ]
        adjusted = holm([row.p for row in family])
        rows += [
            replace(row, p_holm=p, n_tests=len(family))
            for row, p in zip(family, adjusted, strict=True)
        ]
    return rows


def _pairs(attacks: Sequence[AttackKey], factor: str) -> Iterator[tuple[AttackKey, AttackKey]]:
    """Pairs that differ in the factor and in nothing else."""
    for first, second in combinations(attacks, 2):
        one, other = asdict(first), asdict(second)
        if [name for name in one if one[name] != other[name]] == [factor]:
            yield first, second


def _compare(
    factor: str,
    first: AttackKey,
    second: AttackKey,
    found_a: Mapping[str, bool],
    found_b: Mapping[str, bool],
) -> ComparisonRow:
    from scipy import stats

    people = sorted(found_a.keys() & found_b.keys())
    a = np.array([found_a[person] for person in people])
    b = np.array([found_b[person] for person in people])
    n, only_a, only_b = len(people), int((a & ~b).sum()), int((b & ~a).sum())
    low, high = paired_interval(int((a & b).sum()), only_a, only_b, int((~a & ~b).sum()))
    discordant = only_a + only_b
    p = float(stats.binomtest(only_a, discordant).pvalue) if discordant else 1.0
    shared = {name: value for name, value in asdict(first).items() if name != factor}
    return ComparisonRow(
        **{factor: None, **shared},
        factor=factor,
        a=getattr(first, factor),
        b=getattr(second, factor),
        n_people=n,
        n_a=int(a.sum()),
        n_b=int(b.sum()),
        n_only_a=only_a,
        n_only_b=only_b,
        rate_a=float(a.mean()),
        rate_b=float(b.mean()),
        difference=(only_a - only_b) / n,
        ci_low=low,
        ci_high=high,
        relative_reduction=1 - int(b.sum()) / int(a.sum()) if a.any() else None,
        p=p,
        p_holm=p,
        n_tests=1,
    )


def paired_interval(
    both: int, only_a: int, only_b: int, neither: int, z: float | None = None
) -> tuple[float, float]:
    """95% interval of the difference of two rates of the same people, rate a - rate b.

    Newcombe's method 10 (Stat. Med. 17:2635-2650, 1998): Wilson's intervals of both rates,
    combined with the correlation of the two outcomes, continuity corrected if it is positive.

    Parameters
    ----------
    both, only_a, only_b, neither
        People found under both, one, or neither.
    z
        Quantile of the normal distribution; that of a 95% interval by default.

    Raises
    ------
    ValueError
        Without people.
    """
    n = both + only_a + only_b + neither
    if n == 0:
        raise ValueError('there is nobody to compare')
    rates = np.array([both + only_a, both + only_b]) / n
    low, high = wilson(rates, n, z)
    below, above = rates - low, high - rates
    margins = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    product = both * neither - only_a * only_b
    corrected = max(product - n / 2, 0.0) if product > 0 else product
    phi = corrected / np.sqrt(margins) if margins else 0.0
    difference = rates[0] - rates[1]
    down = below[0] ** 2 - 2 * phi * below[0] * above[1] + above[1] ** 2
    up = below[1] ** 2 - 2 * phi * below[1] * above[0] + above[0] ** 2
    return float(difference - np.sqrt(max(down, 0.0))), float(difference + np.sqrt(max(up, 0.0)))


def holm(p: Sequence[float]) -> list[float]:
    """P-values adjusted for all of them after Holm (1979), in the order given."""
    values = np.asarray(p, np.float64)
    order = np.argsort(values, kind='stable')
    factors = len(values) - np.arange(len(values))
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1)
    return [float(value) for value in adjusted]
