"""dlib's convolutional detector of faces (D. E. King, ``dnn_mmod_face_detection_ex.cpp``).

It sees an image in all sizes at once, side by side in one picture (``create_tiled_pyramid`` in
dlib's ``image_pyramid.h``). Here that picture is made of a grey image, and the network, built from
dlib's own weight file, runs on ONNX Runtime. dlib's implementation, which is several times slower,
stays as the reference that it is checked against each time it is loaded, and takes its place where
that check fails.

Only the face that the network is surest of is looked for: its neighbours need not be told apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import dlib
import numpy as np

from bids_reid.faces.networks.dlib_weights import (
    Affine,
    Convolution,
    Detector,
    Rectify,
    read_detector,
)
from bids_reid.faces.networks.onnx_graph import OnnxGraph, WeightsError
from bids_reid.faces.networks.sessions import open_session

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from bids_reid.faces.networks.dlib_weights import Layer

    Grey = NDArray[np.uint8]

TOLERANCE = 1e-4
"""Largest difference between the scores that both engines give for the picture of the check."""
CHECK_SIZE = (130, 120)
"""Rows and columns of that picture."""
_DRAWN = (
    (0.26, -0.17, 0.11, 0.06, 0.6),
    (0.26, -0.31, 0.15, 0.04, 0.25),
    (0.07, 0.19, 0.04, 0.03, 0.25),
    (0.0, 0.42, 0.2, 0.045, 0.4),
)
"""Eyes, brows, nostrils and mouth: across (both sides), down, half width and height, darkness."""
BETWEEN, AROUND = 10, 11
"""Pixels between the sizes of an image in the picture of all of them, and around all."""
SHRINK = 6
"""Each size is smaller than the one before by one in so many pixels."""
SMALLEST_ROWS = 5
UP = 0.3
"""How far dlib's pyramids move a point when they enlarge."""


class Face(NamedTuple):
    """A face, and how sure the network is of it; sides in pixels, right and down, are inside."""

    score: float
    left: int
    top: int
    right: int
    bottom: int


class FaceNetwork(Protocol):
    """What runs the network."""

    def surest(self, image: Grey) -> Face | None:
        """Find the face in a grey image (h, w) that it is surest of; none if it is of none."""
        ...


def load_face_network(weights: Path) -> FaceNetwork:
    """Load ONNX Runtime's engine, or dlib's where both do not agree.

    Parameters
    ----------
    weights : Path
        ``mmod_human_face_detector.dat``.
    """
    reference = DlibFaceNetwork(weights)
    try:
        fast = OnnxFaceNetwork(weights.read_bytes())
        drawn = drawn_face()
        agree = _alike(fast.surest(drawn), reference.surest(drawn))
    except Exception:  # noqa: BLE001 - whatever is wrong with it, the reference gives the same
        agree = False
    return fast if agree else reference


def drawn_face() -> Grey:
    """Draw what the network takes for a face, (rows, columns)."""
    rows, columns = CHECK_SIZE
    y, x = np.indices(CHECK_SIZE, np.float64)
    x, y = (x - (columns - 1) / 2) / 60, (y - (rows - 1) / 2) / 60
    head = 1 / (1 + np.exp(25 * (np.hypot(x / 0.62, y / 0.82) - 1)))
    light = 0.75 - 0.25 * x**2 - 0.2 * (y + 0.2) ** 2
    for across, down, wide, high, shade in _DRAWN:
        light -= shade * np.exp(-(((np.abs(x) - across) / wide) ** 2 + ((y - down) / high) ** 2))
    return np.round(255 * np.clip(head * light, 0, 1)).astype(np.uint8)


def _alike(one: Face | None, other: Face | None) -> bool:
    """Whether both are the same face: none at all tells nothing about an engine."""
    if one is None or other is None:
        return False
    return one[1:] == other[1:] and abs(one.score - other.score) <= TOLERANCE


class DlibFaceNetwork:
    """dlib's own implementation."""

    def __init__(self, weights: Path) -> None:
        self._model = dlib.cnn_face_detection_model_v1(str(weights))

    def surest(self, image: Grey) -> Face | None:
        """Find the face in a grey image (h, w) that it is surest of; none if it is of none."""
        faces = self._model(np.ascontiguousarray(np.dstack([image] * 3)), 0)
        if not faces:
            return None
        best = max(faces, key=lambda face: face.confidence)
        rect = best.rect
        sides = (rect.left(), rect.top(), rect.right(), rect.bottom())
        return Face(float(best.confidence), *sides)


class OnnxFaceNetwork:
    """The same network on ONNX Runtime."""

    def __init__(self, content: bytes) -> None:
        detector = read_detector(content)
        self._window = detector.window
        self._convolutions = [one for one in detector.layers if isinstance(one, Convolution)]
        self._session = open_session(tiled_model(detector))

    def surest(self, image: Grey) -> Face | None:
        """Find the face in a grey image (h, w) that it is surest of; none if it is of none."""
        tiles = tile_sizes(*image.shape)
        (scores,) = self._session.run(None, {'tiles': tiled(image, tiles)})
        scores = scores[0, 0]
        row, column = np.unravel_index(int(scores.argmax()), scores.shape)
        if not scores[row, column] > 0:
            return None
        centre = np.array([column, row], float)
        for one in reversed(self._convolutions):
            size = np.array(one.filters.shape[:1:-1])
            centre = centre * one.stride[::-1] - np.array(one.padding[::-1]) + size // 2
        half = (np.array(self._window[::-1]) - 1) / 2
        box = _to_image(np.array([centre - half, centre + half]), tiles)
        return Face(float(scores[row, column]), *np.floor(box + 0.5).astype(int).ravel().tolist())


def tiled_model(detector: Detector) -> bytes:
    """Build an ONNX model of a detector for tiled grey images.

    Its input ``tiles`` is (1, 2, rows, columns) float32 as `tiled` makes it, its output the score
    of each place, (1, 1, rows, columns).

    Raises
    ------
    WeightsError
        The layers are not convolutions.
    """
    graph = OnnxGraph()
    value = 'tiles'
    for layer in _for_tiles(_folded(detector.layers), detector.mean):
        if isinstance(layer, Convolution):
            value = graph.node(
                'Conv',
                value,
                graph.constant(layer.filters),
                graph.constant(layer.biases),
                strides=layer.stride,
                pads=layer.padding * 2,
            )
        elif isinstance(layer, Rectify):
            value = graph.node('Relu', value)
        else:
            raise WeightsError('not the layers of a detector')
    shape: list[int | str] = [1, 2, 'rows', 'columns']
    return graph.model('dlib_mmod', ('tiles', 'FLOAT', shape), value, [1, 1, None, None])


def _folded(layers: Sequence[Layer]) -> list[Layer]:
    """Put what affine layers multiply by and add into the convolutions before them."""
    found: list[Layer] = []
    for layer in layers:
        if not isinstance(layer, Affine):
            found.append(layer)
            continue
        before = found.pop() if found else None
        if not isinstance(before, Convolution):
            raise WeightsError('an affine layer that follows no convolution')
        filters = before.filters.astype(np.float64) * layer.scale[:, None, None, None]
        biases = before.biases.astype(np.float64) * layer.scale + layer.shift
        found.append(
            before._replace(filters=filters.astype(np.float32), biases=biases.astype(np.float32))
        )
    return found


def _for_tiles(layers: list[Layer], mean: NDArray[np.float64]) -> list[Layer]:
    """Let the first convolution take grey, and where there is an image, instead of colours.

    Between images a picture of all sizes is 0, and not the mean colour.
    """
    first, *others = layers
    if not isinstance(first, Convolution):
        raise WeightsError('a first layer that is no convolution')
    wide = first.filters.astype(np.float64) / 256
    grey = wide.sum(axis=1)
    image = -np.einsum('ncij,c->nij', wide, mean)
    filters = np.stack([grey, image], axis=1).astype(np.float32)
    return [first._replace(filters=filters), *others]


class Tile(NamedTuple):
    """One size of an image, and where it lies in the picture of all of them."""

    left: int
    top: int
    width: int
    height: int

    def distance(self, x: float, y: float) -> float:
        """How far a point is from the tile: 0 if it is inside."""
        across = max(self.left - x, x - (self.left + self.width - 1), 0)
        down = max(self.top - y, y - (self.top + self.height - 1), 0)
        return float(np.hypot(across, down))


def tile_sizes(height: int, width: int) -> list[Tile]:
    """Lay out all sizes of an image: down the left side, then up the right one."""
    sizes = [(width, height)]
    while True:
        width, height = ((SHRINK - 1) * side // SHRINK for side in sizes[-1])
        if width * height == 0 or height < SMALLEST_ROWS:
            break
        sizes.append((width, height))
    tiles, y = [], AROUND
    n_left = _count_left(sizes)
    for across, down in sizes[:n_left]:
        tiles.append(Tile(AROUND, y, across, down))
        y += down + BETWEEN
    bottom = y - BETWEEN
    for across, down in sizes[n_left:]:
        tile = Tile(AROUND + sizes[0][0] - across, bottom - down, across, down)
        # no size may cover the first one
        if tile.top < AROUND + sizes[0][1]:
            break
        tiles.append(tile)
        bottom -= down + BETWEEN
    return tiles


def _count_left(sizes: list[tuple[int, int]]) -> int:
    """Count the sizes on the left: until the next fits beside, and half of the rest is placed."""
    width, height = sizes[0]
    rest = sum(down + BETWEEN for _, down in sizes) - 2 * BETWEEN - height
    placed = before = 0
    for number, (across, down) in enumerate(sizes):
        if number and across <= width - before - BETWEEN and (placed - height) * 2 >= rest:
            return number
        placed += down + BETWEEN
        before = across
    return len(sizes)


def tiled(image: Grey, tiles: list[Tile]) -> NDArray[np.float32]:
    """Draw an image (h, w) in all sizes, and where they are: (1, 2, rows, columns).

    Each size is made of the one before, by lines between pixels, with corners on corners.
    """
    rows = max(tile.top + tile.height for tile in tiles) + AROUND
    columns = tiles[0].width + 2 * AROUND
    picture = np.zeros((1, 2, rows, columns), np.float32)
    shown = image.astype(np.float32)
    for number, (left, top, width, height) in enumerate(tiles):
        if number:
            shown = _resized(shown, height, width)
        place = slice(top, top + height), slice(left, left + width)
        picture[0, 0, *place] = shown
        picture[0, 1, *place] = 1
    return picture


def _resized(image: NDArray[np.float32], rows: int, columns: int) -> NDArray[np.float32]:
    """Interpolate between rows, then between columns."""
    for axis, n in enumerate((rows, columns)):
        last = image.shape[axis] - 1
        places = np.arange(n) * (last / max(n - 1, 1))
        before = np.minimum(places.astype(int), last)
        part = (places - before).astype(np.float32)
        part = part[:, None] if axis == 0 else part
        low = image.take(before, axis)
        image = low + part * (image.take(np.minimum(before + 1, last), axis) - low)
    return image


def _to_image(box: NDArray[np.float64], tiles: list[Tile]) -> NDArray[np.float64]:
    """Bring a box (2, 2), corners to the right and down, from the nearest tile to the image."""
    x, y = np.floor(box.mean(axis=0) + 0.5)
    number = int(np.argmin([tile.distance(x, y) for tile in tiles]))
    box = box - (tiles[number].left, tiles[number].top)
    for _ in range(number):
        box = box * (SHRINK / (SHRINK - 1)) + UP
    return box
