"""How rare scores beyond the highest ones that were seen are.

Two families of tails compete, since far from the data a family is an assumption:

- the generalised Pareto law, limit law of exceedances of a threshold (Pickands, Ann. Stat.
  3:119-131, 1975);
- the generalised Weibull tail, in which the quantile is a power of the logarithm of the exceedance
  probability (de Valk, Extremes 19:25-60, 2016): normal scores have it with power 1/2, and the
  Pareto law approaches them slowly.

Their parameters are drawn from the posterior on a grid, with a likelihood weakened as much as
scores of the same people depend on each other. Observed scores are off by some error; the families
are those of the true ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
N_BINS = 60
SPREAD = np.geomspace(0.4, 2.5, 33)
PARETO_SHAPE = np.linspace(-0.6, 0.6, 41)
# in place of 0, so that rates stay as they were
PARETO_SHAPE[20] = 1e-6
WEIBULL_POWER = np.geomspace(0.15, 3, 41)
# standard deviation of what the families leave out, as a share of the distance in log probability
MISFIT = 0.15
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(7)
NODES: Array = _NODES
"""Nodes, in standard errors, of the average over a normal error."""
NODE_WEIGHTS: Array = _WEIGHTS / _WEIGHTS.sum()
"""Weights of the nodes, which sum to 1."""


@dataclass(frozen=True, slots=True)
class Tail:
    """The observed upper tail of some scores.

    Attributes
    ----------
    threshold
        Where the tail begins.
    share
        Proportion of all scores above it.
    exceedances
        Those scores minus the threshold, sorted, (n_exceedances,).
    n_effective
        Number of independent exceedances that would vary as much.
    doubt
        Standard error of observed scores.
    """

    threshold: float
    share: float
    exceedances: Array
    n_effective: float
    doubt: Callable[[Array], Array]


@dataclass(frozen=True, slots=True)
class _Family:
    """A family of tails on a grid: scale, shape and log prior probability, each (n_cells,)."""

    survival: Callable[[Array, Array, Array], Array]
    scale: Array
    shape: Array
    prior: Array


def draw_tails(tail: Tail, rng: np.random.Generator, n_draws: int) -> Callable[[Array], Array]:
    """Draw tails from the posterior of both families, each as likely beforehand.

    Returns
    -------
    Function of distances (n,) beyond the threshold to the probability that a score is larger,
    under each draw, (n_draws, n).
    """
    if not len(tail.exceedances):
        return lambda y: np.zeros((n_draws, len(y)))
    families = list(_families(tail))
    fits, passing = zip(*(_fit(family, tail) for family in families), strict=True)
    log_posterior = np.concatenate(fits)
    posterior = np.exp(log_posterior - log_posterior.max())
    drawn = rng.choice(len(posterior), size=n_draws, p=posterior / posterior.sum())
    # how many are beyond the threshold, and how many true scores are if so many observed ones are
    share = tail.share * rng.gamma(tail.n_effective + 0.5, size=n_draws) / tail.n_effective
    share /= np.concatenate(passing)[drawn]
    misfit = np.exp(MISFIT * rng.standard_normal(n_draws))

    def beyond(y: Array) -> Array:
        result, first = np.empty((n_draws, len(y))), 0
        for family in families:
            cell = drawn - first
            mine = (cell >= 0) & (cell < len(family.scale))
            first += len(family.scale)
            scale, shape = family.scale[cell[mine], None], family.shape[cell[mine], None]
            result[mine] = family.survival(y, scale, shape)
        return np.minimum(share[:, None] * result ** misfit[:, None], 1)

    return beyond


def _families(tail: Tail) -> Iterator[_Family]:
    """Both families, on grids around the mean exceedance."""
    scales = tail.exceedances.mean() * SPREAD
    depth = -np.log(tail.share)

    def weibull(y: Array, scale: Array, power: Array) -> Array:
        return weibull_survival(y, scale, power, depth)

    # light tails to those of Student's law with 4 degrees of freedom are not unusual for scores
    scale, shape = (axis.ravel() for axis in np.meshgrid(scales, PARETO_SHAPE))
    yield _Family(pareto_survival, scale, shape, _normalised(-0.5 * (shape / 0.25) ** 2))
    scale, power = (axis.ravel() for axis in np.meshgrid(scales, WEIBULL_POWER))
    prior = _normalised(-0.5 * (np.log(power / 0.6) / 0.5) ** 2)
    yield _Family(weibull, scale, power, prior)


def _normalised(log_prior: Array) -> Array:
    return log_prior - np.log(np.exp(log_prior).sum())


def _fit(family: _Family, tail: Tail) -> tuple[Array, Array]:
    """Log posterior of each cell, and the probability that a score is seen beyond the threshold.

    The probability is relative to that of a true score, (n_cells,); without doubt it is 1.
    """
    edges = np.unique(np.quantile(tail.exceedances, np.linspace(0, 1, N_BINS + 1)))
    edges[0] = 0.0
    if len(edges) == 1:
        edges = np.append(edges, tail.exceedances[-1])
    counts = np.histogram(tail.exceedances, edges)[0]
    doubt = tail.doubt(tail.threshold + edges)
    scale, shape = family.scale[:, None], family.shape[:, None]
    seen = np.zeros((len(family.scale), len(edges)))
    for node, weight in zip(NODES, NODE_WEIGHTS, strict=True):
        true = edges + node * doubt
        # some that are seen beyond the threshold are not: there the slope goes on
        before = np.minimum(np.exp(-np.minimum(true, 0) / scale), 1 / tail.share)
        seen += weight * before * family.survival(np.maximum(true, 0), scale, shape)
    # that nothing was seen beyond the largest is no bound: the last bin is open
    upper = np.append(seen[:, 1:-1], np.zeros((len(seen), 1)), axis=1)
    inside = (seen[:, :-1] - upper) / seen[:, :1]
    fit = (counts * np.log(np.maximum(inside, 1e-300))).sum(axis=1)
    return tail.n_effective / len(tail.exceedances) * fit + family.prior, seen[:, 0]


def pareto_survival(y: Array, scale: Array, shape: Array) -> Array:
    """Generalised Pareto tail, (1 + shape y / scale)^(-1 / shape): exponential at shape 0.

    Parameters
    ----------
    y
        Distance beyond the threshold, not below 0.
    scale, shape
        Parameters, that broadcast with ``y``; a negative shape has an upper end.
    """
    from scipy import stats

    return np.asarray(stats.genpareto.sf(y, shape, scale=scale))


def weibull_survival(y: Array, scale: Array, power: Array, depth: float) -> Array:
    """Generalised Weibull tail, beyond a threshold that exp(-depth) of all scores exceed.

    With H = -log of the exceedance probability, H(y) = depth (1 + power y / (scale depth))^(1 /
    power), so that its slope at the threshold is 1 / scale. Returned is exp(depth - H(y)).

    Parameters
    ----------
    y, scale, power
        As in :func:`pareto_survival`; power 1 is exponential, 1/2 normal.
    depth
        Above 0.
    """
    hazard = depth * (1 + power * y / (scale * depth)) ** (1 / power)
    return np.exp(depth - hazard)
