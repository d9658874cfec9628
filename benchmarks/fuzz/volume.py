"""Fuzz volume to surface: ``python -m benchmarks.fuzz.volume --minutes 30 --seed 0``.

Small heads are written in nine formats; fields of their headers, words of headers of text, or
bytes before or after packing are changed. Each is read as a look reads it and, if it is NIfTI, as
a scan; its skin is cut and measured. Only `ScanError` may come of it. See
`benchmarks.fuzz.driver` for the options.
"""

from __future__ import annotations

import gzip
import io
import sys
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import nibabel as nib
import numpy as np

from benchmarks.fuzz.driver import NUMBERS, Case, main, mutated
from bids_reid.bids import formats
from bids_reid.errors import ScanError
from bids_reid.participant.measures import measured_skin
from bids_reid.surface.skin import extract_skin
from bids_reid.surface.volume import Volume, load_volume, prepared
from bids_reid.surface.volume_files import FORMATS, read_volume

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

MEASURED_OF = 6
"""One of so many skins is measured, too."""
FIELD_MM = (210.0, 250.0, 250.0)
KINDS = (np.int16, np.float32, np.uint8, np.float64, np.int32, np.uint16)
PACKED = {
    'gz': lambda content: gzip.compress(content, 1),
    'zlib': lambda content: zlib.compress(content, 1),
}


def head(random: np.random.Generator) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Make a head with a nose in air, of 16 to 48 voxels along an axis, and its affine."""
    shape = random.integers(16, 49, 3)
    sizes = np.array(FIELD_MM) / shape
    at = (np.indices(shape).T - (shape - 1) / 2) * sizes
    inside = ((at / (72.0, 92.0, 105.0)) ** 2).sum(axis=-1).T < 1
    inside |= (((at - (0, 92, -20)) / (15.0, 25.0, 20.0)) ** 2).sum(axis=-1).T < 1
    data = 200 * inside + np.abs(random.normal(0, 5, shape))
    extra = tuple(random.integers(1, 4, int(random.choice([0, 0, 0, 1, 2]))))
    if extra:
        data = data[(..., *(None for _ in extra))] * np.ones(extra)
    kind = KINDS[int(random.integers(len(KINDS)))]
    affine = np.diag([*sizes, 1.0])
    affine[:3, 3] = -np.array(FIELD_MM) / 2
    return data.astype(kind), affine


def number(random: np.random.Generator) -> float:
    """One at which readers break, or any."""
    if random.random() < 0.7:
        return float(NUMBERS[int(random.integers(len(NUMBERS)))])
    return float(random.normal() * 10 ** random.uniform(-6, 12))


def changed_fields(header: Any, random: np.random.Generator) -> list[str]:
    """Change one to three fields of a header that is a numpy record; return their names."""
    record = header.structarr
    names = [name for name in record.dtype.names if record.dtype[name].base.kind in 'iuf']
    chosen = [str(name) for name in random.choice(names, int(random.integers(1, 4)))]
    for name in chosen:
        field = np.atleast_1d(record[name]).copy()
        at = tuple(int(random.integers(length)) for length in field.shape)
        with np.errstate(all='ignore'), warnings.catch_warnings():
            warnings.simplefilter('ignore')
            if field.dtype.kind == 'f':
                field[at] = number(random)
            else:
                field[at] = np.array(number(random)).astype(field.dtype)
        record[name] = field.reshape(record[name].shape)
    return chosen


def changed_words(text: bytes, random: np.random.Generator) -> bytes:
    """Change one to three words of a header of text, or lose or double a line."""
    lines = text.split(b'\n')
    for _ in range(int(random.integers(1, 4))):
        at = int(random.integers(len(lines)))
        way = random.random()
        if way < 0.1:
            lines.pop(at)
        elif way < 0.2:
            lines.insert(at, lines[int(random.integers(len(lines)))])
        else:
            words = lines[at].split(b' ')
            words[int(random.integers(len(words)))] = f'{number(random):.6g}'.encode()
            lines[at] = b' '.join(words)
        if not lines:
            break
    return b'\n'.join(lines)


def _nifti(random: np.random.Generator, kind: Any, names: list[str]) -> bytes:
    data, affine = head(random)
    image = kind(data, affine)
    if random.random() < 0.5:
        image.set_qform(affine, 1)
    if random.random() < 0.2:
        image.header.extensions.append(
            nib.nifti1.Nifti1Extension('comment', random.bytes(int(random.integers(1, 100))))
        )
    header = image.header
    if random.random() < 0.3:
        header['xyzt_units'] = int(random.integers(8))
    content = image.to_bytes()
    read = kind.header_class.from_fileobj(io.BytesIO(content), check=False)
    if random.random() < 0.7:
        names += changed_fields(read, random)
    start = read.binaryblock
    return start + content[len(start) :]


def _mgh(random: np.random.Generator, names: list[str]) -> bytes:
    data, affine = head(random)
    first = data.reshape(*data.shape[:3], -1)[..., 0]
    image = nib.MGHImage(first.astype(np.float32), affine)
    content = image.to_bytes()
    header = nib.MGHImage.header_class.from_fileobj(io.BytesIO(content))
    if random.random() < 0.7:
        names += changed_fields(header, random)
    start = header.binaryblock[:284]
    return start + content[284:]


def _text(random: np.random.Generator, kind: str, names: list[str]) -> bytes:
    data, affine = head(random)
    data = data.astype('<i2')
    sizes = ' '.join(map(str, data.shape))
    spacing = np.diag(affine)[:3]
    raw = data.tobytes(order='F')
    packed = kind != 'mif' and random.random() < 0.5
    if kind == 'nrrd':
        axes = ['(1,0,0)', '(0,1,0)', '(0,0,1)'] + ['none'] * (data.ndim - 3)
        vectors = [
            'none' if one == 'none' else f'({",".join(str(x * size) for x in np.eye(3)[n])})'
            for n, (one, size) in enumerate(zip(axes, [*spacing, 1, 1], strict=False))
        ]
        lines = ['NRRD0004', 'type: short', f'dimension: {data.ndim}', 'space: RAS']
        lines += [f'sizes: {sizes}', f'space directions: {" ".join(vectors)}', 'endian: little']
        lines += [f'encoding: {"gzip" if packed else "raw"}', 'space origin: (-90,-100,-100)']
        text, end = '\n'.join(lines).encode(), b'\n\n'
        raw = PACKED['gz'](raw) if packed else raw
    elif kind == 'mha':
        lines = ['ObjectType = Image', f'NDims = {data.ndim}', 'BinaryData = True']
        lines += ['BinaryDataByteOrderMSB = False', f'CompressedData = {packed}']
        lines += [f'ElementSpacing = {" ".join(map(str, [*spacing, 1, 1][: data.ndim]))}']
        lines += [f'DimSize = {sizes}', 'ElementType = MET_SHORT', 'ElementDataFile = LOCAL']
        text, end = '\n'.join(lines).encode(), b'\n'
        raw = PACKED['zlib'](raw) if packed else raw
    else:
        lines = ['mrtrix image', f'dim: {sizes.replace(" ", ",")}']
        lines += [f'vox: {",".join(map(str, [*spacing, 1, 1][: data.ndim]))}']
        layout = ','.join(f'{random.choice(["+", "-"])}{axis}' for axis in range(data.ndim))
        lines += [f'layout: {layout}', 'datatype: Int16LE', 'transform: 1,0,0,-90']
        lines += ['transform: 0,1,0,-100', 'transform: 0,0,1,-100', 'file: . 1024']
        text, end = '\n'.join(lines).encode(), b'\nEND\n'
    if random.random() < 0.7:
        names.append('words')
        text = changed_words(text, random)
    start = text + end
    return (start.ljust(1024, b'\0') if kind == 'mif' else start) + raw


class VolumeTarget:
    """Volumes of nine formats, to the measures of their skin."""

    name = 'volume'
    allowed = (ScanError,)
    kinds = ('nii', 'nii.gz', 'nii2', 'nii2.gz', 'pair', 'mgh', 'mgz', 'nrrd', 'mha', 'mif')

    def case(self, random: np.random.Generator) -> Case:
        """Make a damaged volume."""
        kind = self.kinds[int(random.integers(len(self.kinds)))]
        names: list[str] = []
        files = self._files(kind, random, names)
        if not names or random.random() < 0.2:
            # also what is packed, after packing
            name = sorted(files)[int(random.integers(len(files)))]
            way, content = mutated(files[name], random)
            files = {**files, name: content}
            names.append(f'{way} {name}')
        return Case(f'{kind}: {", ".join(names)}', files)

    def _files(
        self, kind: str, random: np.random.Generator, names: list[str]
    ) -> Mapping[str, bytes]:
        if kind in {'nrrd', 'mha', 'mif'}:
            return {f'image.{kind}': _text(random, kind, names)}
        if kind in {'mgh', 'mgz'}:
            content = _mgh(random, names)
        else:
            two = kind.startswith('nii2')
            content = _nifti(random, nib.Nifti2Image if two else nib.Nifti1Image, names)
        if kind == 'pair':
            start = content[:344] + b'ni1\0' + content[348:352]
            return {'image.hdr': start, 'image.img': content[352:]}
        if not names and random.random() < 0.5:
            way, content = mutated(content, random)
            names.append(f'{way} before packing')
        name = 'image.' + kind.replace('nii2', 'nii')
        packed = kind.endswith(('.gz', 'mgz'))
        return {name: PACKED['gz'](content) if packed else content}

    def run(self, folder: Path, case: Case) -> str:
        """Read it as a look does, or as a scan, and measure its skin."""
        files = sorted(folder / name for name in case.files)
        if (
            len(case.files) == 1
            and '.nii' in files[0].name
            and zlib.crc32(case.label.encode()) % 2
        ):
            volume = load_volume(files[0])
        else:
            kind = self._kind(files)
            if kind is None:
                return 'not a format that is read'
            volume = prepared(read_volume(files, kind))
        # the same surface, and what is measured on it takes most of the time
        whole = zlib.crc32(case.label.encode()) % MEASURED_OF == 0
        skin = measured_skin(volume)[0] if whole else extract_skin(volume)
        return f'skin {"of a head" if 2 < skin.volume_litres < 6 else "of something else"}'

    def _kind(self, files: Sequence[Path]) -> str | None:
        kind = formats.image_format(formats.sniff(files[0]), files[0].name)
        return kind if kind in FORMATS else None


if __name__ == '__main__':
    cv2.setNumThreads(1)
    # what is loaded once, before there are cases
    healthy, placed = head(np.random.default_rng(0))
    measured_skin(Volume(healthy.reshape(healthy.shape[:3]).astype(np.float32), placed, (8, 8, 8)))
    sys.exit(main(VolumeTarget()))
