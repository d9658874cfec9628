"""What a curator is told of a scan: a face that is called safe is a participant exposed."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from bids_reid.records import BrainCut, FaceEvidence, FaceRelief
from bids_reid.risk.presence import assess
from tests.support.scan_records import NO_FACE, WHOLE_FACE, quality


def test_a_whole_face_is_seen_and_is_to_be_reviewed() -> None:
    """A dataset that nobody de-faced must not come out as safe."""
    found = assess(WHOLE_FACE)
    assert (found.face_present, found.verdict, found.brain_loss) == ('yes', 'review', 'no')
    assert found.face_score == 1


def test_a_removed_face_is_no_finding() -> None:
    """Otherwise a curator has to look at every scan that was de-faced well."""
    found = assess(NO_FACE)
    assert (found.face_present, found.verdict) == ('no', 'no findings')


def test_a_detector_alone_does_not_make_a_face() -> None:
    """dlib's HOG detector fires on tissue that a cut laid bare."""
    fired = FaceEvidence(3, 0.6, 3, 0.4, 15.0, 11.0)
    assert assess(replace(NO_FACE, face_evidence=fired)).face_present == 'no'


def test_detectors_that_agree_keep_a_scan_from_no_findings() -> None:
    """The average head may be fitted to the wrong place: the face is there all the same."""
    found = assess(replace(NO_FACE, face_evidence=WHOLE_FACE.face_evidence))
    assert (found.face_present, found.verdict) == ('unsure', 'review')


@pytest.mark.parametrize(
    'poor',
    [
        {'surface_quality': quality(face_core_in_view=0.5)},
        {'surface_quality': quality(face_core_in_view=0.05)},
        {'surface_quality': quality(relative_noise=0.5)},
        {'surface_quality': quality(edge_blur_mm=4.0)},
        {'face_evidence': None},
        # noise breaks skin into what looks like the folds of a brain
        {'skull_stripped': True, 'surface_quality': quality(relative_noise=0.5)},
        {'skull_stripped': True, 'surface_quality': quality(edge_blur_mm=4.0)},
    ],
)
def test_no_face_found_is_not_safe_where_none_could_be_seen(poor: dict[str, object]) -> None:
    """A scan too noisy for any detector, or cut at the eyes, may hold a face."""
    found = assess(replace(NO_FACE, **poor))  # type: ignore[arg-type]
    assert found.verdict == 'could not assess'
    assert found.reason


def test_a_scan_that_failed_is_not_safe() -> None:
    """Nobody looked at it."""
    found = assess(None, 'disk full')
    assert (found.face_present, found.verdict, found.reason) == (
        *(None, 'could not assess', 'disk full'),
    )


def test_a_face_is_never_no_findings_whichever_measure_fails() -> None:
    """One measure that goes wrong on somebody's scanner must not clear a whole dataset."""
    whole, gone = WHOLE_FACE, NO_FACE
    for relief, evidence, face, noise in product(
        (whole.face_relief, gone.face_relief, FaceRelief(1.0)),
        (whole.face_evidence, gone.face_evidence, None),
        (whole.face, gone.face),
        (0.05, 0.5),
    ):
        scan = replace(whole, face_relief=relief, face_evidence=evidence, face=face)
        scan = replace(scan, surface_quality=quality(relative_noise=noise))
        pairs = ((relief, whole.face_relief), (evidence, whole.face_evidence), (face, whole.face))
        if sum(one != other for one, other in pairs) <= 1:
            assert assess(scan).verdict != 'no findings', scan


def test_a_blurred_face_is_unsure() -> None:
    """Blurring leaves the large forms: a curator has to look."""
    relief = replace(WHOLE_FACE.face_relief, gain=0.3, correlation=0.55)
    evidence = FaceEvidence(3, 0.6, 3, None, 11.0, 5.0)
    found = assess(replace(WHOLE_FACE, face_relief=relief, face_evidence=evidence))
    assert (found.face_present, found.verdict) == ('unsure', 'review')


def test_brain_that_was_cut_is_a_warning() -> None:
    """Over-deep de-facing ruins cortical measures, and no face is left to complain about."""
    found = assess(replace(NO_FACE, brain_cut=BrainCut(20.0, 40.0)))
    assert (found.face_present, found.brain_loss, found.verdict) == ('no', 'yes', 'review')
    assert 'brain' in found.reason


def test_a_skull_stripped_scan_is_no_finding_with_its_reason() -> None:
    """It has no face; that its brain lies bare is no damage."""
    found = assess(replace(NO_FACE, skull_stripped=True, brain_cut=BrainCut(300.0, 300.0)))
    assert (found.face_present, found.verdict) == ('no', 'no findings')
    assert 'skull-stripped' in found.reason
    folded = assess(replace(NO_FACE, brain_cut=BrainCut(300.0, 300.0)))
    assert (folded.verdict, folded.brain_loss) == ('no findings', None)
