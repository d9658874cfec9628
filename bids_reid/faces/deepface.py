"""The extractors ``deepface-<Model>``: DeepFace's models of faces on ONNX Runtime.

A face is cut out as DeepFace does with its ``dlib`` detector and its defaults: the box, after the
image was turned until the eyes are level, scaled with its proportions kept and black beside it.
The box is the one that all extractors are given. ``deepface-Dlib`` gets dlib's own chips instead,
those of face_recognition, whose network it is. Features are compared by cosine, as DeepFace does.

DeepFace downloads weights that it misses, without a checksum. It never gets to: it is started with
a private folder that holds a link to one file, whose SHA-256 was verified.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bids_reid.errors import NoInputError
from bids_reid.faces.extractors import ALL_VIEWS, BASE_MEMORY_GB, Availability
from bids_reid.faces.face_recognition import load as load_face_recognition
from bids_reid.faces.networks.sessions import engine_name, open_session
from bids_reid.faces.weights import (
    ModelFile,
    default_folder,
    file_sha256,
    manifest,
    why_not,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from bids_reid.faces.detect import Box

BATCH = 16
"""Faces per call: more are no faster and take more memory."""
PREFIX = 'deepface-'
_SETTINGS = {
    'DEEPFACE_BACKEND_ENGINE': 'onnx',
    'DEEPFACE_ONNX_PROVIDERS': 'cpu',
    # warnings and worse
    'DEEPFACE_LOG_LEVEL': '30',
}


class DeepFaceExtractor:
    """One model of DeepFace, loaded when it is first needed."""

    kind: Literal['vector'] = 'vector'
    similarity: Literal['cosine'] = 'cosine'
    uses_network = False
    views = ALL_VIEWS

    def __init__(self, entry: ModelFile, folder: Path) -> None:
        self.name = f'{PREFIX}{entry.model}'
        self.dimension = entry.dimension
        self._entry, self._folder = entry, folder

    def available(self) -> Availability:
        """Say whether it can run: its weights, and a package it may need, have to be there."""
        return Availability(why_not(self._entry, self._folder), self._entry.by_name_only)

    def memory_gb(self) -> float:
        """Estimate what a process needs that runs it.

        While DeepFace opens a model there are two copies of it, and what the network computes.
        """
        weights = self._path.stat().st_size if self._path.is_file() else 0
        return BASE_MEMORY_GB + 3 * weights / 2**30

    def features(
        self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[Box]
    ) -> dict[str, NDArray[Any]]:
        """Return (n, dimension) features of n grey images (h, w) with one face box each.

        Raises
        ------
        NoInputError
            The weights are missing, altered or not those of the model.
        """
        features = np.empty((len(images), self.dimension), np.float32)
        pairs = list(zip(images, boxes, strict=True))
        for start in range(0, len(pairs), BATCH):
            part = pairs[start : start + BATCH]
            numbers = np.array(self._client.forward(self.inputs(*zip(*part, strict=True))))
            if numbers.size != len(part) * self.dimension:
                raise NoInputError(
                    f'{self._path} gives {numbers.size // len(part)} numbers per face, '
                    f'not the {self.dimension} of {self.name}'
                )
            features[start : start + BATCH] = numbers.reshape(len(part), -1)
        return {'features': features}

    def inputs(
        self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[Box]
    ) -> NDArray[np.float32]:
        """Return the network's input (n, height, width, 3), from 0 to 1."""
        from deepface.modules import preprocessing

        width, height = self._entry.input
        faces = (
            load_face_recognition().chips(images, boxes)
            if self._entry.package
            else map(level_face, images, boxes)
        )
        return np.concatenate(
            [
                # DeepFace too divides before it scales
                preprocessing.resize_image(_coloured(face) / 255, target_size=(height, width))
                for face in faces
            ]
        )

    def identity(self) -> dict[str, str]:
        """Name the model, its weights and who cuts the faces out.

        Raises
        ------
        NoInputError
            The weights are missing or altered.
        """
        reason = self.available().why_not
        if reason:
            raise NoInputError(f'{self.name}: {reason} ({self._path})')
        return {
            'Model': self._entry.file,
            'WeightsSHA256': file_sha256(self._path),
            'deepface': version('deepface'),
            'dlib': version('dlib-bin'),
        }

    def provenance(self) -> dict[str, str]:
        """Return the identity, the engine and how faces were cut out."""
        dlib_s = self._entry.package is not None
        return self.identity() | {
            'Engine': f'dlib {version("dlib-bin")}' if dlib_s else engine_name(),
            'Alignment': "dlib's chip" if dlib_s else 'eyes level, box of the face',
        }

    @property
    def _path(self) -> Path:
        return self._entry.path(self._folder)

    @cached_property
    def _client(self) -> Any:
        """DeepFace's model, its network with as many threads as were asked for."""
        self.identity()
        path = self._path.resolve()
        with _private_home(path, self._entry.file):
            from deepface.commons import backend_utils
            from deepface.modules import modeling

            if not backend_utils.is_onnx():
                raise RuntimeError('DeepFace was started with another engine than ONNX Runtime')
            try:
                client = modeling.get_model_class('facial_recognition', self._entry.model)()
                if type(client.model).__name__ == 'InferenceSession':
                    client.model = open_session(str(path))
            except Exception as error:
                raise NoInputError(f'{path} cannot be loaded as {self.name}') from error
        return client


def level_face(image: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """Cut a face out as DeepFace does when its ``dlib`` detector found it: (height, width).

    Parameters
    ----------
    image : (h, w) uint8
        Grey.
    box : Box
        Found by dlib's detector.
    """
    from deepface.models.Detector import FacialAreaRegion
    from deepface.modules import detection

    image = np.ascontiguousarray(image)
    # outer and inner corner of the eye on the left of the person's face, then of the other
    corners = [
        (point.x, point.y) for point in load_face_recognition().landmarks(image, box).parts()
    ]
    left, right = (
        tuple((a + b) // 2 for a, b in zip(*pair, strict=True))
        for pair in (corners[0:2], corners[2:4])
    )
    area = FacialAreaRegion(
        x=box.left,
        y=box.top,
        w=box.right - box.left,
        h=box.bottom - box.top,
        left_eye=left,
        right_eye=right,
    )
    face = detection.extract_face(
        facial_area=area,
        img=image[:, :, None],
        align=True,
        expand_percentage=0,
        width_border=0,
        height_border=0,
        detector_backend='dlib',
    ).img
    return np.asarray(face, np.uint8).reshape(face.shape[:2])


def _coloured(face: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.dstack([face] * 3)


@contextmanager
def _private_home(weights: Path, file: str) -> Iterator[None]:
    """Let DeepFace look into a folder with nothing but a link to one file."""
    with TemporaryDirectory(prefix='bids_reid_') as home, deepface_home(Path(home)) as folder:
        link = folder / file
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(weights)
        yield


@contextmanager
def deepface_home(home: Path) -> Iterator[Path]:
    """Give DeepFace a home, where it looks for weights, for a while; return its folder of weights.

    Otherwise it would use the user's, and what engine it finds.
    """
    settings = {**_SETTINGS, 'DEEPFACE_HOME': str(home)}
    before = {name: os.environ.pop(name, None) for name in settings}
    os.environ |= settings
    folder = home / '.deepface' / 'weights'
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        for name, value in before.items():
            del os.environ[name]
            if value is not None:
                os.environ[name] = value


def load(model: str) -> DeepFaceExtractor:
    """Return the extractor of one of DeepFace's models, one for the whole process and folder."""
    return _load(manifest()[model], default_folder())


@cache
def _load(entry: ModelFile, folder: Path) -> DeepFaceExtractor:
    return DeepFaceExtractor(entry, folder)
