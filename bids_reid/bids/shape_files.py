"""Shapes of heads as files, in place of skins that are not kept: enough to link scans by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bids_reid.bids.template_files import read_arrays
from bids_reid.errors import is_refusal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bids_reid.bids.files import Batch
    from bids_reid.bids.layout import ScanFiles

_NAME = 'shape'


def write_shape(batch: Batch, files: ScanFiles, shape: NDArray[np.float32]) -> None:
    """Write a shape (m,), from `bids_reid.surface.signature.head_signature`."""
    with batch.file(files.shape).open('wb') as file:
        np.savez(file, **{_NAME: shape})  # type: ignore[arg-type]


def read_shape(files: ScanFiles) -> NDArray[np.float32] | None:
    """Read a shape (m,); ``None`` if it is not there, or damaged.

    Raises
    ------
    OSError
        The machine refuses something: the file may be whole.
    """
    from bids_reid.surface.signature import directions

    try:
        shape = read_arrays(files.shape, [_NAME])[_NAME]
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and is_refusal(error):
            raise
        return None
    return shape if shape.shape == (len(directions()),) and shape.dtype == np.float32 else None
