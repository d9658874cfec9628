"""What a curator is told of a scan: a face that is called safe is a participant exposed."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from bids_reid.faces.evidence import FaceEvidence
from bids_reid.risk.presence import Measured, assess
from bids_reid.surface.brain import BrainCut
from bids_reid.surface.relief import FaceRelief

FACE = Measured(
    covered=0.97,
    behind_mm=0.5,
    head_loss=0.4,
    core_in_view=1.0,
    noise=0.05,
    edge_mm=0.8,
    relief=FaceRelief(1.0, 1.0, 0.9, 1.0, 0.8, 1.1, 0.98, 0.15, 0.005),
    evidence=FaceEvidence(3, 2.5, 3, 1.0, 5.0, 4.0),
    brain=BrainCut(0.0, 0.0),
)
REMOVED = replace(
    FACE,
    covered=0.1,
    behind_mm=30.0,
    relief=FaceRelief(1.0, 0.2, 0.0, 0.0, 0.1, 0.3, 0.6, 0.8, 0.02),
    evidence=FaceEvidence(3, -0.5, 0, None, None, 30.0),
)


def test_a_whole_face_is_seen_and_is_to_be_reviewed() -> None:
    """A dataset that nobody de-faced must not come out as safe."""
    found = assess(FACE)
    assert (found.face_present, found.verdict, found.brain_loss) == ('yes', 'review', 'no')
    assert found.face_score == 1


def test_a_removed_face_is_no_finding() -> None:
    """Otherwise a curator has to look at every scan that was de-faced well."""
    found = assess(REMOVED)
    assert (found.face_present, found.verdict) == ('no', 'no findings')


def test_a_detector_alone_does_not_make_a_face() -> None:
    """dlib's HOG detector fires on tissue that a cut laid bare."""
    fired = FaceEvidence(3, 0.6, 3, 0.4, 15.0, 11.0)
    assert assess(replace(REMOVED, evidence=fired)).face_present == 'no'


def test_detectors_that_agree_keep_a_scan_from_no_findings() -> None:
    """The average head may be fitted to the wrong place: the face is there all the same."""
    found = assess(replace(REMOVED, evidence=FACE.evidence))
    assert (found.face_present, found.verdict) == ('unsure', 'review')


@pytest.mark.parametrize(
    'poor',
    [
        {'core_in_view': 0.5},
        {'core_in_view': 0.05},
        {'noise': 0.5},
        {'edge_mm': 4.0},
        {'evidence': None},
        {'relief': None},
        {'failed': True, 'failure': 'disk full'},
        # noise breaks skin into what looks like the folds of a brain
        {'skull_stripped': True, 'noise': 0.5},
        {'skull_stripped': True, 'edge_mm': 4.0},
    ],
)
def test_no_face_found_is_not_safe_where_none_could_be_seen(poor: dict[str, object]) -> None:
    """A scan too noisy for any detector, or cut at the eyes, may hold a face."""
    found = assess(replace(REMOVED, **poor))  # type: ignore[arg-type]
    assert found.verdict == 'could not assess'
    assert found.reason


def test_a_face_is_never_no_findings_whichever_measure_fails() -> None:
    """One measure that goes wrong on somebody's scanner must not clear a whole dataset."""
    for relief, evidence, covered, noise in product(
        (FACE.relief, REMOVED.relief, None),
        (FACE.evidence, REMOVED.evidence, None),
        (0.97, 0.1),
        (0.05, 0.5),
    ):
        scan = replace(FACE, relief=relief, evidence=evidence, covered=covered, noise=noise)
        n_wrong = sum((relief != FACE.relief, evidence != FACE.evidence, covered < 0.5))
        if n_wrong <= 1:
            assert assess(scan).verdict != 'no findings', scan


def test_a_blurred_face_is_unsure() -> None:
    """Blurring leaves the large forms: a curator has to look."""
    relief = replace(FACE.relief, gain=0.3, correlation=0.55)  # type: ignore[type-var]
    evidence = FaceEvidence(3, 0.6, 3, None, 11.0, 5.0)
    found = assess(replace(FACE, relief=relief, evidence=evidence))
    assert (found.face_present, found.verdict) == ('unsure', 'review')


def test_brain_that_was_cut_is_a_warning() -> None:
    """Over-deep de-facing ruins cortical measures, and no face is left to complain about."""
    found = assess(replace(REMOVED, brain=BrainCut(20.0, 40.0)))
    assert (found.face_present, found.brain_loss, found.verdict) == ('no', 'yes', 'review')
    assert 'brain' in found.reason


def test_a_skull_stripped_scan_is_no_finding_with_its_reason() -> None:
    """It has no face; that its brain lies bare is no damage."""
    found = assess(replace(REMOVED, skull_stripped=True, brain=BrainCut(300.0, 300.0)))
    assert (found.face_present, found.verdict) == ('no', 'no findings')
    assert 'skull-stripped' in found.reason
    folded = assess(replace(REMOVED, brain=BrainCut(300.0, 300.0)))
    assert (folded.verdict, folded.brain_loss) == ('no findings', None)
