"""The extractors ``orb`` and ``sift``: keypoints of the face, a negative reference.

What lies around the face (hair, background, the edge of the head) is left out, and each face is
brought to one size first, so that a keypoint's scale means the same in photographs and renders.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import cv2
import numpy as np

from bids_reid.faces.extractors import BASE_MEMORY_GB, STANDARD_VIEWS, Availability
from bids_reid.records import Keypoints

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bids_reid.faces.detect import Box

FACE_PIXELS = 160
"""Side of the face box after scaling."""
MARGIN = 0.2
"""Margin around the box, in box sizes, so that brows and chin are inside."""
LIMIT = 120
"""Number of strongest keypoints of an image; the time of a comparison grows with its square."""


class _KeypointExtractor:
    """What ORB and SIFT share."""

    kind: Literal['keypoints'] = 'keypoints'
    uses_network = False
    views = STANDARD_VIEWS
    name: ClassVar[str]
    dimension: ClassVar[int]
    algorithm: ClassVar[str]

    def available(self) -> Availability:
        """Say that it can run: it has no weights."""
        return Availability()

    def memory_gb(self) -> float:
        """Estimate what a process needs that runs it."""
        return BASE_MEMORY_GB

    def features(
        self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[Box]
    ) -> dict[str, NDArray[Any]]:
        """Return the arrays of the keypoints of n grey images (h, w) with one face box each."""
        by_image = [
            self._strongest(face_region(image, box))
            for image, box in zip(images, boxes, strict=True)
        ]
        descriptors, positions = zip(*by_image, strict=True) if by_image else ((), ())
        offsets = np.zeros(len(by_image) + 1, np.int64)
        np.cumsum([len(rows) for rows in descriptors], out=offsets[1:])
        nothing = np.empty((0, self.dimension), np.uint8), np.empty((0, 2), np.float32)
        return Keypoints(
            np.concatenate([nothing[0], *descriptors]),
            np.concatenate([nothing[1], *positions]),
            offsets,
        ).arrays()

    def identity(self) -> dict[str, str]:
        """Name the algorithm and the version of OpenCV: it has no weights."""
        return {'Model': self.algorithm, 'opencv': cv2.__version__}

    def provenance(self) -> dict[str, str]:
        """Return the identity."""
        return self.identity()

    @cached_property
    def _detector(self) -> Any:
        raise NotImplementedError

    def _strongest(self, face: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return descriptors (k, d) and positions (k, 2) of the strongest keypoints of a face."""
        points, descriptors = self._detector.detectAndCompute(face, None)
        if descriptors is None:
            return np.empty((0, self.dimension), np.uint8), np.empty((0, 2), np.float32)
        places = np.array([point.pt for point in points], np.float32)
        strength = np.array([point.response for point in points])
        # the same order for the same strength, whatever order OpenCV's threads find them in
        order = np.lexsort((places[:, 0], places[:, 1], -strength))[:LIMIT]
        positions = (places[order] + 0.5) / FACE_PIXELS - (0.5 + MARGIN)
        return np.asarray(descriptors[order], np.uint8), positions.astype(np.float32)


class Orb(_KeypointExtractor):
    """ORB (Rublee et al., ICCV 2011): 256 bits per keypoint, compared by Hamming distance."""

    name = 'orb'
    dimension = 32
    distance: Literal['hamming'] = 'hamming'
    algorithm = 'OpenCV ORB'

    @cached_property
    def _detector(self) -> Any:
        # the default threshold finds next to nothing on the smooth skin of a render
        return cv2.ORB.create(nfeatures=LIMIT, edgeThreshold=15, patchSize=31, fastThreshold=5)


class Sift(_KeypointExtractor):
    """SIFT (Lowe, IJCV 2004): 128 numbers of 0 to 255 per keypoint, by Euclidean distance."""

    name = 'sift'
    dimension = 128
    distance: Literal['euclidean'] = 'euclidean'
    algorithm = 'OpenCV SIFT'

    @cached_property
    def _detector(self) -> Any:
        return cv2.SIFT.create(nfeatures=LIMIT, contrastThreshold=0.01)


def face_region(image: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """Cut the face out with a margin, square and of one size; black outside the image.

    Parameters
    ----------
    image : (h, w) uint8
        Grey.
    box : Box
        Its middle and its longer side count.
    """
    size = max(box.right - box.left, box.bottom - box.top) + 1
    scale = FACE_PIXELS / size
    # pixel centres are at whole numbers, edges half a pixel before them
    corner = np.array([box.left + box.right, box.top + box.bottom]) / 2 - size * (0.5 + MARGIN)
    shift = -scale * corner - 0.5
    side = round(FACE_PIXELS * (1 + 2 * MARGIN))
    if scale < 1:
        # a warp reads four pixels for each, however many it covers
        image = cv2.GaussianBlur(image, (0, 0), 0.5 / scale)
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    return np.asarray(cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR))
