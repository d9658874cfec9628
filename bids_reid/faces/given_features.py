"""What an extractor of another package gave: checked, and the faces that it did not take.

A wrong array would be a wrong number in the tables, so that nothing is repaired here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bids_reid.errors import ExtractorError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def rejected(arrays: Mapping[str, NDArray[Any]], n: int) -> NDArray[np.bool_]:
    """Tell which of n faces an extractor did not take, (n,): rows of NaN.

    Of keypoints there may be none in an image; that is no rejection.
    """
    if 'features' not in arrays:
        return np.zeros(n, np.bool_)
    missing: NDArray[np.bool_] = np.isnan(arrays['features']).all(axis=1)
    return missing


def checked_vectors(given: object, n: int, dimension: int) -> dict[str, NDArray[Any]]:
    """Return the features of n images, if they are what the protocol asks for.

    Raises
    ------
    ExtractorError
        They are not float32 of shape (n, dimension), or hold infinite numbers, or NaN in a part
        of a row.
    """
    features = _array(given, 'features', np.float32)
    _check_shape('features', features, (n, dimension))
    finite = np.isfinite(features)
    wrong = ~finite.all(axis=1) & ~np.isnan(features).all(axis=1)
    if wrong.any():
        raise ExtractorError(
            f'feature {int(np.flatnonzero(wrong)[0])} of {n} has numbers that are not finite '
            '(a face that was not taken is a row of NaN alone)'
        )
    return {'features': features}


def checked_keypoints(given: object, n: int, dimension: int) -> dict[str, NDArray[Any]]:
    """Return the keypoints of n images, if they are what the protocol asks for.

    Raises
    ------
    ExtractorError
        They are not arrays as of `bids_reid.records.Keypoints`, or do not fit each other.
    """
    descriptors = _array(given, 'descriptors', np.uint8)
    positions = _array(given, 'positions', np.float32)
    offsets = _array(given, 'offsets', np.int64)
    _check_shape('offsets', offsets, (n + 1,))
    if offsets[0] != 0 or (np.diff(offsets) < 0).any():
        raise ExtractorError('offsets do not go up from 0')
    _check_shape('descriptors', descriptors, (int(offsets[-1]), dimension))
    _check_shape('positions', positions, (int(offsets[-1]), 2))
    if not np.isfinite(positions).all():
        raise ExtractorError('positions are not all finite')
    return {'descriptors': descriptors, 'positions': positions, 'offsets': offsets}


def _array(given: object, name: str, kind: type[np.generic]) -> NDArray[Any]:
    if not isinstance(given, Mapping) or name not in given:
        raise ExtractorError(f'it gave no {name}')
    array = given[name]
    if not isinstance(array, np.ndarray) or array.dtype != kind:
        found = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise ExtractorError(f'{name} are {found}, not an array of {kind.__name__}')
    return array


def _check_shape(name: str, array: NDArray[Any], wanted: tuple[int, ...]) -> None:
    if array.shape != wanted:
        raise ExtractorError(f'{name} have shape {array.shape}, not {wanted}')
