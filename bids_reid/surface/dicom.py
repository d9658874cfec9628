"""DICOM series: slices in their order become a volume; other series become pictures."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import nibabel as nib
import numpy as np
import pydicom
from pydicom.pixels.processing import apply_modality_lut

from bids_reid.errors import ScanError
from bids_reid.surface.all_volumes import places, with_more
from bids_reid.surface.reading import DamagedError, check_size, reading
from bids_reid.surface.volume import MIN_SLICES, stored

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from bids_reid.surface.volume import Stored

MOST_PICTURES = 64
"""Of what is no volume, so many pictures are looked at."""
SAME_MM = 0.01
"""Slices nearer to each other than this are the same slice at another time."""
_MOSAIC = (0x0019, 0x100A)
"""Siemens' private element: how many slices a mosaic holds."""
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


class Series(NamedTuple):
    """A series: a volume, or pictures (h, w) or (h, w, 3) of which there is no volume.

    ``n_left_out`` counts the pictures beyond those.
    """

    volume: Stored | None
    pictures: list[NDArray[np.generic]]
    n_left_out: int = 0


class _Slice(NamedTuple):
    """Where a slice lies: position of its first pixel and directions of its axes, LPS mm."""

    source: Any
    frame: int | None
    position: NDArray[np.float64]
    axes: NDArray[np.float64]
    spacing: tuple[float, float]
    shape: tuple[int, int]

    @property
    def normal(self) -> NDArray[np.float64]:
        return np.cross(self.axes[0], self.axes[1])

    @property
    def plane(self) -> tuple[Any, ...]:
        """Shape and axes, which slices of one volume share."""
        return (*self.shape, *np.round(self.axes, 2).ravel().tolist())


def read_series(files: Sequence[Path]) -> Series:
    """Read a series.

    Raises
    ------
    ScanError
        A file cannot be read, or is packed in a way that cannot be unpacked here.
    """
    name = files[0].name
    with reading(name, *files):
        datasets = [_opened(path) for path in files]
        datasets = [data for data in datasets if 'Rows' in data]
        if not datasets:
            raise ScanError(f'{name} contains no pixels')
        return _series(datasets, name)


def _opened(path: Path) -> Any:
    """Read a file's header; its pixels are read when they are needed."""
    if path.is_symlink() and not path.exists():
        raise ScanError(
            f'{path.name} is a link to content that is not on this machine: get it first'
        )
    return pydicom.dcmread(path, force=True, defer_size='1 KB')


def _series(datasets: Sequence[Any], name: str) -> Series:
    if _MOSAIC in datasets[0] and 'MOSAIC' in datasets[0].get('ImageType', ()):
        return Series(_from_mosaics(datasets, name), [])
    grey = [data for data in datasets if int(data.get('SamplesPerPixel', 1)) == 1]
    slices = [one for data in grey for one in _slices(data)]
    # of a series with several planes or sizes, those that most slices have
    (plane, _), *_ = Counter(one.plane for one in slices).most_common(1) or [((), 0)]
    times = _times([one for one in slices if one.plane == plane])
    if not times or len(times[0]) < MIN_SLICES:
        return Series(None, *_pictures(datasets))
    n_whole = sum(len(one) for one in times if len(one) == len(times[0]))
    if len(slices) - n_whole >= MIN_SLICES or len(grey) < len(datasets):
        raise ScanError(f'{name} and its series contain several volumes: inspect them yourself')
    return Series(_stacked([one for one in times if len(one) == len(times[0])], name), [])


def _slices(data: Any) -> list[_Slice]:
    """Slices of a file, one or, in an enhanced one, many; none if it does not say where."""
    shape = (int(data.Rows), int(data.Columns))
    if 'PerFrameFunctionalGroupsSequence' not in data:
        if 'ImagePositionPatient' not in data or 'ImageOrientationPatient' not in data:
            return []
        if int(data.get('NumberOfFrames', 1) or 1) > 1:
            return []
        position, axes = data.ImagePositionPatient, data.ImageOrientationPatient
        spacing = data.get('PixelSpacing') or (1.0, 1.0)
        return [_slice(data, None, position, axes, spacing, shape)]
    shared = (data.get('SharedFunctionalGroupsSequence') or [pydicom.Dataset()])[0]
    found = []
    for number, own in enumerate(data.PerFrameFunctionalGroupsSequence):
        position = _group(own, shared, 'PlanePositionSequence', 'ImagePositionPatient')
        axes = _group(own, shared, 'PlaneOrientationSequence', 'ImageOrientationPatient')
        spacing = _group(own, shared, 'PixelMeasuresSequence', 'PixelSpacing') or (1.0, 1.0)
        if position is not None and axes is not None:
            found.append(_slice(data, number, position, axes, spacing, shape))
    return found


def _group(own: Any, shared: Any, group: str, name: str) -> Any:
    """A value of a frame, or of all frames."""
    for where in (own, shared):
        if group in where and name in where[group][0]:
            return where[group][0].get(name)
    return None


def _slice(
    data: Any, frame: int | None, position: Any, axes: Any, spacing: Any, shape: tuple[int, int]
) -> _Slice:
    rows, columns = (float(size) for size in spacing)
    directions = np.array(axes, float).reshape(2, 3)
    return _Slice(data, frame, np.array(position, float), directions, (rows, columns), shape)


def _times(slices: Sequence[_Slice]) -> list[list[_Slice]]:
    """Slices along their normal: the first of each place, the second of each, and so on."""
    if not slices:
        return []
    normal = slices[0].normal

    def order(one: _Slice) -> tuple[float, int, int]:
        number = int(one.source.get('InstanceNumber', 0) or 0)
        return float(one.position @ normal), number, one.frame or 0

    ordered = sorted(slices, key=order)
    at = [one.position @ normal for one in ordered]
    new = [True, *(there - here > SAME_MM for here, there in pairwise(at))]
    times: list[list[_Slice]] = []
    number = 0
    for one, is_new in zip(ordered, new, strict=True):
        number = 0 if is_new else number + 1
        if number == len(times):
            times.append([])
        times[number].append(one)
    return times


def _stacked(times: Sequence[Sequence[_Slice]], name: str) -> Stored:
    """Stack slices to a volume; what is shown at other times only is added."""
    slices = times[0]
    others = (_filled(times[number], name) for (number,) in places((len(times),)))
    data, _ = with_more(_filled(slices, name), others)
    steps = [other.position - one.position for one, other in pairwise(slices)]
    step = np.median(steps, axis=0)
    first = slices[0]
    affine = np.eye(4)
    affine[:3, 0] = first.axes[0] * first.spacing[1]
    affine[:3, 1] = first.axes[1] * first.spacing[0]
    affine[:3, 2], affine[:3, 3] = step, first.position
    return _stored(data, _LPS @ affine, name)


def _filled(slices: Sequence[_Slice], name: str) -> NDArray[np.float32]:
    """Numbers of the slices of a volume."""
    first = slices[0]
    frames: dict[int, NDArray[np.generic]] = {}
    shape = (first.shape[1], first.shape[0], len(slices))
    check_size(prod(shape), 4)
    data = np.empty(shape, np.float32)
    for number, one in enumerate(slices):
        key = id(one.source)
        if key not in frames:
            # of a single slice, nothing is kept
            frames = {key: _values(one.source, name)}
        values = frames[key] if one.frame is None else frames[key][one.frame]
        data[..., number] = values.T
    return data


def _from_mosaics(datasets: Sequence[Any], name: str) -> Stored:
    """Cut Siemens' mosaics of slices into volumes; what only later ones show is added."""
    data = datasets[0]
    first = _from_mosaic(data, name)
    others = (_from_mosaic(datasets[number], name) for (number,) in places((len(datasets),)))
    volume, _ = with_more(first, (one for one in others if one.shape == first.shape))
    axes = np.array(data.get('ImageOrientationPatient', (1, 0, 0, 0, 1, 0)), float).reshape(2, 3)
    rows, columns = (float(size) for size in data.get('PixelSpacing', (1.0, 1.0)))
    apart = float(data.get('SpacingBetweenSlices') or data.get('SliceThickness') or 1.0)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = axes[0] * columns, axes[1] * rows
    affine[:3, 2] = np.cross(axes[0], axes[1]) * apart
    return _stored(volume, _LPS @ affine, name)


def _from_mosaic(data: Any, name: str) -> NDArray[np.float32]:
    """Cut a mosaic into a volume.

    Raises
    ------
    ScanError
        It is none.
    """
    if _MOSAIC not in data:
        raise ScanError(f'{name} and its series contain several volumes: inspect them yourself')
    n = int(data[_MOSAIC].value)
    if n < 1:
        raise DamagedError(f'its mosaic has {n} slices')
    tiles = int(np.ceil(np.sqrt(n)))
    picture = _values(data, name)
    height, width = (side // tiles for side in picture.shape)
    check_size(width * height * n, 4)
    volume = np.empty((width, height, n), np.float32)
    for number in range(n):
        row, column = divmod(number, tiles)
        there = (
            slice(row * height, (row + 1) * height),
            slice(column * width, (column + 1) * width),
        )
        volume[..., number] = picture[there].T
    return volume


def _stored(data: NDArray[np.float32], affine: NDArray[np.float64], name: str) -> Stored:
    image = nib.Nifti1Image(data, affine)
    image.header.set_sform(affine, 1)
    return stored(image, name)


def _values(data: Any, name: str) -> NDArray[np.float32]:
    """Numbers of a file, in the units that it means."""
    return np.asarray(apply_modality_lut(_pixels(data, name), data), np.float32)


def _pixels(data: Any, name: str) -> NDArray[np.generic]:
    """Unpack the pixels of a file.

    Raises
    ------
    ScanError
        Nobody here can.
    """
    frames = int(data.get('NumberOfFrames', 1) or 1) * int(data.get('SamplesPerPixel', 1) or 1)
    check_size(int(data.Rows) * int(data.Columns) * frames, int(data.BitsAllocated) // 8)
    if not hasattr(data, 'file_meta') or 'TransferSyntaxUID' not in data.file_meta:
        data.ensure_file_meta()
        data.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
    try:
        return np.asarray(data.pixel_array)
    except (RuntimeError, NotImplementedError) as error:
        packed = data.file_meta.TransferSyntaxUID.name
        raise ScanError(
            f'cannot decode {name}, which is compressed as {packed}: inspect it yourself'
        ) from error


def _pictures(datasets: Sequence[Any]) -> tuple[list[NDArray[np.generic]], int]:
    """Pictures of what makes no volume, frame by frame, and the number of those left out."""
    pictures: list[NDArray[np.generic]] = []
    n_left_out = 0
    for data in datasets:
        if len(pictures) >= MOST_PICTURES:
            n_left_out += int(data.get('NumberOfFrames', 1) or 1)
            continue
        pixels = _pixels(data, str(data.filename or 'file').rpartition('/')[2])
        colours = int(data.get('SamplesPerPixel', 1)) > 1
        if colours and 'YBR' in str(data.get('PhotometricInterpretation', '')):
            # brightness is all that is looked at
            pixels = pixels[..., 0]
            colours = False
        if str(data.get('PhotometricInterpretation', '')) == 'MONOCHROME1':
            pixels = pixels.max() - pixels
        frames = pixels.ndim - (3 if colours else 2)
        pictures.extend(pixels if frames else [pixels])
    return pictures[:MOST_PICTURES], n_left_out + max(0, len(pictures) - MOST_PICTURES)
