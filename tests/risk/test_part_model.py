"""The fitted model of what is left of a face: it stands between a face and a pass."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bids_reid.records import HalfFaces
from bids_reid.risk.part_model import (
    Regression,
    image_inputs,
    kind_of,
    part_inputs,
    part_model,
    probability_left,
)
from bids_reid.surface.parts import PARTS
from tests.support.scan_records import left, outside, removed

SEEN, GONE = HalfFaces(2.0, 0.8), HalfFaces(-0.5, None)


def test_the_model_has_numbers_for_each_part_and_input() -> None:
    """A part without a model would never be judged, or an input that was renamed never count."""
    model = part_model()
    assert set(model.parts) == {kind_of(part) for part in PARTS}
    for regression in model.parts.values():
        assert set(regression.weights) == set(part_inputs(left('nose'), SEEN))
    assert set(model.image.weights) == set(image_inputs([0.1], GONE))
    assert set(model.removed) == set(model.parts)
    assert all(0 < limit < 1 for limit in model.removed.values())
    assert 0 < model.left < 1
    assert 0 < model.clear < 0.9


@pytest.mark.parametrize('part', PARTS)
def test_a_part_that_is_there_is_more_probable_than_one_that_is_not(part: str) -> None:
    """Left and removed would change places."""
    there, gone = probability_left(left(part), SEEN), probability_left(removed(part), GONE)
    assert there is not None
    assert gone is not None
    assert there > part_model().left
    if 'ear' not in part and 'cheek' not in part:
        assert gone <= part_model().removed[kind_of(part)]


def test_a_part_beyond_the_image_has_no_probability() -> None:
    """It would be called removed."""
    assert probability_left(outside('chin'), SEEN) is None


def test_detectors_that_were_not_asked_say_nothing() -> None:
    """Too little of a face in the image would count like a detector that saw none."""
    inputs = part_inputs(left('brow'), None)
    assert (inputs['half_asked'], inputs['half_hog'], inputs['half_cnn']) == (0, 0, 0)
    assert part_inputs(left('brow'), HalfFaces())['half_hog'] == -1


def test_what_makes_no_difference_is_cut_off() -> None:
    """One wild distance would outweigh everything else."""
    far = part_inputs(replace(removed('nose'), off_mm=-400.0, spread_mm=90.0), GONE)
    assert far['behind'] == far['spread'] == 1


def test_an_image_is_judged_by_its_worst_parts() -> None:
    """An eye that is left must not be averaged away by what was removed."""
    inputs = image_inputs([0.1, 0.9, 0.3], GONE)
    assert (inputs['most'], inputs['second']) == (0.9, 0.3)
    assert image_inputs([0.4], GONE)['second'] == 0.4
    image = part_model().image
    one = image.probability(image_inputs([0.95, *[0.02] * 6], GONE))
    none = image.probability(image_inputs([0.02] * 7, GONE))
    assert none <= part_model().clear < one


def test_a_regression_is_a_probability_whatever_its_inputs() -> None:
    """An overflow would end the run of a scan."""
    steep = Regression(0.0, {'x': 1e6})
    assert 0 < steep.probability({'x': -1.0}) < 1e-9
    assert 1 - 1e-9 < steep.probability({'x': 1.0}) <= 1
    assert Regression(0.0, {'x': 2.0}).probability({'x': 0.0}) == 0.5
