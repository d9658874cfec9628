"""Scores of several extractors become one."""

from __future__ import annotations

import numpy as np

from bids_reid.match.fusion import POWER, fused_scores

RNG = np.random.default_rng(0)
N = 40


def matrix(separation: float, n_probes: int = N) -> np.ndarray:
    """Scores of n photographs against the scans of 40 people, each of whom has one."""
    scores = RNG.normal(size=(n_probes, N))
    scores[np.arange(n_probes), np.arange(n_probes) % N] += separation
    return scores.astype(np.float32)


def rate(scores: np.ndarray) -> float:
    return float((scores.argmax(axis=1) == np.arange(len(scores)) % N).mean())


def test_two_extractors_find_more_than_each() -> None:
    """Otherwise the strongest attack that is told is not the strongest there is."""
    one, other = matrix(2.0, 400), matrix(2.0, 400)
    together = rate(fused_scores([one, other]))
    assert together > max(rate(one), rate(other)) + 0.1


def test_an_extractor_that_knows_nothing_spoils_little() -> None:
    """Otherwise a poor plug-in makes people look safe."""
    good, noise = matrix(3.0, 400), matrix(0.0, 400)
    equal = rate((good - good.mean()) / good.std() + (noise - noise.mean()) / noise.std())
    together = rate(fused_scores([good, noise]))
    assert together > equal + 0.05
    assert together > rate(good) - 0.1


def test_the_scale_of_an_extractor_does_not_matter() -> None:
    """A distance and a cosine differ by a factor and a constant, which say nothing."""
    one, other = matrix(2.0), matrix(1.0)
    expected = fused_scores([one, other])
    moved = fused_scores([5 + 100 * one, other / 7])
    np.testing.assert_allclose(moved, expected, atol=1e-4)


def test_scores_are_those_of_the_definition() -> None:
    """Otherwise the fused attack is not the one described."""
    matrices = [matrix(2.0), matrix(1.0)]
    scaled = [(one - one.mean()) / one.std() for one in matrices]
    margins = [np.mean(np.diff(np.sort(one, axis=1)[:, -2:], axis=1)) for one in scaled]
    weights = np.array(margins) ** POWER
    expected = (weights[0] * scaled[0] + weights[1] * scaled[1]) / weights.sum()
    np.testing.assert_allclose(fused_scores(matrices), expected, atol=1e-5)


def test_the_score_of_one_counts_where_the_other_has_none() -> None:
    """A photograph that one matcher rejects is searched by the other, and by nobody else."""
    one, other = matrix(2.0), matrix(2.0)
    one[3] = np.nan
    one[:, 5] = np.nan
    other[:, 5] = np.nan
    fused = fused_scores([one, other])
    assert np.isnan(fused[:, 5]).all()
    rest = np.delete(fused, 5, axis=1)
    assert np.isfinite(rest).all()
    order = np.argsort(np.delete(other, 5, axis=1)[3])
    np.testing.assert_array_equal(np.argsort(rest[3]), order)


def test_nothing_to_tell_apart_gives_no_error() -> None:
    """A gallery of one person, or of equal scores, must not end a run."""
    for shape in ((3, 1), (0, 4), (2, 2)):
        same = np.ones(shape, np.float32)
        fused = fused_scores([same, same])
        assert fused.shape == shape
        assert np.isfinite(fused).all()
    nothing = np.full((2, 2), np.nan, np.float32)
    assert np.isnan(fused_scores([nothing, nothing])).all()
