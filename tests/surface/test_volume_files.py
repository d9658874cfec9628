"""Every format that a release may hold is read as the same head."""

from __future__ import annotations

import gzip
import re
import shutil
import tracemalloc
import zlib
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest

from bids_reid.bids.formats import sniff
from bids_reid.errors import ScanError
from bids_reid.surface.dicom import read_series
from bids_reid.surface.volume import Stored
from bids_reid.surface.volume_files import read_volume
from tests.support.formats import WRITERS, write_analyze, write_mgz, write_pair

AFFINE = np.array(
    [[2.0, 0, 0, -20.0], [0, 3.0, 0, -50.0], [0, 0, 1.5, -10.0], [0, 0, 0, 1]],
)


def numbers() -> np.ndarray:
    """Return numbers that no turn or mirror leaves as they are, all even."""
    return (np.arange(20 * 24 * 28).reshape(20, 24, 28) % 4001 * 2).astype(np.int16)


def read(files: list[Path]) -> Stored:
    kind = sniff(files[0]).format
    if kind == 'dicom':
        volume = read_series(files).volume
        assert volume is not None
        return volume
    return read_volume(files, kind)


@pytest.mark.parametrize('name', [name for name in WRITERS if name != 'analyze'])
def test_a_format_is_read_as_it_was_written(name: str, tmp_path: Path) -> None:
    """A head that comes out mirrored, turned or scaled shows its face to nobody."""
    files = WRITERS[name](tmp_path, numbers(), AFFINE)
    volume = read(files)
    np.testing.assert_allclose(volume.data, numbers(), atol=0.51)
    np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-4)


def test_analyze_is_read_with_its_size(tmp_path: Path) -> None:
    """It does not say how the head lies; its voxels tell how large it is."""
    volume = read(WRITERS['analyze'](tmp_path, numbers(), AFFINE))
    np.testing.assert_allclose(np.abs(np.diag(volume.affine)), np.abs(np.diag(AFFINE)))
    assert sorted(volume.data.ravel()) == sorted(numbers().ravel())


@pytest.mark.parametrize('name', ['nifti', 'mgz', 'minc2', 'nrrd', 'mha', 'mif'])
def test_content_tells_not_the_name(name: str, tmp_path: Path) -> None:
    """A file under the key of its content, or misnamed, must not be passed over."""
    (file,) = WRITERS[name](tmp_path, numbers(), AFFINE)
    other = shutil.move(file, tmp_path / 'MD5E-s1--abc')
    np.testing.assert_allclose(read([Path(other)]).data, numbers(), atol=0.51)


@pytest.mark.parametrize('name', [name for name in WRITERS if name != 'dicom'])
def test_a_cut_file_is_a_reason(name: str, tmp_path: Path) -> None:
    """What is half there was not looked at, and no library's error tells a user so."""
    files = WRITERS[name](tmp_path, numbers(), AFFINE)
    largest = max(files, key=lambda path: path.stat().st_size)
    content = largest.read_bytes()
    largest.write_bytes(content[: len(content) // 2])
    with pytest.raises(ScanError) as raised:
        read(files)
    assert '\n' not in str(raised.value)


def test_of_a_series_the_first_volume_is_read(tmp_path: Path) -> None:
    """A later one may be all that is damaged, or all that is masked."""
    series = np.stack([numbers(), numbers() * 0], axis=-1)
    nib.save(nib.Nifti1Image(series, AFFINE), tmp_path / 'bold.nii.gz')
    volume = read([tmp_path / 'bold.nii.gz'])
    np.testing.assert_array_equal(volume.data, numbers())
    assert volume.notes == ('only the first of 2 volumes was used',)


def test_colours_are_read_by_their_brightness(tmp_path: Path) -> None:
    """Maps of directions and screens are kept in colours."""
    colours = np.zeros((20, 24, 28), [('R', 'u1'), ('G', 'u1'), ('B', 'u1')])
    colours['R'], colours['G'] = 30, 60
    nib.save(nib.Nifti1Image(colours, AFFINE), tmp_path / 'map.nii.gz')
    np.testing.assert_allclose(read([tmp_path / 'map.nii.gz']).data, 30)


def test_values_on_surfaces_are_no_volume(tmp_path: Path) -> None:
    """CIFTI files are NIfTI files by name and by their first bytes."""
    axes = (
        nib.cifti2.SeriesAxis(0, 1, 5),
        nib.cifti2.BrainModelAxis.from_surface(np.arange(30), 40, 'CortexLeft'),
    )
    image = nib.Cifti2Image(np.ones((5, 30), np.float32), axes)
    image.to_filename(tmp_path / 'bold.dtseries.nii')
    assert read([tmp_path / 'bold.dtseries.nii']).data.size == 1


def test_numbers_of_another_folder_are_not_read(tmp_path: Path) -> None:
    """A header in a folder that somebody sent could name any file."""
    inner = tmp_path / 'inner'
    inner.mkdir()
    header, data = WRITERS['nhdr'](inner, numbers(), AFFINE)
    shutil.move(data, tmp_path / data.name)
    text = header.read_text().replace(f'data file: {data.name}', f'data file: ../{data.name}')
    header.write_text(text)
    with pytest.raises(ScanError, match='another folder'):
        read([header])


def test_a_header_without_its_numbers_says_so(tmp_path: Path) -> None:
    """Half of a pair is a gap in what was looked at."""
    for name in ('pair', 'afni', 'nhdr'):
        folder = tmp_path / name
        folder.mkdir()
        header, data = WRITERS[name](folder, numbers(), AFFINE)
        data.unlink()
        with pytest.raises(ScanError, match='in the same folder'):
            read([header])


@pytest.mark.parametrize('name', ['nrrd', 'mha', 'mif'])
def test_more_behind_the_numbers_is_told(name: str, tmp_path: Path) -> None:
    """A second head may be there, and gigabytes of zeros are not to be unpacked."""
    (file,) = WRITERS[name](tmp_path, numbers(), AFFINE)
    text, raw = split(file, name)
    file.write_bytes(text + packed(name, raw + bytes(3 << 20)))
    with pytest.raises(ScanError, match='do not belong to the volume'):
        read([file])


@pytest.mark.parametrize('name', ['nrrd', 'mha'])
def test_more_behind_what_is_packed_is_told(name: str, tmp_path: Path) -> None:
    """The same one step further: nobody unpacks what follows the end of the packed numbers."""
    (file,) = WRITERS[name](tmp_path, numbers(), AFFINE)
    file.write_bytes(file.read_bytes() + b'x' * 200_000)
    with pytest.raises(ScanError, match='do not belong to the volume'):
        read([file])


@pytest.mark.parametrize('name', ['pair', 'analyze', 'mgz'])
def test_more_behind_the_numbers_of_a_file_beside_is_told(name: str, tmp_path: Path) -> None:
    """A whole second head passed in the data of a pair, or in a file of FreeSurfer's."""
    write = {'pair': write_pair, 'analyze': write_analyze, 'mgz': write_mgz}[name]
    files = write(tmp_path, numbers(), AFFINE)
    data = files[-1]
    if name == 'mgz':
        # FreeSurfer writes notes behind the numbers
        for more, told in ((b'x' * 2000, False), (b'x' * 200_000, True)):
            data.write_bytes(gzip.compress(gzip.decompress(data.read_bytes()) + more))
            if not told:
                assert read(files).data.shape == numbers().shape
    else:
        data.write_bytes(data.read_bytes() * 8)
    with pytest.raises(ScanError, match='do not belong to the volume'):
        read(files)


@pytest.mark.parametrize('name', ['nrrd', 'mha', 'mif'])
def test_more_before_the_numbers_is_told(name: str, tmp_path: Path) -> None:
    """A second head may be there as well: a header can say how many bytes are to be skipped."""
    (file,) = WRITERS[name](tmp_path, numbers(), AFFINE)
    text, raw = split(file, name)
    if name == 'mif':
        offset = int(re.search(rb'file: \. (\d+)', text)[1])  # type: ignore[index]
        text = text.replace(b'file: . %d' % offset, b'file: . %d' % (offset + (3 << 20)))
    else:
        line, end = {
            'nrrd': (b'byte skip: %d\n' % (3 << 20), b'\n\n'),
            'mha': (b'HeaderSize = %d\n' % (3 << 20), b'ElementDataFile'),
        }[name]
        at = text.index(end) + (name == 'nrrd')
        text = text[:at] + line + text[at:]
    file.write_bytes(text + packed(name, bytes(3 << 20) + raw))
    with pytest.raises(ScanError, match='do not belong to the volume'):
        read([file])


def test_what_is_before_the_numbers_is_not_unpacked_for_ever(tmp_path: Path) -> None:
    """A megabyte of a file would take gigabytes: its header says how far off the numbers are."""
    (file,) = WRITERS['nifti'](tmp_path, numbers(), AFFINE)
    header = nib.load(file).header.copy()
    header['vox_offset'] = 4e9
    file.write_bytes(gzip.compress(header.binaryblock + bytes(100 << 20), 1))
    tracemalloc.start()
    with pytest.raises(ScanError, match='begin at byte 4,000,000,000'):
        read([file])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6


@pytest.mark.parametrize('name', ['nrrd', 'mha', 'mif', 'mgz', 'nifti', 'minc2'])
def test_no_memory_is_asked_for_by_a_header_alone(name: str, tmp_path: Path) -> None:
    """Lengths of axes that somebody mistyped would end the run."""
    (file,) = WRITERS[name](tmp_path, numbers()[:, :20, :20], AFFINE)
    content = gzip.decompress(file.read_bytes()) if name in {'nifti', 'mgz'} else file.read_bytes()
    longest = {
        'nrrd': (b'sizes: 20 20 20', b'sizes: 32000 32000 32000'),
        'mha': (b'DimSize = 20 20 20', b'DimSize = 32000 32000 32000'),
        'mif': (b'dim: 20,20,20', b'dim: 32000,32000,32000'),
        'mgz': (bytes([0, 0, 0, 20] * 3), bytes([0, 0, 11, 184] * 3)),
        'nifti': (bytes([20, 0] * 3), bytes([0, 125] * 3)),
        'minc2': (b'', b''),
    }[name]
    if name == 'minc2':
        with h5py.File(file, 'a') as volume:
            kept = dict(volume['minc-2.0/image/0/image'].attrs)
            del volume['minc-2.0/image/0/image']
            image = volume.create_dataset(
                'minc-2.0/image/0/image', (32000,) * 3, '<i2', chunks=(64, 64, 64)
            )
            image.attrs.update(kept)
    else:
        assert longest[0] in content
        file.write_bytes(content.replace(*longest, 1))
    tracemalloc.start()
    with pytest.raises(ScanError, match='GB of data'):
        read([file])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6


def test_what_a_later_volume_of_a_text_header_shows_is_seen(tmp_path: Path) -> None:
    """Of two echoes in one NRRD file only the first was de-faced."""
    first, second = numbers() * 0, numbers() * 0
    first[5:10, 5:10, 5:10] = second[5:15, 5:20, 5:20] = 900
    (file,) = WRITERS['nrrd'](tmp_path, numbers(), AFFINE)
    text, _ = split(file, 'nrrd')
    for old, new in (
        (b'dimension: 3', b'dimension: 4'),
        (b'sizes: 20 24 28', b'sizes: 20 24 28 2'),
        (b'kinds: domain domain domain', b'kinds: domain domain domain list'),
    ):
        assert old in text
        text = text.replace(old, new)
    text = re.sub(rb'(space directions: .*)', rb'\1 none', text)
    both = np.stack([first, second], axis=-1).astype('<i2').tobytes(order='F')
    file.write_bytes(text + packed('nrrd', both))
    volume = read([file])
    assert (volume.data[12, 15, 15], volume.data[2, 2, 2]) == (900, 0)
    assert any('show more' in note for note in volume.notes)


def split(file: Path, name: str) -> tuple[bytes, bytes]:
    """Header of a file, and its numbers, unpacked."""
    content = file.read_bytes()
    if name == 'mif':
        return content[:1024], content[1024:]
    mark = b'LOCAL\n' if name == 'mha' else b'\n\n'
    text, mark, rest = content.partition(mark)
    return text + mark, (zlib if name == 'mha' else gzip).decompress(rest)


def packed(name: str, raw: bytes) -> bytes:
    return {'mif': bytes, 'mha': zlib.compress, 'nrrd': gzip.compress}[name](raw)
