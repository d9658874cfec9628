"""Local binary patterns of a face: a small extractor that bids_reid finds when it is installed.

Each pixel is described by which of its eight neighbours are brighter, and each cell of a grid on
the face by how often each description occurs in it (Ahonen et al., IEEE TPAMI 2006). It is an
honest method of its time, and much weaker than a network.
"""

import numpy as np
from PIL import Image

from bids_reid.faces.extractors import Availability

SIDE, CELLS = 114, 7
"""Pixels of a face, and cells in a row of the grid: 16 pixels each, without the outermost."""
SMALLEST = 32
"""Side of the smallest face that it takes, in pixels."""
_AROUND = ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0))


def _labels() -> np.ndarray:
    """Number the 58 patterns with at most two changes around the circle; all others are 58."""
    bits = (np.arange(256)[:, None] >> np.arange(8)) & 1
    uniform = (bits != np.roll(bits, 1, axis=1)).sum(axis=1) <= 2
    return np.where(uniform, np.cumsum(uniform) - 1, uniform.sum())


class LocalBinaryPatterns:
    """The extractor; bids_reid/faces/extractors.py says what each of its parts is for."""

    name = 'lbp'
    kind = 'vector'
    similarity = 'euclidean'
    dimension = CELLS * CELLS * 59
    uses_network = False

    def available(self) -> Availability:
        """Say that it can run; a licence that is missing would be a sentence here."""
        return Availability(why_not=None)

    def memory_gb(self) -> float:
        """Estimate what a process needs that runs it."""
        return 0.8

    def features(self, images, boxes) -> dict[str, np.ndarray]:
        """Return a row for each grey image (h, w) uint8 with one face box; NaN if not taken."""
        rows = np.full((len(images), self.dimension), np.nan, np.float32)
        for row, image, box in zip(rows, images, boxes, strict=True):
            if min(box.right - box.left, box.bottom - box.top) + 1 >= SMALLEST:
                row[:] = self._histograms(image, box)
        return {'features': rows}

    def _histograms(self, image, box) -> np.ndarray:
        area = (box.left, box.top, box.right + 1, box.bottom + 1)
        face = Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.LANCZOS, area)
        grey, inside = np.asarray(face), SIDE - 2
        middle = grey[1:-1, 1:-1]
        code = sum(
            (grey[y : y + inside, x : x + inside] >= middle).astype(int) << bit
            for bit, (y, x) in enumerate(_AROUND)
        )
        size = inside // CELLS
        cells = _labels()[code].reshape(CELLS, size, CELLS, size).swapaxes(1, 2)
        counts = [np.bincount(cell, minlength=59) for cell in cells.reshape(CELLS**2, -1)]
        # distances of square roots of shares are those of Hellinger
        return np.sqrt(np.concatenate(counts) / size**2)

    def identity(self) -> dict[str, str]:
        """Say what features depend on; bids_reid adds the name and version of the package."""
        return {'Model': f'uniform local binary patterns, {CELLS} x {CELLS} cells'}

    def provenance(self) -> dict[str, str]:
        """Say what else tells how features came about."""
        return {'numpy': np.__version__}
