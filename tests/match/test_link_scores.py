"""Scores of scans against scans: an error here hides that re-faced scans find their originals."""

from __future__ import annotations

import numpy as np
import pytest

from bids_reid.match.link_scores import (
    LINK_DECISIONS,
    LinkDecision,
    found_under_other_light,
    linkage_scores,
)
from bids_reid.records import Template


def people(
    n: int, seed: int, *, noise: float, shift: float = 0.0, views: int = 5
) -> list[Template | None]:
    """Templates of the same people under another noise and a common shift."""
    own = np.random.default_rng(1).normal(size=(n, 16))
    rng = np.random.default_rng(seed)
    return [
        Template(
            (row + shift + noise * rng.normal(size=(views, 16))).astype(np.float32),
            np.arange(views, dtype=np.int32),
        )
        for row in own
    ]


@pytest.mark.parametrize('decision', LINK_DECISIONS)
def test_scores_are_those_of_the_definitions(decision: LinkDecision) -> None:
    """Otherwise a link that is told of is of something else."""
    first, second = people(4, 3, noise=0.5, views=3), people(5, 2, noise=0.5)
    # the second scan was seen from the last two views only
    probe = first[1]
    assert probe is not None
    first[1] = Template(probe.features[1:], probe.views[1:])
    scores = linkage_scores(first, second, decision)
    assert scores.dtype == np.float32

    def rows(templates: list[Template | None], view: int) -> dict[int, np.ndarray]:
        return {
            number: template.features[template.views == view][0].astype(float)
            for number, template in enumerate(templates)
            if template is not None and view in template.views
        }

    for (a, b), score in np.ndenumerate(scores):
        each = []
        for view in range(3):
            ours, theirs = rows(first, view), rows(second, view)
            if a not in ours:
                continue
            if decision == 'pose':
                each.append(-np.linalg.norm(ours[a] - theirs[b]))
            else:
                x = ours[a] - np.mean(list(ours.values()), axis=0)
                y = theirs[b] - np.mean(list(theirs.values()), axis=0)
                each.append(x @ y / np.linalg.norm(x) / np.linalg.norm(y))
        assert score == pytest.approx(np.mean(each), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize('decision', LINK_DECISIONS)
def test_people_find_themselves(decision: LinkDecision) -> None:
    """Otherwise scans of the same person seem safe from each other."""
    scores = linkage_scores(people(12, 3, noise=0.3), people(12, 2, noise=0.3), decision)
    assert scores.argmax(axis=1).tolist() == list(range(12))


def test_centring_takes_away_what_a_condition_adds_to_all() -> None:
    """De-facing makes all heads alike: without centring the risk that remains is missed."""
    raw, defaced = people(12, 2, noise=0.5), people(12, 3, noise=0.5, shift=30.0)
    raw.append(Template(np.full((5, 16), 25.0, np.float32), np.arange(5, dtype=np.int32)))

    def n_correct(decision: LinkDecision) -> int:
        best = linkage_scores(defaced, raw, decision).argmax(axis=1)
        return int((best == np.arange(12)).sum())

    assert n_correct('pose') == 0
    assert n_correct('centred') > 8


def test_scans_without_a_common_view_have_no_score() -> None:
    """A face found in other cameras only says nothing, and a failure neither."""
    apart = Template(np.zeros((1, 16), np.float32), np.array([9], np.int32))
    blind = Template(np.empty((0, 0), np.float32), np.empty(0, np.int32))
    gallery = people(3, 2, noise=0.1)
    for decision in LINK_DECISIONS:
        scores = linkage_scores([apart, None, blind, gallery[0]], gallery, decision)
        np.testing.assert_array_equal(np.isnan(scores).all(axis=1), [True, True, True, False])
        assert np.isfinite(scores[3]).all()
        assert linkage_scores([], gallery, decision).shape == (0, 3)


@pytest.mark.parametrize('decision', LINK_DECISIONS)
def test_scans_find_themselves_unless_features_say_nothing(decision: LinkDecision) -> None:
    """The control of an extractor that is blind: its 0% of links would be told as safety."""
    rng = np.random.default_rng(3)
    views = np.arange(27, dtype=np.int32)
    own = rng.normal(size=(12, 1, 16))
    owners = [f'{number // 2:02}' for number in range(12)]

    def control(noise: float) -> float | None:
        rows = (own + noise * rng.normal(size=(12, 27, 16))).astype(np.float32)
        templates: list[Template | None] = [Template(one, views) for one in rows]
        return found_under_other_light([*templates, None], [*owners, 'x'], decision)

    def control_of(some: list[int]) -> float | None:
        rows = (own + 0.2 * rng.normal(size=(12, len(some), 16))).astype(np.float32)
        lights = np.array(some, np.int32)
        return found_under_other_light([Template(one, lights) for one in rows], owners, decision)

    # an extractor may take the even lights of a camera only
    assert control_of([0, 2, 4, 6, 8, 10, 12]) == 1
    sure, blind = control(0.2), control(1000.0)
    assert sure == 1
    assert blind is not None
    assert blind < 0.6
    alone: list[Template | None] = [Template(np.ones((27, 16), np.float32), views), None]
    assert found_under_other_light(alone, ['a', 'b'], decision) is None


def test_unknown_decisions_and_other_features_are_refused() -> None:
    """Features of two extractors compared with each other are noise that looks like safety."""
    with pytest.raises(ValueError, match="unknown decision 'best'; known: pose, centred"):
        linkage_scores([], [], 'best')
    short = Template(np.zeros((1, 8), np.float32), np.zeros(1, np.int32))
    with pytest.raises(ValueError, match='length'):
        linkage_scores([short], people(2, 1, noise=0.1), 'pose')
