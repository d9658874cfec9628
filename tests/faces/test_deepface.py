"""DeepFace's models through the real loading and batching, with stand-ins for their weights."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from bids_reid.errors import NoInputError
from bids_reid.faces import deepface
from bids_reid.faces.deepface import BATCH, DeepFaceExtractor, level_face
from bids_reid.faces.detect import Box, find_face
from bids_reid.faces.weights import manifest, record

MODELS = manifest()
WriteWeights = Callable[..., Path]
Faces = tuple[list[NDArray[np.uint8]], list[Box]]


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Watch the home; all tests watch the network."""
    home = tmp_path / 'home'
    home.mkdir()
    monkeypatch.setenv('HOME', str(home))
    before = {name for name in os.environ if 'DEEPFACE' in name}
    yield
    assert list(home.iterdir()) == []
    assert {name for name in os.environ if 'DEEPFACE' in name} == before


@pytest.fixture(autouse=True)
def insightface(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for the part of InsightFace that DeepFace's Buffalo_L calls."""

    class ArcFace:
        def __init__(self, path: str) -> None:
            self.session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])

        def prepare(self, ctx_id: int, input_size: tuple[int, int]) -> None:
            assert input_size == (112, 112)

        def get_feat(self, image: NDArray[Any]) -> NDArray[Any]:
            blob = (image[None, :, :, ::-1].transpose(0, 3, 1, 2) - 127.5) / 127.5
            return self.session.run(None, {'input': blob.astype(np.float32)})[0]

    package, zoo = ModuleType('insightface'), ModuleType('insightface.model_zoo')
    zoo.get_model = ArcFace  # type: ignore[attr-defined]
    # find_spec looks here
    package.__spec__ = zoo.__spec__ = object()  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, 'insightface', package)
    monkeypatch.setitem(sys.modules, 'insightface.model_zoo', zoo)


@pytest.fixture(scope='module')
def faces() -> Faces:
    """More faces than a batch holds, all different."""
    from bids_reid.phantom.identity import draw_people
    from bids_reid.phantom.photograph import photograph

    (person,) = draw_people(1, seed=11)
    picture = photograph(person, seed=1, size=320) @ [0.299, 0.587, 0.114]
    upright = np.round(picture).astype(np.uint8)
    box = find_face(upright)
    assert box is not None
    images = [np.clip(upright + 3.0 * n, 0, 255).astype(np.uint8) for n in range(BATCH + 3)]
    return images, [box] * len(images)


@pytest.mark.parametrize('name', [name for name, entry in MODELS.items() if not entry.package])
def test_every_model_gives_features_of_its_weights_alone(
    name: str, tmp_path: Path, faces: Faces, write_weights: WriteWeights
) -> None:
    """The true weights are not here: all but them runs as it will with them."""
    write_weights(MODELS[name], tmp_path)
    extractor = DeepFaceExtractor(MODELS[name], tmp_path)
    features = extractor.features(*faces)['features']
    assert features.shape == (BATCH + 3, MODELS[name].dimension)
    assert features.dtype == np.float32
    # each row is that of its own image, wherever it stood
    for number in (0, BATCH - 1, BATCH, BATCH + 2):
        alone = extractor.features(faces[0][number : number + 1], faces[1][:1])['features']
        np.testing.assert_allclose(features[number], alone[0], rtol=1e-4, atol=1e-5)
    size = np.abs(features[0]).max()
    assert np.abs(features[0] - features[BATCH + 2]).max() > 1e-3 * size
    provenance = extractor.provenance()
    assert provenance['Model'] == MODELS[name].file
    assert provenance['deepface'] == '0.0.103'


@pytest.mark.parametrize('name', ['ArcFace', 'DeepID', 'SFace', 'VGG-Face', 'Dlib'])
def test_features_are_what_deepface_s_own_call_gives(
    name: str,
    tmp_path: Path,
    faces: Faces,
    write_weights: WriteWeights,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise the audit measures an attack that nobody makes."""
    entry = MODELS[name]
    if not entry.package:
        write_weights(entry, tmp_path)
    extractor = DeepFaceExtractor(entry, tmp_path)
    images, boxes = faces[0][:3], faces[1][:3]
    features = extractor.features(images, boxes)['features']
    from deepface.modules import modeling, representation

    monkeypatch.setattr(modeling, 'build_model', lambda **_: extractor._client)
    if entry.package:
        cut = deepface.load_face_recognition().chips(images, boxes)
    else:
        cut = [level_face(image, box) for image, box in zip(images, boxes, strict=True)]
    answer = representation.represent(
        [np.dstack([face] * 3) / 255 for face in cut],
        model_name=name,
        detector_backend='skip',
        align=False,
    )
    expected = [face[0]['embedding'] for face in answer]
    np.testing.assert_array_equal(features, np.array(expected, np.float32))


def test_dlib_s_network_gives_what_face_recognition_gives(faces: Faces) -> None:
    """They are one network with the same chips: largest difference allowed 1e-5 (L2)."""
    images, boxes = faces[0][:2], faces[1][:2]
    ours, theirs = (
        extractor.features(images, boxes)['features']
        for extractor in (
            DeepFaceExtractor(MODELS['Dlib'], Path('/nowhere')),
            deepface.load_face_recognition(),
        )
    )
    assert np.linalg.norm(ours - theirs, axis=1).max() < 1e-5
    assert np.linalg.norm(ours[0] - ours[1]) > 1e-3


class TestWithoutTheRightWeights:
    """One line before any work, and never a download."""

    def test_missing(self, tmp_path: Path, faces: Faces) -> None:
        extractor = DeepFaceExtractor(MODELS['ArcFace'], tmp_path)
        with pytest.raises(
            NoInputError, match=r'deepface-ArcFace: .*fetch .*arcface_weights.onnx'
        ):
            extractor.identity()
        with pytest.raises(NoInputError, match='are missing'):
            extractor.features(*faces)

    @pytest.mark.parametrize(
        ('noted', 'why'),
        [
            (False, 'differ from their recorded SHA-256'),
            (True, 'arcface_weights.onnx cannot be loaded'),
        ],
    )
    def test_no_network_at_all(
        self, tmp_path: Path, faces: Faces, write_weights: WriteWeights, noted: bool, why: str
    ) -> None:
        """Altered; or recorded, but not what DeepFace can read."""
        entry = MODELS['ArcFace']
        write_weights(entry, tmp_path).write_bytes(b'<html>not found</html>')
        if noted:
            record(entry, tmp_path, 'hand')
        with pytest.raises(NoInputError, match=why):
            DeepFaceExtractor(entry, tmp_path).features(*faces)

    def test_of_another_model(
        self, tmp_path: Path, faces: Faces, write_weights: WriteWeights
    ) -> None:
        """Two files that were mistaken for each other."""
        write_weights(MODELS['ArcFace'], tmp_path, dimension=128)
        with pytest.raises(NoInputError, match='gives 128 numbers per face, not the 512'):
            DeepFaceExtractor(MODELS['ArcFace'], tmp_path).features(*faces)


def test_eyes_are_level_and_the_face_in_its_box(faces: Faces) -> None:
    """A model trained on level faces knows tilted ones badly."""
    import cv2

    image, box = faces[0][0], faces[1][0]
    centre = ((box.left + box.right) / 2, (box.top + box.bottom) / 2)
    turned = cv2.warpAffine(image, cv2.getRotationMatrix2D(centre, 12, 1), image.shape[::-1])
    upright, again = level_face(image, box), level_face(turned, box)
    assert again.shape == upright.shape == (box.bottom - box.top, box.right - box.left)
    level, tilted = (
        np.corrcoef(upright.ravel(), face.ravel())[0, 1]
        for face in (again, turned[box.top : box.bottom, box.left : box.right])
    )
    assert level > 0.97 > tilted


def test_a_face_at_the_border_keeps_its_size(faces: Faces) -> None:
    """Black stands for what the image does not show."""
    image, box = faces[0][0], faces[1][0]
    cut = image[:, box.left + 20 :]
    moved = Box(0, box.top, box.right - box.left - 20, box.bottom)
    assert min(level_face(cut, moved).shape) > 30
