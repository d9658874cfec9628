"""How many people a run needs: a number that is too small sends labs home without a pass."""

from __future__ import annotations

import numpy as np
import pytest

from bids_reid.risk.attacks import headline_interval
from bids_reid.risk.planning import (
    chance_of_pass,
    most_recognised,
    people_needed,
)


@pytest.mark.parametrize(
    ('limit', 'n_attacks', 'n_gallery'),
    [(0.05, 4, None), (0.05, 1, 500), (0.1, 10, 60), (0.3, 2, None), (0.6, 12, 30)],
)
def test_the_number_is_the_smallest_from_which_on_the_chance_stays(
    limit: float, n_attacks: int, n_gallery: int | None
) -> None:
    """Between the numbers at which one more may be recognised, more people pass less often."""

    def chance(n: int) -> float:
        return chance_of_pass(n, max(n, n_gallery or 0), n_attacks, limit)

    for power in (0.5, 0.8, 0.95):
        needed = people_needed(limit, n_attacks, power=power, n_gallery=n_gallery)
        assert needed is not None
        assert min(chance(n) for n in range(needed, 3 * needed + 100)) >= power
        assert needed == 1 or chance(needed - 1) < power


def test_the_least_number_that_passes_at_all_is_far_too_small() -> None:
    """72 people, of whom none may be recognised, pass in 2% of runs; at best in 37%."""
    assert most_recognised(71, 0.05) == -1
    assert most_recognised(72, 0.05) == 0
    assert chance_of_pass(72, 72, 4, 0.05) == pytest.approx(0.018, abs=5e-4)
    # four attacks that always agree are one
    nobody = (1 - 1 / 72) ** 72
    assert nobody == pytest.approx(0.365, abs=5e-4)
    assert people_needed(0.05, 4, power=0.8) == 173
    assert people_needed(0.05, 4, power=0.95) == 202


def test_most_recognised_is_what_the_gate_lets_pass() -> None:
    """Plans would promise a pass that the gate does not give."""
    for n in (1, 50, 150, 400):
        most = most_recognised(n, 0.1)
        highs = headline_interval(np.arange(n + 1), n, n, 10)[1]
        assert most == (highs <= 0.1).sum() - 1


def simulated(n: int, n_attacks: int, shared: float, n_runs: int) -> np.ndarray:
    """First places of blind attacks that agree more or less, (n_runs, n_attacks)."""
    rng = np.random.default_rng(5)
    counts = np.empty((n_runs, n_attacks), int)
    for run in range(n_runs):
        common = rng.normal(size=(1, n, n))
        own = rng.normal(size=(n_attacks, n, n))
        scores = np.sqrt(shared) * common + np.sqrt(1 - shared) * own
        counts[run] = (scores.argmax(axis=2) == np.arange(n)).sum(axis=1)
    return counts


@pytest.mark.parametrize('shared', [0.0, 0.5, 0.95])
def test_attacks_that_agree_pass_no_less_often(shared: float) -> None:
    """The chance that is told is the least there is: attacks see the same renders."""
    n, n_attacks, limit = 40, 4, 0.2
    passes = simulated(n, n_attacks, shared, 1000).max(axis=1)
    rate = float((passes <= most_recognised(n, limit)).mean())
    told = chance_of_pass(n, n, n_attacks, limit)
    assert 0.2 < told < 0.8
    error = np.sqrt(told * (1 - told) / 1000)
    assert rate > told - 3 * error
    if not shared:
        assert rate == pytest.approx(told, abs=3 * error)
    if shared > 0.9:
        assert rate > told + 3 * error


def test_limits_that_no_number_of_people_can_show() -> None:
    """A number would send people off to collect photographs in vain."""
    assert people_needed(0.0, 4, power=0.8) is None
    assert people_needed(1.0, 4, power=0.8) == 1
    assert chance_of_pass(5000, 5000, 4, 0.0) == 0
    assert chance_of_pass(0, 10, 4, 0.5) == 0


def test_more_attacks_and_smaller_limits_take_more_people() -> None:
    for power in (0.8, 0.95):
        numbers = [people_needed(0.05, n, power=power) or 0 for n in (1, 4, 30, 100)]
        assert numbers == sorted(set(numbers))
    assert (people_needed(0.01, 4, power=0.8) or 0) > 173
    # among many others guessing finds hardly anybody
    assert (people_needed(0.05, 4, power=0.8, n_gallery=5000) or 0) == 72


@pytest.mark.parametrize(
    'call',
    [
        lambda: people_needed(0.05, 0, power=0.8),
        lambda: people_needed(0.05, 4, power=0.3),
        lambda: people_needed(0.05, 4, power=1.0),
        lambda: chance_of_pass(5, 0, 4, 0.05),
        lambda: chance_of_pass(0, 5, 0, 0.05),
    ],
)
def test_nonsense_is_refused(call: object) -> None:
    with pytest.raises(ValueError, match='not a'):
        call()  # type: ignore[operator]
