"""Intervals of rates that stay honest at 0% and 100% and when people come several times.

Several photographs of one person are not independent. How much that costs is measured by a
bootstrap over participants, and expressed as the number of independent searches that would vary
as much: the effective sample size. Wilson's interval with that number is what is quoted. It is
never empty at 0 of n, where the percentile and BCa bootstraps are, and in comparisons of intervals
for clustered proportions Wilson's form with an effective sample size is recommended (Franco,
Little, Louis & Slud, J. Surv. Stat. Methodol. 7:334-364, 2019). That the effective sample size is
itself uncertain where people are few is paid for by Student's quantile (Korn & Graubard,
Surv. Methodol. 24:193-201, 1998).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONFIDENCE = 0.95
N_RESAMPLES = 1000
MAX_GROUPS = 500


def normal_quantile(confidence: float = CONFIDENCE) -> float:
    """Two-sided quantile of the normal distribution: 1.96 for 95%."""
    # takes long to import, which processes that count nothing should not pay
    from scipy import special

    return float(special.ndtri(0.5 + confidence / 2))


def wilson(
    rate: ArrayLike, n: ArrayLike, z: float | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wilson's score interval for any number of searches, also a fractional, effective one.

    Parameters
    ----------
    rate
        Proportions, any shape.
    n
        Numbers of independent searches, above 0, that broadcast with ``rate``.
    z
        Quantile of the normal distribution; that of a 95% interval by default.

    Returns
    -------
    Lower and upper ends, shape of ``rate``. Wilson, J. Am. Stat. Assoc. 22:209-212 (1927).
    """
    p, size = np.asarray(rate, np.float64), np.asarray(n, np.float64)
    square = (normal_quantile() if z is None else z) ** 2
    centre = (p + square / (2 * size)) / (1 + square / size)
    half = np.sqrt(square * (p * (1 - p) / size + square / (4 * size**2))) / (1 + square / size)
    # rounding must not push the ends past the rate at 0 and 1
    return np.clip(centre - half, 0, p), np.clip(centre + half, p, 1)


def exact_low(n_correct: ArrayLike, n: ArrayLike, tail: float) -> NDArray[np.float64]:
    """Lower limit of a proportion that is above the truth with a probability of ``tail`` at most.

    Clopper and Pearson's (Biometrika 26:404-413, 1934): the proportion with which so many
    successes or more have the probability ``tail``. It holds at any truth and for any ``tail``.
    Wilson's does not: at a truth of 1 of 60 its lower end is above it in 8% of samples instead
    of 2.5%, and of ten times smaller tails it misses more than that.

    Parameters
    ----------
    n_correct
        Numbers of successes, any shape.
    n
        Numbers of trials, above 0, that broadcast with ``n_correct``.
    tail
        Above 0 and below 1.
    """
    from scipy import special

    successes, trials = np.asarray(n_correct, np.float64), np.asarray(n, np.float64)
    failures = trials - successes
    limit = special.betaincinv(np.maximum(successes, 1), failures + 1, tail)
    return np.where(successes > 0, limit, 0.0)


def exact_high(n_correct: ArrayLike, n: ArrayLike, tail: float) -> NDArray[np.float64]:
    """Upper limit of a proportion that is below the truth with a probability of ``tail`` at most.

    The counterpart of `exact_low`, with its parameters.
    """
    successes, trials = np.asarray(n_correct, np.float64), np.asarray(n, np.float64)
    return np.asarray(1 - exact_low(trials - successes, trials, tail))


def resample(n_people: int, seed: int, n_resamples: int = N_RESAMPLES) -> NDArray[np.float64]:
    """How often each person is drawn in each resample of all of them.

    Returns
    -------
    Shape (n_resamples, n_people); every row sums to ``n_people``.
    """
    rng = np.random.default_rng(seed)
    share = np.full(n_people, 1 / n_people)
    return rng.multinomial(n_people, share, size=n_resamples).astype(np.float64)


def people_groups(n_people: int, seed: int) -> NDArray[np.intp]:
    """Put people into at most 500 random groups of equal size, to be resampled as wholes.

    This bounds the cost of a bootstrap over any number of people. Up to 500 people each is a
    group of one.

    Returns
    -------
    The group of each person, (n_people,).
    """
    groups = np.arange(n_people) % MAX_GROUPS
    if n_people > MAX_GROUPS:
        groups = np.random.default_rng(seed).permutation(groups)
    return groups


def effective_interval(
    rate: ArrayLike, replicates: NDArray[np.float64], n: int, n_people: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """95% interval of a rate from its variance over resampled people.

    Parameters
    ----------
    rate
        The observed rates, shape (...).
    replicates
        The rates of the resamples, shape (n_resamples, ...); NaN where one has none.
    n
        Number of searches. The interval is never narrower than that of n independent ones.
    n_people
        Number of people that were resampled. The fewer of them are on the rarer side of the rate,
        the less their variance can be trusted, and the more all searches of a person are taken as
        one; at a rate of 0 or 1 nothing varies, and they are.

    Returns
    -------
    Lower and upper ends, shape (...).
    """
    from scipy import stats

    p = np.asarray(rate, np.float64)
    if n_people < 2:
        return wilson(p, 1.0)
    variance = np.nanvar(replicates, axis=0) * n_people / (n_people - 1)
    with np.errstate(divide='ignore', invalid='ignore'):
        size = np.minimum(p * (1 - p) / variance, n)
    # resamples may vary around a rate of 0 or 1, where their own threshold does
    size = np.where((variance > 0) & (p * (1 - p) > 0), size, n)
    rarer = np.minimum(p, 1 - p) * n_people
    size = (rarer * size + 2 * np.minimum(size, n_people)) / (rarer + 2)
    student = stats.t.ppf(0.5 + CONFIDENCE / 2, n_people - 1)
    return wilson(p, size * (normal_quantile() / student) ** 2)
