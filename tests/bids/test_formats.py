"""What a file is: a scan that is taken for something else is shared without a look."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image as Picture

from bids_reid.bids.archives import describe_archive
from bids_reid.bids.formats import (
    FORMATS,
    OTHER,
    Content,
    format_by_name,
    format_of_absent,
    image_format,
    sniff,
    sniff_file,
)

VOLUME = np.arange(6**3, dtype=np.float32).reshape(6, 6, 6)
HEAD_SIZE = (40, 40, 40)
VERTICES = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=np.float32)
FACES = np.array([[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]], dtype=np.int32)


def saved(image_class: Any, name: str) -> Callable[[Path], Path]:
    """A function that writes a volume with nibabel."""

    def write(folder: Path) -> Path:
        nibabel.save(image_class(VOLUME, np.eye(4)), folder / name)
        return folder / name

    return write


def written(name: str, content: bytes | Callable[[], bytes]) -> Callable[[Path], Path]:
    """A function that writes bytes, or what a function makes."""

    def write(folder: Path) -> Path:
        (folder / name).write_bytes(content() if callable(content) else content)
        return folder / name

    return write


def nifti_bytes() -> bytes:
    return bytes(nibabel.Nifti1Image(VOLUME, np.eye(4)).to_bytes())


def picture_bytes(kind: str, size: tuple[int, int] = (8, 8)) -> bytes:
    file = io.BytesIO()
    Picture.new('RGB', size).save(file, kind)
    return file.getvalue()


def zip_bytes(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def tar_bytes(members: dict[str, bytes], mode: str = 'w') -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def npy_bytes(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def minc1_bytes() -> bytes:
    from scipy.io import netcdf_file

    file = io.BytesIO()
    with netcdf_file(file, 'w') as minc:
        for axis in ('zspace', 'yspace', 'xspace'):
            minc.createDimension(axis, 3)
        minc.createVariable('image', 'i2', ('zspace', 'yspace', 'xspace'))[:] = 1
        minc.flush()
        return file.getvalue()


def hdf5_bytes(name: str, shape: tuple[int, ...]) -> bytes:
    h5py = pytest.importorskip('h5py')
    file = io.BytesIO()
    with h5py.File(file, 'w') as content:
        content.create_dataset(name, data=np.zeros(shape, dtype='i2'))
    return file.getvalue()


def mat_bytes(*, format: str = '5', **variables: Any) -> bytes:  # noqa: A002
    from scipy.io import savemat

    file = io.BytesIO()
    savemat(file, variables, format=format)
    return file.getvalue()


def dicom_bytes(series: str = '1.2.3', *, preamble: bool = True, implicit: bool = False) -> bytes:
    pydicom = pytest.importorskip('pydicom')
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, MRImageStorage

    dataset = pydicom.Dataset()
    dataset.SOPClassUID = MRImageStorage
    dataset.SOPInstanceUID = '1.2.3.4'
    dataset.Modality = 'MR'
    dataset.SeriesInstanceUID = series
    dataset.Rows = dataset.Columns = 4
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.SamplesPerPixel, dataset.PixelRepresentation = 15, 1, 0
    dataset.PhotometricInterpretation = 'MONOCHROME2'
    dataset.PixelData = bytes(32)
    syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    file = io.BytesIO()
    if preamble:
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.save_as(file, enforce_file_format=True)
    else:
        dataset.save_as(file, implicit_vr=implicit, little_endian=True)
    return file.getvalue()


def surface_bytes() -> bytes:
    return (
        b'\xff\xff\xfecreated by us\n\n'
        + struct.pack('>2i', len(VERTICES), len(FACES))
        + VERTICES.astype('>f4').tobytes()
        + FACES.astype('>i4').tobytes()
    )


def gifti_bytes() -> bytes:
    arrays = [
        nibabel.gifti.GiftiDataArray(VERTICES, 'NIFTI_INTENT_POINTSET'),
        nibabel.gifti.GiftiDataArray(FACES, 'NIFTI_INTENT_TRIANGLE'),
    ]
    return bytes(nibabel.gifti.GiftiImage(darrays=arrays).to_bytes())


def fif_tags(*tags: tuple[int, bytes]) -> bytes:
    """Tags of a FIF file, one after the other; the first has to say what it is."""
    first = (100, bytes(20))
    parts = []
    for kind, data in (first, *tags):
        parts.append(struct.pack('>4i', kind, 31 if kind == 100 else 3, len(data), 0) + data)
    return b''.join(parts)


PNG_IN_TEXT = b'data:image/png;base64,' + b'iVBORw0KGgoAAAANSUhEUgAAAAgAAAAI' * 4
MRTRIX = b'mrtrix image\ndim: 3,3,3\nvox: 1,1,1\ndatatype: UInt8\nfile: . 100\nEND\n' + bytes(60)
NRRD = b'NRRD0004\ntype: uchar\ndimension: 3\nsizes: 3 3 3\nencoding: raw\n\n' + bytes(27)
META = b'ObjectType = Image\nNDims = 3\nDimSize = 3 3 3\nElementType = MET_UCHAR\n'
HEAD = b'\ntype = integer-attribute\nname = DATASET_DIMENSIONS\ncount = 3\n 3 3 3\n'

IMAGES = {
    'NIfTI 1': (saved(nibabel.Nifti1Image, 'a.nii'), 'nifti'),
    'NIfTI 1, gz': (saved(nibabel.Nifti1Image, 'a.nii.gz'), 'nifti'),
    'NIfTI 2': (saved(nibabel.Nifti2Image, 'a.nii'), 'nifti'),
    'NIfTI 1, pair': (saved(nibabel.Nifti1Pair, 'a.hdr'), 'nifti'),
    'Analyze': (saved(nibabel.AnalyzeImage, 'a.hdr'), 'analyze'),
    'SPM': (saved(nibabel.Spm99AnalyzeImage, 'a.hdr'), 'analyze'),
    'MGH': (saved(nibabel.MGHImage, 'a.mgh'), 'mgh'),
    'MGZ': (saved(nibabel.MGHImage, 'a.mgz'), 'mgh'),
    'NIfTI, bz2': (
        written('a.nii.bz2', lambda: bz2.compress(nifti_bytes())),
        'nifti',
    ),
    'NIfTI, xz': (written('a', lambda: lzma.compress(nifti_bytes())), 'nifti'),
    'MINC 1': (written('a.mnc', minc1_bytes), 'minc'),
    'MINC 2': (
        written('a.mnc', lambda: hdf5_bytes('minc-2.0/image/0/image', (3, 3, 3))),
        'minc',
    ),
    'NRRD': (written('a.nrrd', NRRD), 'nrrd'),
    'MetaImage': (written('a.mha', META + b'ElementDataFile = LOCAL\n' + bytes(27)), 'metaimage'),
    'AFNI': (written('a+orig.HEAD', HEAD.replace(b'name', b'name')), 'afni'),
    'ECAT 7': (written('a.v', b'MATRIX72v\0' + bytes(600)), 'ecat'),
    'MRtrix': (written('a.mif', MRTRIX), 'mrtrix'),
    'CTF MRI 2': (written('a.mri', b'CTF_MRI_FORMAT VER 2.2\0' + bytes(600)), 'ctf mri'),
    'CTF MRI 4': (written('a.mri', b'WS1_\0\0\0\x10_CTFMRI_VERSION' + bytes(600)), 'ctf mri'),
    'DICOM': (written('IM0001', dicom_bytes), 'dicom'),
    'DICOM without preamble': (
        written('IM0001', lambda: dicom_bytes(preamble=False)),
        'dicom',
    ),
    'implicit DICOM without preamble': (
        written('IM', lambda: dicom_bytes(preamble=False, implicit=True)),
        'dicom',
    ),
    'DICOM, gz': (written('a', lambda: gzip.compress(dicom_bytes())), 'dicom'),
    'head in FIF': (
        written('head.fif', fif_tags((104, struct.pack('>i', 310)), (105, bytes(4)))),
        'fif',
    ),
    'GIfTI': (written('a.gii', gifti_bytes), 'gifti'),
    'FreeSurfer': (written('lh.pial', surface_bytes()), 'freesurfer surface'),
    'FreeSurfer, quadrangles': (
        written('lh.orig', b'\xff\xff\xff\0\0\x04\0\0\x01' + bytes(4 * 6 + 12)),
        'freesurfer surface',
    ),
    'FreeSurfer, text': (
        written('a.asc', b'#!ascii version of lh.pial\n4 4\n'),
        'freesurfer surface',
    ),
    'STL': (written('a.stl', bytes(80) + struct.pack('<I', 2) + bytes(100)), 'stl'),
    'STL, text': (written('a', b'solid head\n facet normal 0 0 1\n outer loop\n'), 'stl'),
    'PLY': (written('a', b'ply\nformat ascii 1.0\nelement vertex 3\n'), 'ply'),
    'OBJ': (written('a', b'# a head\no head\nv 1.0 2 -3e1\nv 1 2 3\n'), 'obj'),
    'OFF': (written('a', b'OFF\n4 4 6\n0 0 0\n'), 'off'),
    'VTK': (written('a', b'# vtk DataFile Version 3.0\nhead\nASCII\n'), 'vtk'),
    'VTP': (written('a', b'<?xml version="1.0"?>\n<VTKFile type="PolyData">\n'), 'vtk'),
    'VRML': (written('a', b'#VRML V2.0 utf8\nShape {}\n'), 'scene'),
    'glTF': (written('a', b'glTF\2\0\0\0' + bytes(20)), 'scene'),
    'NumPy': (written('a', lambda: npy_bytes(np.zeros(HEAD_SIZE, 'u1'))), 'array'),
    'NumPy, objects': (
        written('a', lambda: npy_bytes(np.array([{'head': 1}], dtype=object))),
        'array',
    ),
    'NumPy, several': (
        written(
            'a',
            lambda: zip_bytes(
                {'x.npy': npy_bytes(np.zeros(3)), 'y.npy': npy_bytes(np.zeros(HEAD_SIZE))}
            ),
        ),
        'array',
    ),
    'MATLAB': (written('a.mat', lambda: mat_bytes(x=np.zeros(HEAD_SIZE))), 'array'),
    'MATLAB, in a structure': (
        written('a.mat', lambda: mat_bytes(x={'y': {'z': np.zeros(HEAD_SIZE)}})),
        'array',
    ),
    'MATLAB 4, in rows': (
        written('a.mat', lambda: mat_bytes(format='4', a=np.eye(3), b=np.zeros((32, 1024)))),
        'array',
    ),
    'HDF5': (written('a.h5', lambda: hdf5_bytes('x/y', HEAD_SIZE)), 'array'),
    **{
        kind: (written('a', picture_bytes(kind)), format_)
        for kind, format_ in {
            'JPEG': 'jpeg',
            'PNG': 'png',
            'GIF': 'gif',
            'BMP': 'bmp',
            'TIFF': 'tiff',
            'WEBP': 'webp',
            'PPM': 'netpbm',
            'JPEG2000': 'jpeg 2000',
        }.items()
    },
    'HEIC': (written('a', b'\0\0\0\x18ftypheic' + bytes(100)), 'heif'),
    'AVIF': (written('a', b'\0\0\0\x18ftypavif' + bytes(100)), 'heif'),
    'MP4': (written('a', b'\0\0\0\x18ftypisom' + bytes(100)), 'video'),
    'QuickTime': (written('a', b'\0\0\0\x18moov' + bytes(100)), 'video'),
    'AVI': (written('a', b'RIFF\0\1\0\0AVI LIST' + bytes(100)), 'video'),
    'Matroska': (written('a', b'\x1a\x45\xdf\xa3' + bytes(100)), 'video'),
    'SVG with a picture': (
        written('a.svg', b'<svg><image href="' + PNG_IN_TEXT + b'"/></svg>'),
        'document',
    ),
    'page with a picture far behind': (
        written('a.html', b'<html>' + b'word ' * 60_000 + PNG_IN_TEXT),
        'document',
    ),
    'notebook': (
        written('a.ipynb', json.dumps({'data': {'image/png': 'iVBORw0K' * 20}}).encode()),
        'document',
    ),
    'PDF with a picture': (written('a', b'%PDF-1.4\n<< /Subtype /Image >>'), 'document'),
    'PDF of parts': (written('a', b'%PDF-1.5\n<< /Type /ObjStm >> ' + bytes(99)), 'document'),
    'Word with a picture': (
        written(
            'a.docx',
            zip_bytes({'[Content_Types].xml': b'<x/>', 'word/media/1.png': picture_bytes('PNG')}),
        ),
        'document',
    ),
    'zip with a scan': (written('a', zip_bytes({'b.txt': nifti_bytes()})), 'archive'),
    'tar with a scan': (written('a', tar_bytes({'n.txt': b'x', 'b': nifti_bytes()})), 'archive'),
    'tgz with a scan': (written('a', tar_bytes({'b': nifti_bytes()}, 'w:gz')), 'archive'),
    'txz with a scan': (written('a', tar_bytes({'b': nifti_bytes()}, 'w:xz')), 'archive'),
    'zip in a zip': (written('a', zip_bytes({'b.zip': zip_bytes({'c.txt': b'x'})})), 'archive'),
    'damaged zip': (written('a', zip_bytes({'b.txt': b'some words'})[:30]), 'archive'),
    'damaged tar': (written('a', tar_bytes({'b.txt': b'words' * 999})[:1024]), 'archive'),
    '7z': (written('a', b'7z\xbc\xaf\x27\x1c' + bytes(100)), 'archive'),
    'rar': (written('a', b'Rar!\x1a\x07\x01\0' + bytes(100)), 'archive'),
    'zst': (written('a', b'\x28\xb5\x2f\xfd' + bytes(100)), 'archive'),
    'nobody knows': (written('a.xyz', bytes(range(256)) * 4), 'unknown'),
    'nobody knows, gz': (written('a.gz', gzip.compress(bytes(range(256)) * 4)), 'unknown'),
    'text at first': (written('a.txt', b'words ' * 20_000 + bytes(999)), 'unknown'),
    'no UTF-16': (written('a.txt', b'\xff\xfe' + bytes(range(256)) * 4), 'unknown'),
    'no font': (written('a.img', b'\0\1\0\0\0' + bytes(999)), 'unknown'),
    'no pointer': (written('a', b'/annex/objects/MD5-s1--a\n' + bytes(99_999)), 'unknown'),
    'text called .nii': (written('a.nii', b'Not Found\n'), 'unknown'),
    'text called .dcm.': (written('a.dcm', b'Not Found\n'), 'unknown'),
    'empty, called .nii.gz': (written('a.nii.gz', b''), 'nifti'),
    'empty, called .jpg': (written('a.JPG', b''), 'jpeg'),
}


@pytest.mark.parametrize(('write', 'expected'), IMAGES.values(), ids=IMAGES)
def test_it_is_recognised_under_any_name(
    tmp_path: Path, write: Callable[[Path], Path], expected: str
) -> None:
    """By content: a scan may be called notes.txt, and a download that failed T1w.nii."""
    path = write(tmp_path)
    assert image_format(sniff(path), path.name) == expected
    if expected == 'unknown' or not path.stat().st_size:
        return
    for name in ('notes.txt', 'sidecar.json', 'nothing', 'b.tsv', 'b.eeg'):
        other = path.rename(tmp_path / name)
        assert image_format(sniff(other), name) == expected
        path = other


NO_IMAGES = {
    'text': ('README', b'A dataset\n'),
    'table': ('a.tsv', b'onset\tduration\n1\t2\n'),
    'json': ('a.json', b'{"EchoTime": 1}'),
    'text of Windows': ('a.txt', 'naïve'.encode('utf-16')),
    'Latin-1': ('a.txt', 'naïve'.encode('latin-1')),
    'physio': ('a_physio.tsv.gz', gzip.compress(b'1\t2\n' * 100)),
    'empty': ('a.txt', b''),
    'SVG without a picture': ('a.svg', b'<svg><path d="M 0 0"/></svg>'),
    'page without a picture': ('a.html', b'<html>data:image/png is a way to show pictures</html>'),
    'PDF without a picture': ('a.pdf', b'%PDF-1.4\nwords'),
    'Word without a picture': ('a.docx', zip_bytes({'[Content_Types].xml': b'<x/>'})),
    'zip without a picture': ('a.zip', zip_bytes({'b.json': b'{}', 'c.txt': b'words'})),
    'tar without a picture': ('a.tar', tar_bytes({'b.json': b'{}', 'c.txt': b'words'})),
    'small arrays': ('a.npz', zip_bytes({'x.npy': npy_bytes(np.zeros((81, 128)))})),
    'features': ('a.npy', npy_bytes(np.zeros((1000, 31, 1000), 'u1'))),
    'MATLAB transform': ('a.mat', mat_bytes(M=np.eye(4), dim=[1, 2, 3])),
    'EEGLAB': ('a.set', mat_bytes(EEG={'data': np.zeros((64, 50, 40))})),
    'MATLAB 4, several': ('a.mat', mat_bytes(format='4', a=np.eye(4), b='words', c=1)),
    'MATLAB 4': ('0GenericAffine.mat', struct.pack('<5i', 0, 12, 1, 0, 4) + b'Aff\0' + bytes(96)),
    'BrainVision': ('a.eeg', bytes(range(256)) * 4),
    'KIT': ('a.con', bytes(range(256)) * 4),
    'EGI': ('a.raw', struct.pack('>ihhh', 4, 2020, 5, 6) + bytes(100)),
    'CTF': ('sub-01_meg.ds/hz.ds/x.stuff', bytes(range(256)) * 4),
    'streamlines': ('a', b'mrtrix tracks\n' + bytes(100)),
    'TRX': ('a.trx', zip_bytes({'header.json': b'{}', 'positions.3.float32': bytes(range(200))})),
    'curvature': ('lh.curv', b'\xff\xff\xff' + struct.pack('>3i', 4, 4, 1) + bytes(16)),
    'annotation': ('lh.aparc.annot', struct.pack('>3i', 4, 0, 7) + bytes(99)),
    'sqlite': ('a.db', b'SQLite format 3\0' + bytes(99)),
    'font': ('a.woff2', b'wOF2' + bytes(99)),
    'FIF': ('a_meg.fif', fif_tags((104, struct.pack('>i', 100)), (105, bytes(4)))),
    'sound': ('a.wav', b'RIFF\0\1\0\0WAVEfmt ' + bytes(99)),
}


@pytest.mark.parametrize(('name', 'content'), NO_IMAGES.values(), ids=NO_IMAGES)
def test_what_shows_nobody_is_no_image(tmp_path: Path, name: str, content: bytes) -> None:
    """Otherwise no dataset with recordings could ever pass."""
    path = tmp_path / 'file'
    path.write_bytes(content)
    assert image_format(sniff(path), name) is None


def test_a_small_matlab_file_with_gigabytes_behind_it_is_not_unpacked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A structure has to be read; 300 kB from a stranger would take all of the memory."""
    scipy_io = pytest.importorskip('scipy.io')
    real, read = scipy_io.loadmat, []

    def loadmat(file: io.BytesIO) -> dict[str, Any]:
        read.append(file)
        return dict(real(file))

    monkeypatch.setattr(scipy_io, 'loadmat', loadmat)
    small = {'y': np.zeros((20, 20))}
    for n_more, expected in ((10, OTHER), (1 << 24, 'array')):
        file = io.BytesIO()
        variables = {'x': small, 'z': np.zeros((1, n_more))}
        scipy_io.savemat(file, variables, do_compression=True)
        assert sniff_file(file).format == expected
    assert len(read) == 1


@pytest.mark.parametrize('shape', [(32, 32, 32), (1, 64, 64, 64), (32, 2, 32, 32)])
def test_arrays_as_large_as_a_face_are_images(shape: tuple[int, ...]) -> None:
    """A volume in a .npy is looked at, or said not to be."""
    assert sniff_file(io.BytesIO(npy_bytes(np.zeros(shape, 'u1')))).format == 'array'


def test_every_format_has_a_name_in_the_list(tmp_path: Path) -> None:
    """Whoever makes a table of formats must have all of them."""
    assert {expected for _, expected in IMAGES.values()} < set(FORMATS)
    assert len(FORMATS) == len(set(FORMATS))


def test_members_of_an_encrypted_zip_are_images(tmp_path: Path) -> None:
    """Nobody can tell what is in it."""
    (tmp_path / 'a.txt').write_text('words')
    command = ['zip', '-q', '-P', 'secret', str(tmp_path / 'a.zip'), str(tmp_path / 'a.txt')]
    try:
        subprocess.run(command, check=True)
    except FileNotFoundError:
        pytest.skip('needs zip')
    assert sniff(tmp_path / 'a.zip') == Content('archive')
    assert str(describe_archive(tmp_path / 'a.zip')) == '1 file: 1 unreadable'


def test_an_archive_is_described_by_type(tmp_path: Path) -> None:
    """The reason says what was not looked at."""
    members = {'a.json': b'{}', 'b.json': b'{}', 'c.nii': nifti_bytes(), 'd/e.tsv': b'1\t2'}
    for name, content in (('a.zip', zip_bytes(members)), ('a.tgz', tar_bytes(members, 'w:gz'))):
        (tmp_path / name).write_bytes(content)
        described = describe_archive(tmp_path / name)
        assert str(described) == '4 files: 2 json, 1 nifti, 1 tsv'
        assert described.n_images == 1
    (tmp_path / 'a.7z').write_bytes(b'7z\xbc\xaf\x27\x1c')
    assert 'cannot be listed' in str(describe_archive(tmp_path / 'a.7z'))


def test_dicom_says_its_series() -> None:
    """A series is one image; without this each slice would be one."""
    for preamble in (True, False):
        file = io.BytesIO(dicom_bytes('1.2.9', preamble=preamble))
        assert sniff_file(file) == Content('dicom', ('1.2.9',))


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        ('sub-01_T1w.nii.gz', 'nifti'),
        ('sub-01_T1w.json', None),
        ('sub-01_events.tsv', None),
        ('README', None),
        ('orig.MGZ', 'mgh'),
        ('a.zip', 'archive'),
        ('page.html', 'document'),
        ('sub-01_eeg.edf', None),
        ('lh.curv', None),
        ('x.strange', 'unknown'),
        ('IM0001', 'unknown'),
    ],
)
def test_absent_content_counts_unless_its_name_says_no_image(
    name: str, expected: str | None
) -> None:
    """What nobody could look at must not count as looked at."""
    assert format_of_absent(name) == expected


def test_names_are_told_by_their_longest_end() -> None:
    """A .seg.nrrd and a .nii.gz keep their format."""
    assert format_by_name('a.nii.gz') == 'nifti'
    assert format_by_name('a.JPEG') == 'jpeg'
    assert format_by_name('a.tsv') is None


def test_random_bytes_never_end_the_walk() -> None:
    """Damaged files are the rule in folders that grew over years."""
    rng = np.random.default_rng(1)
    starts = [
        b'PK\x03\x04',
        b'\x1f\x8b\x08',
        b'MATLAB 5.0',
        b'\x89HDF\r\n\x1a\n',
        b'\x93NUMPY\x01\0',
    ]
    starts += [b'%PDF-', b'BZh9', b'\xfd7zXZ\0', bytes(128) + b'DICM', b'\xff\xff\xff', b'']
    starts += [struct.pack('>8i', 100, 31, 20, 0, 0, 0, 0, 0)]
    for start in starts:
        for size in (0, 10, 400, 5000):
            content = sniff_file(io.BytesIO(start + rng.bytes(size)))
            assert content.format


def test_recognising_loads_no_large_library() -> None:
    """bids-reid-check is to answer in seconds."""
    code = (
        'import sys; import bids_reid.bids.release;'
        'print([name for name in ("numpy", "nibabel", "pydicom", "scipy", "h5py", "bids")'
        ' if name in sys.modules])'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == '[]'
