"""The record of a scan: its keys are a contract, and what is read is what was written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from bids_reid.records import CompletedPart, FaceBoxes, ImageRecord, ScanMeasures, ScanRecord
from tests.support.scan_records import WHOLE_FACE, boxes, scan_record

SHARED = ['Description', 'Status', 'Reason', 'LeftOut', 'ViewsWithFace']
MEASURES = {
    'VoxelSize': '',
    'Notes': '',
    'Points': '',
    'VolumeLitres': '',
    'VaultRoughness': '',
    'SkullStripped': '',
    'SurfaceQuality': 'RelativeNoise EdgeBlurMm FaceInView FaceCoreInView FaceFitMm',
    'FaceFrame': 'Origin Forward Up Scale Source OffMm',
    'Face': 'FaceCovered FaceBehindMm HeadLoss',
    'FaceRelief': 'InView Eyes Nose Mouth Correlation Gain Symmetry Flat Steps',
    'BrainCut': 'CutCm2 DeepCm2',
    'FaceParts': 'Name InView Follows Around Alone Bend SpreadMm OffMm Near Emptied',
    'FaceMap': '',
    'HalfFaces': 'Hog Cnn',
    'CompleteFace': '',
    'FaceCompleted': 'Share Parts',
    'FaceEvidence': 'NCameras Hog HogCameras Cnn LandmarksOffMm LandmarksApartMm',
}
"""Keys of the record, and of the objects within."""
ORIGIN = ['Condition', 'Sources', 'SourceSHA256', 'SoftwareVersions', 'Before']


def test_the_keys_of_a_record_stay() -> None:
    """Scripts of users and records of earlier runs have them."""
    completed = replace(WHOLE_FACE, face_completed=CompletedPart(0.2, ('chin',)))
    content = scan_record('orb', measures=completed).to_json()
    assert list(content) == [
        *(*SHARED, *MEASURES, 'Renderer', 'Deidentification', 'Extractors', *ORIGIN),
    ]
    for key, keys in MEASURES.items():
        inner = content[key][0] if key == 'FaceParts' else content[key]
        assert not keys or ' '.join(inner) == keys, key
    assert list(content['Deidentification']) == ['Claimed', 'Methods']
    failed = scan_record(status='failed').to_json()
    assert list(failed) == [*SHARED, 'Deidentification', *ORIGIN]


@pytest.mark.parametrize('status', ['ok', 'no_face', 'failed'])
def test_a_record_comes_back_as_it_was(status: str) -> None:
    """The group level judges what was measured, not something near to it."""
    record = scan_record('orb', 'sift', status=status)
    written = json.dumps(record.to_json())
    assert ScanRecord.from_json(json.loads(written)) == record
    assert json.dumps(ScanRecord.from_json(json.loads(written)).to_json()) == written
    # what another version wrote, too, is of no interest
    more = record.to_json() | {'Weather': 'fine'}
    assert ScanRecord.from_json(more) == record


def test_boxes_come_back_as_they_were() -> None:
    faces = FaceBoxes((None, *boxes(4).boxes[1:]), boxes(4).found)
    assert FaceBoxes.from_json(json.loads(json.dumps(faces.to_json()))) == faces


@pytest.mark.parametrize(
    'damage',
    [
        *({key: ...} for key in ('Status', 'ViewsWithFace', 'Extractors', 'Points', 'FaceRelief')),
        {'Status': 'fine'},
        {'Sources': []},
        {'Sources': ['x']},
        {'FaceFrame': {}},
        {'FaceFrame': None},
        {'Points': None},
        {'VoxelSize': '1 mm'},
        {'SkullStripped': 'no'},
        {'SourceSHA256': 5},
        {'SourceSHA256': 'x' * 64},
        {'Points': -1},
        {'Points': True},
        {'Points': 1.5},
        {'Points': 10**30},
        {'ViewsWithFace': '81'},
        {'ViewsWithFace': -1},
        {'VolumeLitres': True},
        {'VolumeLitres': float('nan')},
        {'VolumeLitres': float('-inf')},
        {'VolumeLitres': 10**400},
        {'VoxelSize': [1, '1', 1]},
        {'VoxelSize': {'x': 1}},
        {'Notes': [3]},
        {'Notes': 'ab'},
        {'Extractors': 'orb'},
        {'Extractors': [['orb']]},
        {'Renderer': 3},
        {'Reason': ['x']},
        {'LeftOut': 0},
        {'SoftwareVersions': ['numpy']},
        {'SoftwareVersions': {'numpy': 2}},
        {'Deidentification': []},
        {'Deidentification': {'Claimed': 'no', 'Methods': []}},
        {'Sources': ['bids:raw:/etc/passwd']},
        {'Sources': ['bids:raw:sub-01/../../x']},
        {'Condition': None},
        {'Face': []},
        {'FaceParts': [WHOLE_FACE.to_json()['FaceParts'][0]] * 2},
        {'FaceParts': [WHOLE_FACE.to_json()['FaceParts'][0] | {'Name': 'beard'}]},
        {'FaceFrame': WHOLE_FACE.to_json()['FaceFrame'] | {'Source': 'guess'}},
        {'FaceFrame': WHOLE_FACE.to_json()['FaceFrame'] | {'Forward': [0, 1]}},
        {'FaceFrame': WHOLE_FACE.to_json()['FaceFrame'] | {'Forward': [0, 0, 0]}},
        {'FaceFrame': WHOLE_FACE.to_json()['FaceFrame'] | {'Up': [0, 1, 0]}},
        {'FaceFrame': WHOLE_FACE.to_json()['FaceFrame'] | {'Scale': 0}},
    ],
)
def test_what_is_damaged_is_not_read(damage: dict[str, Any]) -> None:
    """A scan of which something is not known must not pass for one where it is nothing."""
    content = scan_record('orb').to_json()
    for key, value in damage.items():
        if value is ...:
            del content[key]
        else:
            content[key] = value
    with pytest.raises((KeyError, TypeError)):
        ScanRecord.from_json(content)


WRONG = (None, True, -1, 10**400, float('nan'), 'x', '\udcff', [], [[]], {}, {'a': [3]}, [None])


def _places(content: Any, *above: Any) -> Iterator[tuple[Any, ...]]:
    """Keys that lead to each value."""
    inner = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in inner:
        yield (*above, key)
        if isinstance(value, dict | list):
            yield from _places(value, *above, key)


@pytest.mark.parametrize('value', WRONG, ids=repr)
def test_whatever_is_damaged_is_refused_or_can_be_written_again(value: Any) -> None:
    """A traceback says nothing; a number that is text breaks whoever computes with it."""
    text = json.dumps(scan_record('orb').to_json())
    taken = 0
    for place in _places(json.loads(text)):
        content = json.loads(text)
        inner = content
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = value
        try:
            record = ScanRecord.from_json(content)
        except (KeyError, TypeError):
            continue
        taken += 1
        json.dumps(record.to_json(), allow_nan=False)
        hash(record)
    # of some fields it is a value that can be, or they are of no interest
    assert taken < 60 or value in (None, -1)


@pytest.mark.parametrize('content', [None, 3, 'x', [], [[]], {}])
def test_what_is_no_object_is_no_record(content: Any) -> None:
    for kind in (ScanRecord, ImageRecord, ScanMeasures, FaceBoxes):
        with pytest.raises((KeyError, TypeError)):
            kind.from_json(content)


def test_numbers_are_written_as_precisely_as_they_are_known() -> None:
    """Digits that mean nothing make two runs on two machines differ."""
    content = json.loads(json.dumps(scan_record(measures=_with_noise(1 / 3)).to_json()))
    assert content['SurfaceQuality']['RelativeNoise'] == 0.33333
    assert content['VolumeLitres'] == 0.333
    assert content['FaceFrame']['Forward'] == [1 / 3] * 3


def _with_noise(number: float) -> ScanMeasures:
    return replace(
        WHOLE_FACE,
        volume_litres=number,
        surface_quality=replace(WHOLE_FACE.surface_quality, relative_noise=number),
        face_frame=replace(WHOLE_FACE.face_frame, forward=(number,) * 3),
    )
