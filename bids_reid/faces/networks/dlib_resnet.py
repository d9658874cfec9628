"""dlib's face recognition network (D. E. King, ``dnn_face_recognition_ex.cpp``) on ONNX Runtime.

The network is built from dlib's own weight file, for grey chips, and run in batches; dlib's
implementation, which is many times slower, stays as the reference that it is checked against each
time it is loaded, and takes its place where that check fails.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import dlib
import numpy as np

from bids_reid.faces.networks.dlib_onnx import grey_model
from bids_reid.faces.networks.dlib_weights import read_network
from bids_reid.faces.networks.engines import Loaded, check_chips, load_checked
from bids_reid.faces.networks.sessions import CARD_BATCH, engine_name, filled, open_session

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

CHIP_PIXELS = 150
DIMENSION = 128
TOLERANCE = 1e-4
"""Largest L2 distance between the features that both engines give for one chip."""
BATCH = 16
"""Chips per call: more are no faster and take more memory."""


def load_engine(weights: Path) -> Loaded:
    """Load ONNX Runtime's engine, or dlib's where the two do not agree.

    The model is built anew in each process and never written: that takes a fifth of a second, and
    a copy on disk would have to be found, trusted and kept up to date.

    Parameters
    ----------
    weights : Path
        ``dlib_face_recognition_resnet_model_v1.dat``.
    """
    content = weights.read_bytes()
    return load_checked(
        lambda: OnnxEngine(content),
        lambda: DlibEngine(weights),
        check_chips(CHIP_PIXELS),
        TOLERANCE,
        hashlib.sha256(content).hexdigest(),
        on_card=lambda: OnnxEngine(content, on_card=True),
    )


class DlibEngine:
    """dlib's own implementation."""

    def __init__(self, weights: Path) -> None:
        self.name = f'dlib {dlib.__version__}'
        self._model = dlib.face_recognition_model_v1(str(weights))

    def embed(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (n, 128) features of n grey aligned faces (n, 150, 150)."""
        rows = [self._model.compute_face_descriptor(np.dstack([chip] * 3)) for chip in chips]
        return np.array(rows, np.float32).reshape(-1, DIMENSION)


class OnnxEngine:
    """The same network on ONNX Runtime.

    What it gives for a chip depends neither on the other chips of a call nor on their number.
    """

    def __init__(self, content: bytes, *, on_card: bool = False) -> None:
        self.name, self._on_card = engine_name(on_card=on_card), on_card
        model = grey_model(read_network(content))
        self._session = open_session(model, on_card=on_card)

    def embed(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (n, 128) features of n grey aligned faces (n, 150, 150)."""
        features = np.empty((len(chips), DIMENSION), np.float32)
        batch = CARD_BATCH if self._on_card else BATCH
        for start in range(0, len(chips), batch):
            part = slice(start, start + batch)
            given = filled(chips[part]) if self._on_card else chips[part]
            (found,) = self._session.run(None, {'chips': given})
            features[part] = found[: len(chips[part])]
        return features
