"""What an extractor of another package gives: a wrong array must not become a wrong number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bids_reid.errors import ExtractorError
from bids_reid.faces.detect import Box
from bids_reid.faces.extractors import Availability
from bids_reid.faces.given_features import rejected
from bids_reid.faces.plugged import PluggedKeypoints, PluggedVectors
from bids_reid.faces.registrations import Registration

REGISTRATION = Registration('acme', 'acme:load', 'acme-matcher', '1.0')
IMAGES = [np.full((9, 9), number, np.uint8) for number in range(2)]
BOXES = [Box(0, 0, 8, 8)] * 2


class Gives:
    """It gives what it is told to."""

    name, kind, similarity, distance = 'acme', 'vector', 'cosine', 'hamming'
    dimension, uses_network = 3, False

    def __init__(self, given: Any) -> None:
        self.given = given

    def available(self) -> Availability:
        return Availability()

    def features(self, images: Any, boxes: Any) -> Any:
        if isinstance(self.given, Exception):
            raise self.given
        return self.given


def vectors(given: Any) -> dict[str, Any]:
    return PluggedVectors(REGISTRATION, Gives(given)).features(IMAGES, BOXES)


def keypoints(given: Any) -> dict[str, Any]:
    return PluggedKeypoints(REGISTRATION, Gives(given)).features(IMAGES, BOXES)


ROWS = np.ones((2, 3), np.float32)
WRONG = {
    'nothing': (None, 'it gave no features'),
    'an array alone': (ROWS, 'it gave no features'),
    'other names': ({'feature': ROWS}, 'it gave no features'),
    'lists': ({'features': ROWS.tolist()}, 'features are list, not an array of float32'),
    'doubles': ({'features': ROWS.astype(float)}, 'features are float64'),
    'one face too few': ({'features': ROWS[:1]}, r'shape \(1, 3\), not \(2, 3\)'),
    'one number too few': ({'features': ROWS[:, :2]}, r'shape \(2, 2\), not \(2, 3\)'),
    'no rows': ({'features': ROWS.ravel()}, r'shape \(6,\)'),
    'infinity': ({'features': ROWS * np.float32(np.inf)}, 'feature 0 of 2 .*not finite'),
    'a NaN': (
        {'features': np.array([[1, 1, 1], [1, np.nan, 1]], np.float32)},
        'feature 1 of 2 .*not finite',
    ),
    'an error': (ValueError('the licence\nexpired'), 'ValueError: the licence expired'),
}


@pytest.mark.parametrize(('given', 'why'), WRONG.values(), ids=WRONG)
def test_wrong_vectors_are_refused(given: Any, why: str) -> None:
    with pytest.raises(ExtractorError, match=why) as refusal:
        vectors(given)
    said = str(refusal.value)
    assert said.startswith('acme of acme-matcher 1.0: features()')
    assert '\n' not in said


def test_right_vectors_are_what_was_given() -> None:
    given = {'features': ROWS, 'more': 3}
    assert vectors(given).keys() == {'features'}
    assert vectors(given)['features'] is ROWS


def test_a_face_that_was_not_taken_is_a_row_of_nan() -> None:
    """Commercial matchers reject faces: that is no failure of the scan."""
    rows = ROWS.copy()
    rows[1] = np.nan
    assert rejected(vectors({'features': rows}), 2).tolist() == [False, True]


POINTS = {
    'descriptors': np.ones((5, 3), np.uint8),
    'positions': np.zeros((5, 2), np.float32),
    'offsets': np.array([0, 2, 5]),
}


@pytest.mark.parametrize(
    ('other', 'why'),
    [
        ({'offsets': np.array([0, 5])}, 'offsets have shape'),
        ({'offsets': np.array([1, 2, 5])}, 'offsets do not go up from 0'),
        ({'offsets': np.array([0, 6, 5])}, 'offsets do not go up from 0'),
        ({'offsets': np.array([0, 2, 4])}, r'descriptors have shape \(5, 3\), not \(4, 3\)'),
        ({'offsets': np.array([0, 2, 5], np.int32)}, 'offsets are int32'),
        ({'descriptors': np.ones((5, 3), np.float32)}, 'descriptors are float32'),
        ({'descriptors': np.ones((5, 4), np.uint8)}, 'descriptors have shape'),
        ({'positions': np.ones((4, 2), np.float32)}, 'positions have shape'),
        ({'positions': np.full((5, 2), np.nan, np.float32)}, 'positions are not all finite'),
    ],
)
def test_wrong_keypoints_are_refused(other: dict[str, Any], why: str) -> None:
    assert keypoints(POINTS) == POINTS
    with pytest.raises(ExtractorError, match=why):
        keypoints(POINTS | other)


def test_an_image_without_keypoints_is_no_rejection() -> None:
    """Of orb and sift, too, a smooth face may have none: it is searched, and found by none."""
    given = keypoints(POINTS | {'offsets': np.array([0, 0, 5])})
    assert not rejected(given, 2).any()


def test_it_is_not_asked_about_nothing() -> None:
    """A matcher need not know what to do with no face; a service would be called in vain."""
    failing = Gives(RuntimeError('no face'))
    assert PluggedVectors(REGISTRATION, failing).features([], [])['features'].shape == (0, 3)
    nothing = PluggedKeypoints(REGISTRATION, failing).features([], [])
    assert nothing['descriptors'].shape == (0, 3)
    assert nothing['offsets'].tolist() == [0]


def test_what_the_sidecar_says_of_it(tmp_path: Path) -> None:
    """Where features come from has to stand beside them."""
    plugin: Any = Gives(None)
    plugin.identity = lambda: {'Model': 'm', 'WeightsSHA256': 'a'}
    plugin.provenance = lambda: {'Model': 'other', 'Engine': 'e'}
    assert PluggedVectors(REGISTRATION, plugin).provenance() == {
        'Model': 'm',
        'WeightsSHA256': 'a',
        'Engine': 'e',
        'UsesNetwork': 'no',
        'Package': 'acme-matcher',
        'PackageVersion': '1.0',
    }
