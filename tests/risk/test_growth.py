"""Each test names what a user loses if it fails."""

from __future__ import annotations

import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from bids_reid.records import AttackKey
from bids_reid.risk.growth import extrapolate, growth_rows, measured_sizes, subsampled
from bids_reid.risk.tails import Tail, draw_tails, pareto_survival, weibull_survival

SERIES = AttackKey('raw', 'T1w', 'face_recognition', 'best')


def normal_scores(n, distance, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n)) + distance * np.eye(n)


def names(n):
    return [f'{number:03}' for number in range(n)]


def test_smaller_galleries_are_counted_exactly():
    """Otherwise the measured part of the curve is a guess; all galleries are drawn here."""
    beaten, n = np.array([0, 1, 2, 4, 6]), 7
    for size in range(1, n + 1):
        drawn = list(combinations(range(n - 1), size - 1))
        expected = [np.mean([not any(k < m for k in some) for some in drawn]) for m in beaten]
        np.testing.assert_allclose(subsampled(beaten, n, size), expected, atol=1e-12)


def test_sizes():
    """Otherwise the curve has gaps or ends before the real gallery."""
    assert measured_sizes(24) == [2, 5, 10, 20, 24]
    assert measured_sizes(100) == [2, 5, 10, 20, 50, 100]
    assert measured_sizes(1) == [1]
    assert measured_sizes(0) == []


def test_rows_of_a_run(make):
    """Otherwise the table contradicts group_identification.tsv, or hides what was extrapolated."""
    searches = make(normal_scores(60, 3), names(60), acquired=np.arange(60) >= 6)
    rows = growth_rows(searches, SERIES, seed=4)
    assert [row.n_gallery for row in rows] == [2, 5, 10, 20, 50, 60, *(10**n for n in range(3, 8))]
    assert [row.measured for row in rows] == ['yes'] * 6 + ['no'] * 5
    real = rows[5]
    assert real.rate == pytest.approx(real.n_found / 60)
    assert (real.n_probes, real.n_people, real.seed) == (60, 60, None)
    rates = [row.rate for row in rows]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] <= 0.9
    for row in rows:
        assert 0 <= row.ci_low <= row.rate <= row.ci_high <= 1
    assert {row.seed for row in rows[6:]} == {4}
    assert rows == growth_rows(searches, SERIES, seed=4)
    assert rows != growth_rows(searches, SERIES, seed=5)


def test_interval_grows_with_distance(make):
    """Otherwise a guess about ten million people looks as sure as one about a thousand."""
    _, low, high = extrapolate(make(normal_scores(100, 5), names(100)), [100, 1000, 10**5, 10**7])
    assert (np.diff(high - low) > 0).all()


def test_extrapolation_begins_where_the_measured_ends(make):
    """Otherwise the curve jumps at the real gallery."""
    searches = make(normal_scores(80, 2.5), names(80))
    found = growth_rows(searches, SERIES)[6].n_found
    rate, _, _ = extrapolate(searches, [80, 81])
    assert rate[0] == pytest.approx(found / 80)
    assert 0 <= rate[0] - rate[1] < 0.02


def test_units_of_the_scores_do_not_matter(make):
    """Otherwise two extractors that are as good get other curves."""
    scores = np.float32(normal_scores(60, 4))
    one = extrapolate(make(scores, names(60)), [1000, 10**6])
    other = extrapolate(make(scores * 8 - 64, names(60)), [1000, 10**6])
    np.testing.assert_allclose(one, other, atol=1e-3)


@pytest.mark.parametrize(
    ('n', 'photos', 'reason'),
    [(19, 19, 'fewer than 20 people in the gallery'), (30, 9, 'fewer than 10 people searched')],
)
def test_too_few_are_not_extrapolated(make, n, photos, reason):
    """Otherwise ten million people are judged from a handful."""
    searches = make(normal_scores(n, 3)[:photos], names(n)[:photos], names(n))
    larger = [row for row in growth_rows(searches, SERIES) if row.measured == 'no']
    assert len(larger) == 5
    assert all(row.rate is None and row.reason.startswith(reason) for row in larger)


@pytest.mark.parametrize('value', [0.0, 3.0])
def test_scores_without_spread(make, value):
    """Otherwise ORB, which may match nothing at all, stops the run."""
    searches = make(np.full((30, 30), value), names(30))
    rows = growth_rows(searches, SERIES)
    assert [row.rate for row in rows if row.measured == 'yes'] == [0] * 5
    assert 'scores are equal' in rows[-1].reason


def test_scores_that_are_mostly_the_same_are_not_extrapolated(make):
    """Otherwise ORB, most of whose scores are 0, is told to find fewer among many than it does."""
    rng = np.random.default_rng(0)
    scores = rng.poisson(0.05, (40, 40)) + 3 * np.eye(40)
    scores[:5] = 0
    for row in growth_rows(make(scores, names(40)), SERIES):
        if row.measured == 'yes':
            assert 0 <= row.ci_low <= row.rate <= row.ci_high <= 1
        else:
            assert row.rate is None
            assert row.reason.endswith(
                'non-mated scores are equal, so their tail cannot be modelled'
            )


def test_coarse_scores(make):
    """Otherwise counts, which tie at times, stop the run or warn."""
    rng = np.random.default_rng(0)
    scores = rng.poisson(20, (40, 40)) + 30 * np.eye(40)
    for row in growth_rows(make(scores, names(40)), SERIES):
        assert 0 <= row.ci_low <= row.rate <= row.ci_high <= 1


def test_scores_that_end_at_a_ceiling_are_not_extrapolated(make):
    """Otherwise a matcher whose scores saturate is told to find people whom it cannot tell apart.

    From 100 of 400 people 4% were predicted, and 1% found.
    """
    scores = np.minimum(normal_scores(60, 3), 1.5)
    searches = make(scores, names(60))
    for row in growth_rows(searches, SERIES):
        if row.measured == 'no':
            assert row.rate is None
            assert 'another person scores exactly as high as the right person' in row.reason
    # a few ties are no ceiling
    few = growth_rows(make(np.minimum(normal_scores(60, 3), 3.5), names(60)), SERIES)
    assert all(row.rate is not None for row in few)


@pytest.mark.parametrize('distance', [-9, 60])
def test_nobody_and_everybody_found(make, distance):
    """Otherwise a safe or a wide open dataset gets an empty interval."""
    rows = growth_rows(make(normal_scores(40, distance), names(40)), SERIES)
    rates = [row.rate for row in rows]
    assert rates[6] == pytest.approx(float(distance > 0), abs=0.02)
    assert all(row.ci_high - row.ci_low > 0.03 for row in rows)


@pytest.mark.parametrize('photos', [[], ['000']])
def test_nobody_enrolled_or_photographed(make, photos):
    """Otherwise such a run stops."""
    searches = make(np.ones((len(photos), 1)), photos, ['000'], enrolled=[bool(not photos)])
    rows = growth_rows(searches, SERIES)
    assert rows[-1].reason == 'fewer than 20 people in the gallery'
    for row in rows:
        assert row.rate is None or row.rate == 0


def test_families_hold_the_laws_that_they_are_named_for():
    """Otherwise tails are not what the page says they are."""
    y = np.linspace(0, 3, 7)
    np.testing.assert_allclose(pareto_survival(y, 2.0, 0.0), np.exp(-y / 2), rtol=1e-5)
    np.testing.assert_allclose(pareto_survival(y, 2.0, 0.5), stats.genpareto(0.5, scale=2).sf(y))
    np.testing.assert_allclose(pareto_survival(y, 1.0, -0.5), stats.genpareto(-0.5).sf(y), atol=0)
    np.testing.assert_allclose(weibull_survival(y, 2.0, 1.0, 3.0), np.exp(-y / 2))
    # a Weibull law, exp(-x^2), beyond the point that exp(-4) exceed: slope 4 there, power 1/2
    np.testing.assert_allclose(
        weibull_survival(y, 0.25, 0.5, 4.0), np.exp(4 - (2 + y) ** 2), rtol=1e-9
    )


def test_tail_of_a_known_law():
    """Otherwise people that were never seen are predicted to be as rare as those that were."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=100_000)
    threshold = 2.0
    over = np.sort(scores[scores > threshold] - threshold)
    tail = Tail(threshold, len(over) / len(scores), over, len(over), np.zeros_like)
    deep = np.array([3.0, 4.0, 5.0])
    drawn = draw_tails(tail, rng, 400)(deep - threshold)
    assert drawn.shape == (400, 3)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    truth = stats.norm.sf(deep)
    assert ((low < truth) & (truth < high)).all()
    width = np.log(high / low)
    assert (np.diff(width) > 0).all()
    empty = Tail(threshold, 0.0, np.empty(0), 0.0, np.zeros_like)
    assert (draw_tails(empty, rng, 5)(deep) == 0).all()


@pytest.fixture
def benchmark(monkeypatch):
    """The script that measures how often the interval holds the truth."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / 'benchmarks'))
    import growth

    yield growth
    sys.modules.pop('growth')


@pytest.mark.parametrize('law', ['fused, middle', 'adapted 24'])
def test_scores_that_depend_on_the_other_photographs(benchmark, law):
    """Otherwise attacks that fuse networks and correct for hubs are promised a wrong risk."""
    runs = [benchmark.repeat(benchmark.LAWS[law], 400, seed) for seed in range(10)]
    curves, realised = np.array([curve[:, 0] for curve, _ in runs]).T, [rate for _, rate in runs]
    assert ((curves[1] <= realised) & (realised <= curves[2])).mean() >= 0.9
    assert curves[0].mean() == pytest.approx(np.mean(realised), abs=0.04)
    # an interval of nearly everything would hold it as well
    assert (curves[2] - curves[1]).mean() < 0.35


def test_scores_of_real_searches_are_judged_by_what_is_counted(benchmark, tmp_path):
    """Otherwise the model is trusted for scores that nobody compared it with."""
    law = benchmark.LAWS['fused, near']
    scores = law.crowd(np.random.default_rng(3), 90)(np.arange(90))
    owners = np.repeat(np.arange(90), 2)
    np.savez(tmp_path / 'two.npz', scores=scores[owners], owners=owners)
    searches = benchmark.searches_in(tmp_path / 'two.npz')
    assert len(searches.photos) == 180
    line = benchmark.scored_line(searches, 'two', 40, 8).split('\t')
    row = dict(zip(benchmark.SCORED_COLUMNS.split('\t'), line, strict=True))
    mated = np.diag(scores).copy()
    np.fill_diagonal(scores, -np.inf)
    assert float(row['counted']) == pytest.approx((mated > scores.max(axis=1)).mean(), abs=1e-3)
    assert float(row['covered']) >= 0.75
    assert (row['refused'], row['reason']) == ('0', 'n/a')
    # too few to model: said, and no interval is counted as one that holds
    line = benchmark.scored_line(searches, 'two', 15, 2).split('\t')
    row = dict(zip(benchmark.SCORED_COLUMNS.split('\t'), line, strict=True))
    assert (row['covered'], row['refused']) == ('n/a', '2')
    assert row['reason'] == 'fewer than 20 people in the gallery'
    np.savez(tmp_path / 'two.npz', scores=scores, owners=np.zeros(3))
    with pytest.raises(SystemExit, match='owners are no columns'):
        benchmark.searches_in(tmp_path / 'two.npz')


@pytest.mark.slow
@pytest.mark.parametrize(
    'law', ['normal, far', 'Student 5', 'bounded', 'vectors 16', 'fused, middle', 'fused, far']
)
def test_interval_holds_the_truth(law, benchmark):
    """Otherwise the risk among millions is a guess: from 100 of 400 people, 100 times."""
    truth = benchmark.true_rates(benchmark.LAWS[law])
    known = ~np.isnan(truth)
    curves = [benchmark.repeat(benchmark.LAWS[law], 400, seed) for seed in range(100)]
    low, high = np.array([curve[1:] for curve, _ in curves]).transpose(1, 0, 2)
    covered = ((low <= truth) & (truth <= high)).mean(axis=0)[known]
    assert known.sum() >= 3
    assert (covered >= 0.9).all(), covered
    realised = np.array([rate for _, rate in curves])
    assert ((low[:, 0] <= realised) & (realised <= high[:, 0])).mean() >= 0.9
