"""What a curator is told of a scan: a face that is called safe is a participant exposed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bids_reid.records import (
    IDENTIFYING,
    PART_NAMES,
    BrainCut,
    FaceEvidence,
    FaceFit,
    HalfFaces,
    ImageKind,
    ImageRecord,
    PictureFaces,
    ScanMeasures,
)
from bids_reid.risk.presence import assess, assess_image
from bids_reid.surface.parts import TOP
from bids_reid.surface.simple_shapes import PRISM
from tests.support.scan_records import (
    NO_FACE,
    WHOLE_FACE,
    left,
    outside,
    parts,
    quality,
    removed,
)

NEEDED = [part for name in IDENTIFYING for part in PART_NAMES[name]]


def test_a_whole_face_is_seen_and_is_to_be_reviewed() -> None:
    """A dataset that nobody de-faced must not come out as safe."""
    found = assess(WHOLE_FACE)
    assert (found.face_present, found.verdict, found.brain_loss) == ('yes', 'review', 'no')
    assert found.face_score is not None
    assert found.face_score > 0.9


def test_a_removed_face_is_no_finding() -> None:
    """Otherwise a curator has to look at every scan that was de-faced well."""
    found = assess(NO_FACE)
    assert (found.face_present, found.verdict) == ('no', 'no findings')
    assert found.parts_left == 'left ear, right ear'
    assert found.parts_unclear == 'none'


@pytest.mark.parametrize('part', NEEDED)
def test_one_part_that_is_left_is_a_finding_and_is_named(part: str) -> None:
    """A tool may leave one eye: the curator has to know which."""
    found = assess(replace(NO_FACE, face_parts=parts(removed, left(part))))
    assert (found.face_present, found.verdict) == ('unsure', 'review')
    assert found.parts_left is not None
    assert part in found.parts_left
    assert part in found.reason
    assert found.face_present != 'yes'


def test_ears_and_cheeks_are_named_but_do_not_count_unless_asked_for() -> None:
    """Most tools leave them: nobody could ever share."""
    cheek = replace(NO_FACE, face_parts=parts(removed, left('left cheek')))
    assert assess(cheek).verdict == 'no findings'
    assert 'left cheek' in (assess(cheek).parts_left or '')
    found = assess(NO_FACE, needed=(*IDENTIFYING, 'ears'))
    assert found.verdict == 'review'
    assert 'both ears' in found.reason
    assert assess(cheek, needed=('cheeks',)).verdict == 'review'
    nose = replace(NO_FACE, face_parts=parts(removed, left('nose')))
    assert assess(nose, needed=('eyes', 'mouth')).parts == assess(nose).parts


def test_parts_beyond_the_field_of_view_are_not_missed() -> None:
    """Most research scans end below the nose: nothing outside can be disclosed."""
    below = [outside(name) for name in ('mouth', 'chin')]
    found = assess(replace(NO_FACE, face_parts=parts(removed, *below)))
    assert found.verdict == 'no findings'
    assert found.parts['mouth'] == 'not in the image'
    whole = assess(replace(WHOLE_FACE, face_parts=parts(left, *below)))
    assert (whole.face_present, whole.verdict) == ('yes', 'review')
    nothing = assess(replace(NO_FACE, face_parts=parts(outside), half_faces=None))
    assert nothing.verdict == 'no findings'
    assert 'contains none of the face parts' in nothing.reason


def test_a_part_that_is_not_clear_is_reviewed() -> None:
    """Neither left nor removed is no pass."""
    odd = replace(left('nose'), follows=0.45, alone=0.45, around=0.4, bend=0.35, spread_mm=2.5)
    found = assess(replace(NO_FACE, face_parts=parts(removed, odd)))
    assert found.verdict == 'review'
    assert found.parts['nose'] != 'removed'


def test_the_parts_that_are_still_there_are_named_once() -> None:
    """(left: left eye, right eye) reads as the left side."""
    eyes = [left(f'{side} eye') for side in ('left', 'right')]
    found = assess(replace(NO_FACE, face_parts=parts(removed, *eyes, left('nose'))))
    assert found.verdict == 'review'
    assert '(still there: both eyes, nose)' in found.reason


def test_detectors_that_agree_keep_a_scan_from_no_findings() -> None:
    """The average head may be fitted to the wrong place: the face is there all the same."""
    found = assess(replace(NO_FACE, face_evidence=WHOLE_FACE.face_evidence))
    assert (found.face_present, found.verdict) == ('unsure', 'review')


def test_a_detector_alone_does_not_make_a_face() -> None:
    """dlib's HOG detector fires on tissue that a cut laid bare."""
    fired = FaceEvidence(3, 0.6, 3, 0.4, 15.0, 11.0)
    assert assess(replace(NO_FACE, face_evidence=fired)).face_present == 'no'


def test_the_plain_shape_of_a_face_keeps_a_scan_from_no_findings() -> None:
    """The model may go wrong on somebody's scanner."""
    found = assess(replace(NO_FACE, face=WHOLE_FACE.face))
    assert (found.face_present, found.verdict) == ('unsure', 'review')


def test_the_halves_of_no_face_keep_an_image_from_yes() -> None:
    """A curator would be told of a face where there is a part of one."""
    found = assess(replace(WHOLE_FACE, half_faces=HalfFaces(0.2, None)))
    assert (found.face_present, found.verdict) == ('unsure', 'review')


@pytest.mark.parametrize(
    'poor',
    [
        {'face_frame': replace(NO_FACE.face_frame, off_mm=None)},
        {'surface_quality': quality(relative_noise=0.5)},
        {'surface_quality': quality(edge_blur_mm=4.0)},
        {'face_evidence': None},
        {'face_parts': ()},
        # noise breaks skin into what looks like the folds of a brain
        {'skull_stripped': True, 'surface_quality': quality(relative_noise=0.5)},
        {'skull_stripped': True, 'surface_quality': quality(edge_blur_mm=4.0)},
    ],
)
def test_no_face_found_is_not_safe_where_none_could_be_seen(poor: dict[str, object]) -> None:
    """A scan too noisy for any detector, or that nobody knows the face of, may hold one."""
    found = assess(replace(NO_FACE, **poor))  # type: ignore[arg-type]
    assert found.verdict == 'could not assess'
    assert found.reason


def test_a_face_in_a_place_nobody_trusts_is_a_finding_all_the_same() -> None:
    """Not to know where a face should be is no reason not to see it."""
    frame = replace(WHOLE_FACE.face_frame, off_mm=None)
    assert assess(replace(WHOLE_FACE, face_frame=frame)).verdict == 'review'


def test_a_scan_that_failed_is_not_safe() -> None:
    """Nobody looked at it."""
    found = assess(None, 'disk full')
    assert (found.face_present, found.verdict, found.reason) == (
        *(None, 'could not assess', 'disk full'),
    )
    assert found.parts_left is None


def test_a_face_is_never_no_findings_whichever_measure_fails() -> None:
    """One measure that goes wrong on somebody's scanner must not clear a whole dataset."""
    gone: tuple[dict[str, object], ...] = (
        {'face': FaceFit(0.1, 30.0, 0.4)},
        {'face_evidence': NO_FACE.face_evidence},
        {'face_relief': NO_FACE.face_relief},
        {'half_faces': NO_FACE.half_faces},
        {'half_faces': None},
        {'face_parts': NO_FACE.face_parts},
        {'face_frame': NO_FACE.face_frame},
        {'surface_quality': quality(relative_noise=0.5)},
    )
    for change in gone:
        found = assess(replace(WHOLE_FACE, **change))  # type: ignore[arg-type]
        assert found.verdict != 'no findings', change


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


def image(**changes: object) -> ImageRecord:
    record = ImageRecord(
        *('ab', 'nifti', 'head volume', 'ok', None, {'bids_reid': '0'}), measures=WHOLE_FACE
    )
    return replace(record, **changes)  # type: ignore[arg-type]


def test_an_image_is_judged_as_a_scan_is() -> None:
    """The same head in another format must not have another verdict."""
    for measures in (WHOLE_FACE, NO_FACE):
        assert assess_image(image(measures=measures), 'T1w') == assess(measures)


@pytest.mark.parametrize('kind', ['archive', 'unreadable'])
def test_what_nobody_opened_was_not_looked_at(kind: str) -> None:
    """A pass must be impossible while there is anything that nobody looked at."""
    found = assess_image(image(kind=kind, status='failed', reason='no', measures=None), None)
    assert (found.verdict, found.reason, found.face_present) == ('not looked at', 'no', None)


def test_what_could_not_be_read_could_not_be_assessed() -> None:
    """A damaged file may show a face to whoever mends it."""
    for kind in ('head volume', 'other volume', 'surface', 'photograph', 'document'):
        found = assess_image(image(kind=kind, status='failed', measures=None), 'bold')
        assert found.verdict == 'could not assess'


CUT = replace(
    NO_FACE,
    face_frame=replace(NO_FACE.face_frame, off_mm=None),
    voxel_size=(3.0, 3.0, 3.0),
)


def test_functional_series_in_which_no_face_is_seen_need_no_sharper_look() -> None:
    """They end at the brow, and are distorted: each would have to be looked at by a person."""
    found = assess_image(image(measures=CUT), 'bold')
    assert found.verdict == 'no findings'
    assert 'published attack' in found.reason


@pytest.mark.parametrize('suffix', ['T1w', 'asl', 'm0scan', 'T2starw', 'magnitude1', None])
def test_other_images_get_the_full_judgement(suffix: str | None) -> None:
    """From spin labelling and gradient echoes people were recognised."""
    assert assess_image(image(measures=CUT), suffix).verdict == 'could not assess'


def test_a_fine_image_is_no_functional_one_whatever_its_name() -> None:
    """A T1w that is called bold must not slip through."""
    fine = replace(CUT, voxel_size=(1.0, 1.0, 4.0))
    assert assess_image(image(measures=fine), 'bold').verdict == 'could not assess'


def test_a_face_on_a_functional_series_is_a_finding() -> None:
    """Nobody shares what can be seen."""
    seen = replace(WHOLE_FACE, voxel_size=(3.0, 3.0, 3.0))
    assert assess_image(image(measures=seen), 'bold').verdict == 'review'


@pytest.mark.parametrize(
    ('faces', 'verdict'),
    [
        (PictureFaces(1, 1), 'review'),
        (PictureFaces(5, 1, 3), 'review'),
        (PictureFaces(5, 0), 'no findings'),
        (PictureFaces(5, 0, 1), 'could not assess'),
        (PictureFaces(0, 0, 1), 'could not assess'),
        # a series without a picture that could be read
        (PictureFaces(0, 0), 'could not assess'),
    ],
)
def test_pictures_are_judged_by_what_was_seen_on_them(faces: PictureFaces, verdict: str) -> None:
    """A photograph with a face is a finding; a picture that could not be read no pass."""
    found = assess_image(image(kind='document', measures=None, faces=faces), None)
    assert found.verdict == verdict


def test_what_needs_no_look_says_why() -> None:
    """A curator must be able to disagree."""
    record = image(status='not_needed', reason='3 slices', measures=None, kind='other volume')
    found = assess_image(record, None)
    assert (found.verdict, found.reason) == ('no findings', '3 slices')


def test_the_shape_of_a_brain_is_called_so() -> None:
    """That a face was removed would be wrong: none was ever there."""
    brain = replace(NO_FACE, volume_litres=1.4)
    found = assess_image(image(kind='other volume', measures=brain), 'mask')
    assert 'brain' in found.reason
    assert 'brain' not in assess_image(image(kind='surface', measures=NO_FACE), None).reason


@pytest.mark.parametrize('evidence', [FaceEvidence(), FaceEvidence(hog=0.4, cnn=0.3)])
def test_a_bottle_is_its_own_reason_and_no_pass(evidence: FaceEvidence) -> None:
    """Nobody removed a face from it, nor cut its brain; and nobody cleared it."""
    bottle = replace(
        NO_FACE, notes=(PRISM,), face_evidence=evidence, brain_cut=BrainCut(100.0, 50.0)
    )
    for found in (assess(bottle), assess_image(of_image(bottle), None)):
        assert found.verdict == 'could not assess'
        assert found.reason.startswith('not a head: the shape is that of a bottle')
        assert 'brain' not in found.reason
        assert 'removed' not in found.reason
        assert (found.face_present, found.brain_loss, found.parts_left) == (None, None, None)


def test_what_detectors_see_a_face_on_is_no_bottle() -> None:
    seen = replace(WHOLE_FACE, notes=(PRISM,), face_evidence=FaceEvidence(hog=1.5, cnn=1.0))
    assert assess(seen).verdict == 'review'


def test_of_what_is_hardly_a_head_no_brain_is_cut() -> None:
    """A melon has none; what may be a head stays one to look at."""
    nowhere = replace(NO_FACE.face_frame, off_mm=None)
    melon = replace(
        NO_FACE,
        face_frame=nowhere,
        face=replace(NO_FACE.face, head_loss=1.5),
        brain_cut=BrainCut(100.0, 50.0),
    )
    found = assess(melon)
    assert found.verdict in {'could not assess', 'review'}
    assert found.brain_loss is None
    assert 'hardly that of a head' in found.reason
    head = replace(melon, face=replace(NO_FACE.face, head_loss=1.1))
    assert assess(head).brain_loss == 'yes'


def test_the_top_of_a_body_is_cleared_only_if_it_is_a_head() -> None:
    """Feet have no face either."""
    notes = (
        f'488 x 344 x 516 mm of a field of view of 700 x 700 x 1800 mm were looked at: {TOP}',
    )
    top = replace(NO_FACE, notes=notes)
    assert assess(top).verdict == 'no findings'
    feet = replace(top, skull_stripped=True)
    for found in (
        assess(feet),
        assess_image(of_image(feet), None),
        assess_image(of_image(feet, 'other volume'), None),
    ):
        assert found.verdict == 'could not assess'
        assert 'only the upper part' in found.reason


def of_image(measures: ScanMeasures, kind: ImageKind = 'head volume') -> ImageRecord:
    return ImageRecord('0' * 64, 'nifti', kind, 'no_face', None, {}, measures, None)
