"""Volumes and surfaces in the formats that releases hold, written as other programs write them."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import nibabel as nib
import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Writer = Callable[[Path, NDArray[Any], NDArray[np.floating]], list[Path]]

_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def _saved(image: Any, path: Path) -> list[Path]:
    image.to_filename(path)
    return [path]


def write_nifti(folder: Path, data: NDArray[Any], affine: NDArray[np.floating]) -> list[Path]:
    """NIfTI 1, packed."""
    return _saved(nib.Nifti1Image(data, affine), folder / 'image.nii.gz')


def write_nifti2(folder: Path, data: NDArray[Any], affine: NDArray[np.floating]) -> list[Path]:
    """NIfTI 2."""
    return _saved(nib.Nifti2Image(data, affine), folder / 'image.nii')


def write_pair(folder: Path, data: NDArray[Any], affine: NDArray[np.floating]) -> list[Path]:
    """NIfTI 1 as a pair of header and data."""
    _saved(nib.Nifti1Pair(data, affine), folder / 'image.img')
    return [folder / 'image.hdr', folder / 'image.img']


def write_analyze(folder: Path, data: NDArray[Any], affine: NDArray[np.floating]) -> list[Path]:
    """Analyze 7.5, which does not say how the head lies."""
    image = nib.AnalyzeImage(np.flip(data, 0), None)
    image.header.set_zooms(np.linalg.norm(affine[:3, :3], axis=0))
    _saved(image, folder / 'image.img')
    return [folder / 'image.hdr', folder / 'image.img']


def write_mgz(folder: Path, data: NDArray[Any], affine: NDArray[np.floating]) -> list[Path]:
    """FreeSurfer's, packed."""
    return _saved(nib.MGHImage(data.astype(np.float32), affine), folder / 'orig.mgz')


def write_minc2(folder: Path, data: NDArray[Any], affine: NDArray[np.floating]) -> list[Path]:
    """MINC 2, which is HDF5; of axes along the scanner's."""
    path = folder / 'image.mnc'
    with h5py.File(path, 'w') as file:
        root = file.create_group('minc-2.0')
        names = ('zspace', 'yspace', 'xspace')
        for axis, name in zip((2, 1, 0), names, strict=True):
            one = root.create_dataset(f'dimensions/{name}', data=0)
            one.attrs['start'], one.attrs['step'] = affine[axis, 3], affine[axis, axis]
            one.attrs['length'] = data.shape[axis]
            one.attrs['direction_cosines'] = np.eye(3)[axis]
            one.attrs['spacing'] = np.bytes_('regular__')
        image = root.create_dataset('image/0/image', data=data.T.astype('<i2'))
        image.attrs['dimorder'] = np.bytes_(','.join(names))
        image.attrs['signtype'] = np.bytes_('signed__')
        low, high = float(data.min()), float(data.max())
        image.attrs['valid_range'] = [low, high]
        root['image/0'].create_dataset('image-min', data=low)
        root['image/0'].create_dataset('image-max', data=high)
    return [path]


def write_nrrd(folder: Path, data: NDArray[Any], affine: NDArray[np.floating]) -> list[Path]:
    """NRRD, packed, in LPS as ITK and Slicer write it."""
    return _nrrd(folder / 'image.nrrd', data, _LPS @ affine, 'left-posterior-superior', '')


def write_nhdr(folder: Path, data: NDArray[Any], affine: NDArray[np.floating]) -> list[Path]:
    """NRRD with its data beside it, in RAS."""
    return _nrrd(folder / 'image.nhdr', data, affine, 'RAS', 'image.raw.gz')


def _nrrd(
    path: Path, data: NDArray[Any], affine: NDArray[np.floating], space: str, beside: str
) -> list[Path]:
    columns = [f'({",".join(str(one) for one in column)})' for column in affine[:3, :4].T]
    lines = ['NRRD0004', '# made by a test', 'type: short', 'dimension: 3', f'space: {space}']
    lines += [f'sizes: {" ".join(map(str, data.shape))}']
    lines += [f'space directions: {" ".join(columns[:3])}', 'kinds: domain domain domain']
    lines += ['endian: little', 'encoding: gzip', f'space origin: {columns[3]}']
    lines += [f'data file: {beside}'] if beside else []
    packed = gzip.compress(data.astype('<i2').tobytes(order='F'))
    path.write_bytes('\n'.join([*lines, '', '']).encode() + (b'' if beside else packed))
    if beside:
        path.with_name(beside).write_bytes(packed)
        return [path, path.with_name(beside)]
    return [path]


def write_mha(folder: Path, data: NDArray[Any], affine: NDArray[np.floating]) -> list[Path]:
    """MetaImage, packed, as ITK writes it."""
    path = folder / 'image.mha'
    lps = _LPS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    packed = zlib.compress(data.astype('<i2').tobytes(order='F'))
    fields = {
        'ObjectType': 'Image',
        'NDims': 3,
        'BinaryData': True,
        'BinaryDataByteOrderMSB': False,
        'CompressedData': True,
        'CompressedDataSize': len(packed),
        'TransformMatrix': _words((lps[:3, :3] / spacing).T.ravel()),
        'Offset': _words(lps[:3, 3]),
        'ElementSpacing': _words(spacing),
        'DimSize': ' '.join(map(str, data.shape)),
        'ElementType': 'MET_SHORT',
        'ElementDataFile': 'LOCAL',
    }
    text = ''.join(f'{key} = {value}\n' for key, value in fields.items())
    path.write_bytes(text.encode() + packed)
    return [path]


def write_mif(folder: Path, data: NDArray[Any], affine: NDArray[np.floating]) -> list[Path]:
    """MRtrix', with the first axis stored from right to left."""
    path = folder / 'image.mif'
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    turn = affine[:3, :3] / spacing
    rows = [
        f'transform: {",".join(str(one) for one in (*turn[row], affine[row, 3]))}'
        for row in range(3)
    ]
    lines = ['mrtrix image', f'dim: {",".join(map(str, data.shape))}']
    lines += [
        f'vox: {",".join(map(str, spacing))}',
        'layout: -0,+1,+2',
        'datatype: Int16LE',
        *rows,
    ]
    text = '\n'.join([*lines, 'file: . 1024', 'END', '']).encode()
    numbers = np.flip(data, 0).astype('<i2').tobytes(order='F')
    path.write_bytes(text.ljust(1024, b'\0') + numbers)
    return [path]


def _words(numbers: Sequence[float] | NDArray[np.floating]) -> str:
    return ' '.join(f'{number:.10g}' for number in numbers)


def write_afni(folder: Path, data: NDArray[Any], affine: NDArray[np.floating]) -> list[Path]:
    """AFNI's header and data; of axes along the scanner's."""
    header = folder / 'image+orig.HEAD'
    spacing, origin = np.diag(affine)[:3], affine[:3, 3]
    attributes: dict[str, Any] = {
        'DATASET_RANK': [3, 1, 0, 0, 0, 0, 0, 0],
        'DATASET_DIMENSIONS': [*data.shape, 0, 0],
        'TYPESTRING': '3DIM_HEAD_ANAT',
        'SCENE_DATA': [0, 2, 0, -999, -999, -999, -999, -999],
        # left to right, posterior to anterior, inferior to superior
        'ORIENT_SPECIFIC': [1, 2, 4],
        'ORIGIN': [-origin[0], -origin[1], origin[2]],
        'DELTA': [-spacing[0], -spacing[1], spacing[2]],
        'IJK_TO_DICOM_REAL': [float(one) for one in (_LPS @ affine)[:3].ravel()],
        'BRICK_TYPES': [1],
        'BRICK_FLOAT_FACS': [0.0],
        'BYTEORDER_STRING': 'LSB_FIRST',
    }
    blocks = []
    for name, value in attributes.items():
        if isinstance(value, str):
            kind, count, text = 'string', len(value) + 1, f"'{value}~"
        else:
            kind = 'float' if isinstance(value[0], float) else 'integer'
            count, text = len(value), ' '.join(map(str, value))
        blocks.append(f'\ntype  = {kind}-attribute\nname  = {name}\ncount = {count}\n{text}\n')
    header.write_text(''.join(blocks))
    data_file = folder / 'image+orig.BRIK'
    data_file.write_bytes(data.astype('<i2').tobytes(order='F'))
    return [header, data_file]


def write_dicom(folder: Path, data: NDArray[Any], affine: NDArray[np.floating]) -> list[Path]:
    """A DICOM series of slices whose names are in no order."""
    lps = _LPS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    turn, series = lps[:3, :3] / spacing, generate_uid()
    files = []
    for number in range(data.shape[2]):
        one = dicom_file(data[..., number].T, series, number + 1)
        one.ImagePositionPatient = [round(float(x), 6) for x in (lps @ [0, 0, number, 1])[:3]]
        one.ImageOrientationPatient = [round(float(x), 6) for x in (*turn[:, 0], *turn[:, 1])]
        one.PixelSpacing = [float(spacing[1]), float(spacing[0])]
        one.SliceThickness = float(spacing[2])
        path = folder / f'{number * 37 % 1009:04d}.dcm'
        one.save_as(path, enforce_file_format=True)
        files.append(path)
    return sorted(files)


def dicom_file(pixels: NDArray[Any], series: str, number: int) -> FileDataset:
    """One slice of numbers (h, w), nowhere in space; or a picture (h, w, 3) of bytes."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one = FileDataset('', {}, file_meta=meta, preamble=b'\0' * 128)
    one.SOPClassUID, one.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
    one.SeriesInstanceUID, one.InstanceNumber, one.Modality = series, number, 'MR'
    one.Rows, one.Columns = pixels.shape[:2]
    colours = pixels.ndim == 3
    bits = 8 if colours else 16
    one.SamplesPerPixel = 3 if colours else 1
    one.PhotometricInterpretation = 'RGB' if colours else 'MONOCHROME2'
    if colours:
        one.PlanarConfiguration = 0
    one.BitsAllocated = one.BitsStored = bits
    one.HighBit, one.PixelRepresentation = bits - 1, 0 if colours else 1
    if not colours:
        # stored numbers are half of what they mean, and 10 less
        one.RescaleSlope, one.RescaleIntercept = 2, 10
        pixels = (pixels.astype(np.int32) - 10) // 2
    one.PixelData = pixels.astype('u1' if colours else '<i2').tobytes()
    return one


WRITERS: dict[str, Writer] = {
    'nifti': write_nifti,
    'nifti2': write_nifti2,
    'pair': write_pair,
    'analyze': write_analyze,
    'mgz': write_mgz,
    'minc2': write_minc2,
    'nrrd': write_nrrd,
    'nhdr': write_nhdr,
    'mha': write_mha,
    'mif': write_mif,
    'afni': write_afni,
    'dicom': write_dicom,
}
"""Name of a format to what writes a volume of int16, and gives its files, the header first."""

__all__ = ['WRITERS', 'Writer', 'dicom_file', 'pydicom']
