"""Templates as files: written, read, and found to be whole before anything is computed of them."""

from __future__ import annotations

import math
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile, ZipFile
from zlib import error as ZlibError  # noqa: N812

import numpy as np

from bids_reid.bids.files import read_json
from bids_reid.errors import ScanError, is_refusal
from bids_reid.faces.registrations import bids_label
from bids_reid.records import Keypoints, KeypointTemplate, Template
from bids_reid.views.cameras import N_VIEWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from bids_reid.bids.files import Batch
    from bids_reid.bids.layout import ScanFiles
    from bids_reid.records import Origin

FOUND = 'found'
"""Array of a template: whether a detector found the face in the view."""
LARGEST = 1 << 29
"""Largest size of a template in bytes, far more than any extractor gives.

Larger files are not unpacked.
"""

_NPY_LENGTH = slice(8, 10)
"""Place of the header's length in an NPY file."""


def write_template(
    batch: Batch,
    files: ScanFiles,
    provenance: Mapping[str, Any],
    template: Template | KeypointTemplate,
    origin: Origin,
) -> None:
    """Write a template and its sidecar; the provenance names the extractor as ``Extractor``."""
    target = files.template(bids_label(provenance['Extractor']))
    with batch.file(target).open('wb') as file:
        np.savez(file, **_arrays(template))  # type: ignore[arg-type]
    batch.json(
        target.with_suffix('.json'),
        {'Description': 'Face features of the renders', **provenance, **origin.to_json()},
    )


def _arrays(template: Template | KeypointTemplate) -> dict[str, NDArray[Any]]:
    """Return the arrays of a template's file."""
    detected = template.found
    if detected is None:
        detected = np.ones(len(template.views), dtype=bool)
    shared = {'view': template.views, FOUND: detected}
    if isinstance(template, KeypointTemplate):
        return {**template.keypoints.arrays(), **shared}
    return {'features': template.features, **shared}


def read_arrays(
    path: Path, names: Iterable[str] | None = None, *, largest: int | None = LARGEST
) -> dict[str, NDArray[Any]]:
    """Read arrays of an NPZ file; none that holds objects, which would be programs.

    Parameters
    ----------
    names : iterable of str, optional
        Those that are read; all by default.
    largest : int or None
        Bytes of all arrays together: a file that claims more is not unpacked.

    Raises
    ------
    OSError, ValueError
        It cannot be read, or is damaged.
    """
    try:
        with path.open('rb') as file, ZipFile(file) as content:
            claimed = sum(entry.file_size for entry in content.infolist())
            if largest is not None and claimed > largest:
                raise ValueError(f'it holds {claimed} bytes')
            chosen = names or [name.removesuffix('.npy') for name in content.namelist()]
            return {name: _array(content.read(f'{name}.npy')) for name in chosen}
    except (
        *(KeyError, IndexError, EOFError, BadZipFile, ZlibError, TypeError, AttributeError),
        *(NotImplementedError, RuntimeError, SyntaxError, MemoryError, OverflowError),
    ) as error:
        # readers of zip, of zlib and of numpy's headers each have their own
        raise ValueError(f'{type(error).__name__}: {error}') from error


def _array(member: bytes) -> NDArray[Any]:
    """Take the array of an NPY file; as `numpy.load`, which takes three times as long.

    It evaluates each header as an expression. Those of many templates are the same.
    """
    start = _NPY_LENGTH.stop + int.from_bytes(member[_NPY_LENGTH], 'little')
    shape, fortran_order, dtype = _header(member[:start])
    if dtype.hasobject:
        raise ValueError('it holds objects, of which reading would run a pickle')
    values = np.frombuffer(member, dtype, count=math.prod(shape), offset=start)
    return values.reshape(shape, order='F' if fortran_order else 'C')


@lru_cache(maxsize=256)
def _header(start: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and type of an array, from the first bytes of an NPY file."""
    file = BytesIO(start)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError('it is of another version of NPY than ours')
    return np.lib.format.read_array_header_1_0(file)


def template_of(arrays: Mapping[str, NDArray[Any]]) -> Template | KeypointTemplate:
    """Make a template of the arrays of a file, of vectors or of keypoints.

    Raises
    ------
    ValueError
        One of them is missing, or they do not fit each other.
    """
    try:
        views, found = arrays['view'], arrays.get(FOUND)
        _check(views.dtype.kind in 'iu' and views.ndim == 1, 'view')
        _check(bool(((views >= 0) & (views < N_VIEWS)).all()), 'view')
        _check(len(np.unique(views)) == len(views), 'view')
        _check(found is None or (found.dtype == bool and found.shape == views.shape), FOUND)
        views = views.astype(np.int32)
        if 'descriptors' in arrays:
            return KeypointTemplate(_keypoints(arrays, len(views)), views, found)
        features = arrays['features']
    except KeyError as error:
        raise ValueError(f'it has no {error}') from error
    _check(features.dtype == np.float32 and features.ndim == 2, 'features')
    _check(len(features) == len(views) and bool(np.isfinite(features).all()), 'features')
    return Template(features, views, found)


def _keypoints(arrays: Mapping[str, NDArray[Any]], n: int) -> Keypoints:
    """Take the keypoints of n images."""
    given = Keypoints.of(arrays)
    _check(given.descriptors.dtype == np.uint8 and given.descriptors.ndim == 2, 'descriptors')
    offsets, k = given.offsets, len(given.descriptors)
    _check(given.positions.dtype == np.float32 and given.positions.shape == (k, 2), 'positions')
    _check(bool(np.isfinite(given.positions).all()), 'positions')
    _check(offsets.dtype == np.int64 and offsets.shape == (n + 1,), 'offsets')
    _check(offsets[0] == 0 and offsets[-1] == k and bool((np.diff(offsets) >= 0).all()), 'offsets')
    return given


def _check(right: bool, name: str) -> None:
    if not right:
        raise ValueError(f'{name} has changed since it was written')


def read_template(
    files: ScanFiles,
    extractor: str,
    *,
    found_only: bool = True,
    dimension: int | None = None,
) -> Template | KeypointTemplate | None:
    """Read the template of an extractor; ``None`` if the scan has none.

    Parameters
    ----------
    found_only : bool
        Only of views in which a detector found the face, which is what a naive attacker has;
        otherwise also of those where the face frame says where it should be.
    dimension : int, optional
        Of the extractor's features: a template of others is none that it can have made.

    Raises
    ------
    ScanError
        The file is damaged.
    OSError
        The machine refuses something: the file may be whole.
    """
    path = files.template(bids_label(extractor))
    if not path.exists():
        return None
    try:
        template = template_of(read_arrays(path))
        if dimension is not None:
            _check(not len(template.views) or template.shape[1] == dimension, 'dimension')
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and is_refusal(error):
            raise
        raise ScanError(
            f'{path} is damaged: delete it and run the participant level again'
        ) from error
    return template.where_found() if found_only else template


def made_with(files: ScanFiles, extractor: str, model: Mapping[str, str]) -> bool:
    """Whether a template was made with ``model``: features of two models cannot be compared."""
    sidecar = read_json(files.template(bids_label(extractor)).with_suffix('.json'))
    return all(sidecar.get(key) == value for key, value in model.items())
