"""Reading a scan: the same head, whatever the file is like; a damaged file is named."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from nibabel.arrayproxy import ArrayProxy
from numpy.typing import NDArray

from bids_reid.errors import ScanError
from bids_reid.surface.volume import Volume, load_volume

SHAPE = (10, 12, 14)
AFFINE = np.array([[20.0, 0, 0, -90], [0, 15, 0, 40], [0, 0, 10, 200], [0, 0, 0, 1]])


def world(volume_data: NDArray[Any], affine: NDArray[Any]) -> NDArray[Any]:
    """Position of the brightest voxel, millimetres."""
    peak = np.unravel_index(int(volume_data.argmax()), volume_data.shape)
    return np.asarray(affine @ [*peak, 1])[:3]


@pytest.fixture
def data() -> NDArray[np.int16]:
    values = np.random.default_rng(0).integers(0, 500, SHAPE).astype(np.int16)
    values[2, 3, 5] = 2000
    return values


def stored(folder: Path, values: NDArray[Any], affine: NDArray[Any] = AFFINE) -> Volume:
    """What is read of a plain file with these values."""
    path = folder / 'x.nii'
    nib.save(nib.Nifti1Image(values, affine), path)
    return load_volume(path)


@pytest.fixture
def gz(tmp_path: Path, data: NDArray[np.int16]) -> Path:
    path = tmp_path / 'sub-01_T1w.nii.gz'
    nib.save(nib.Nifti1Image(data, AFFINE), path)
    return path


def test_values_and_places(gz: Path, data: NDArray[np.int16]) -> None:
    volume = load_volume(gz)
    np.testing.assert_array_equal(volume.data, data)
    np.testing.assert_allclose(volume.affine, AFFINE)
    np.testing.assert_allclose(volume.spacing, [20, 15, 10])
    assert volume.voxel_size == pytest.approx((20, 15, 10))
    assert volume.data.dtype == np.float32
    assert volume.notes == ()


@pytest.mark.parametrize('flips', [(0,), (1,), (2,), (0, 1), (0, 1, 2)])
@pytest.mark.parametrize('order', [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
def test_every_storage_order_gives_the_same_volume(
    tmp_path: Path, data: NDArray[np.int16], flips: tuple[int, ...], order: tuple[int, ...]
) -> None:
    """Otherwise a mirrored or lying head is compared with upright photographs."""
    flipped = np.flip(data, flips)
    affine = AFFINE.copy()
    for axis in flips:
        affine[:3, 3] += AFFINE[:3, axis] * (SHAPE[axis] - 1)
        affine[:3, axis] *= -1
    flipped = flipped.transpose(order)
    affine[:3, :3] = affine[:3, order]
    volume = stored(tmp_path, flipped, affine)
    np.testing.assert_array_equal(volume.data, data)
    np.testing.assert_allclose(volume.affine, AFFINE)
    assert np.linalg.det(volume.affine) > 0


def test_a_scale_in_the_header_is_applied(tmp_path: Path, data: NDArray[np.int16]) -> None:
    """Otherwise background and skin swap when the slope is negative."""
    image = nib.Nifti1Image(data, AFFINE)
    image.header.set_slope_inter(-0.5, 7)
    path = tmp_path / 'x.nii'
    nib.save(image, path)
    raw = bytearray(path.read_bytes())
    raw[112:120] = np.array([-0.5, 7], '<f4').tobytes()
    raw[352:] = np.asfortranarray(data).tobytes(order='F')
    path.write_bytes(bytes(raw))
    np.testing.assert_allclose(load_volume(path).data, -0.5 * data + 7)


@pytest.mark.parametrize(
    ('extra', 'note'), [((1,), ()), ((3,), ('only the first of 3 volumes was used',))]
)
def test_the_first_of_several_volumes_is_used_and_said(
    tmp_path: Path, data: NDArray[np.int16], extra: tuple[int, ...], note: tuple[str, ...]
) -> None:
    series = np.stack([data * (n == 0) + n for n in range(extra[0])], axis=-1).astype(np.int16)
    volume = stored(tmp_path, series)
    np.testing.assert_array_equal(volume.data, data)
    assert volume.notes == note


def test_of_a_series_one_volume_is_read_at_a_time(
    tmp_path: Path, data: NDArray[np.int16], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dynamic PET of gigabytes would take all memory, just since it is stored mirrored."""
    series = np.stack([data, *np.zeros((4, *SHAPE), np.int16)], axis=-1)
    image = nib.Nifti1Image(series, AFFINE @ np.diag([-1, 1, 1, 1]))
    image.header.set_slope_inter(0.5, 0)
    path = tmp_path / 'x.nii'
    nib.save(image, path)
    read: list[tuple[int, ...]] = []
    scaled = ArrayProxy._get_scaled

    def noted(proxy: ArrayProxy, dtype: Any, slicer: Any) -> Any:
        found = scaled(proxy, dtype, slicer)
        read.append(found.shape)
        return found

    monkeypatch.setattr(ArrayProxy, '_get_scaled', noted)
    volume = load_volume(path)
    # never all, and of long series not each
    assert set(read) == {SHAPE}
    assert len(read) <= 6
    np.testing.assert_allclose(volume.data, 0.5 * data[::-1])


def test_a_series_without_volumes_is_named(tmp_path: Path) -> None:
    """A scanner that was stopped leaves such files; a traceback is no reason."""
    path = tmp_path / 'x.nii'
    nib.save(nib.Nifti1Image(np.zeros((*SHAPE, 0), np.int16), AFFINE), path)
    with pytest.raises(ScanError, match=r'x\.nii.*no volume'):
        load_volume(path)


def test_values_that_are_no_numbers_become_air_and_are_said(
    tmp_path: Path, data: NDArray[np.int16]
) -> None:
    """One NaN spreads through every filter and leaves no surface."""
    values = data.astype(np.float32)
    values[0, 0, :3] = [np.nan, np.inf, -np.inf]
    volume = stored(tmp_path, values)
    assert volume.data[0, 0, :3].tolist() == [0, 0, 0]
    np.testing.assert_array_equal(volume.data[1:], data[1:])
    assert len(volume.notes) == 1


def test_complex_values_give_their_magnitude(tmp_path: Path, data: NDArray[np.int16]) -> None:
    volume = stored(tmp_path, (1j * data).astype(np.complex64))
    np.testing.assert_allclose(volume.data, data, rtol=1e-6)
    assert volume.notes


def test_fine_voxels_are_averaged_in_place(tmp_path: Path) -> None:
    """Otherwise half a voxel of shift, or aliasing, changes the face."""
    shape, fine = (160, 80, 100), np.diag([0.5, 1.0, 0.8, 1])
    at = np.indices(shape) * np.array([0.5, 1, 0.8])[:, None, None, None]
    blob = 1000 * np.exp(-((at - np.array([10.0, 9, 8])[:, None, None, None]) ** 2).sum(0) / 18)
    volume = stored(tmp_path, blob.astype(np.float32), fine)
    np.testing.assert_allclose(volume.spacing, [1, 1, 1])
    assert volume.voxel_size == pytest.approx((0.5, 1, 0.8))
    grid = np.indices(volume.data.shape).reshape(3, -1)
    weights = volume.data.ravel() / volume.data.sum()
    np.testing.assert_allclose((grid * weights).sum(axis=1), [10, 9, 8], atol=0.15)
    assert volume.data.max() == pytest.approx(1000, rel=0.1)
    np.testing.assert_allclose(world(volume.data, volume.affine), [10, 9, 8])


@pytest.mark.parametrize(
    ('code', 'times', 'note'),
    [
        (0, 1, ()),
        (2, 1, ()),
        (2 + 8, 1, ()),
        (7, 1, ()),
        (1, 1e-3, ('metres in the header were converted to millimetres',)),
        (3, 1e3, ('micrometres in the header were converted to millimetres',)),
        # writers that set a unit without a thought
        (1, 1, ('the header says metres, which fits no head: millimetres were assumed',)),
    ],
)
def test_units_are_those_of_the_header(
    tmp_path: Path, data: NDArray[np.int16], code: int, times: float, note: tuple[str, ...]
) -> None:
    """A head in metres is a dot of 0.2 mm: the scan fails, or worse, fits another size."""
    image = nib.Nifti1Image(data, np.diag([times, times, times, 1]) @ AFFINE)
    image.header['xyzt_units'] = code
    path = tmp_path / 'x.nii'
    nib.save(image, path)
    volume = load_volume(path)
    np.testing.assert_allclose(volume.affine, AFFINE, rtol=1e-5)
    assert volume.voxel_size == pytest.approx((20, 15, 10))
    assert volume.notes == note


@pytest.mark.parametrize(
    ('voxels', 'told'),
    [
        ([0.02, 0.015, 0.01], '0.2 x 0.18 x 0.14 mm'),
        ([2e4, 1.5e4, 1e4], '200000 x 180000 x 140000 mm'),
        ([1, 15, 10], '10 x 180 x 140 mm'),
    ],
)
def test_a_field_of_view_that_no_head_fits_is_told(
    tmp_path: Path, data: NDArray[np.int16], voxels: list[float], told: str
) -> None:
    """Whoever reads the reason knows which line of the header to mend."""
    path = tmp_path / 'x.nii'
    nib.save(nib.Nifti1Image(data, np.diag([*voxels, 1])), path)
    with pytest.raises(ScanError, match=rf'x\.nii cannot show a head.* {told}'):
        load_volume(path)


def damaged(kind: str, whole: bytes) -> bytes:
    plain = gzip.decompress(whole)
    half = len(whole) // 2
    if kind == 'cut':
        return whole[:half]
    if kind == 'bytes lost':
        return whole[:half] + bytes(50) + whole[half + 50 :]
    if kind == 'wrong checksum':
        return whole[:-8] + b'abcd' + whole[-4:]
    if kind == 'cut inside':
        return gzip.compress(plain[:2000])
    if kind == 'header only':
        return gzip.compress(plain[:348])
    if kind == 'much behind':
        return gzip.compress(plain + bytes(200_000))
    if kind == 'much behind what is packed':
        return whole + np.random.default_rng(0).bytes(200_000)
    if kind == 'infinite offset and more':
        return gzip.compress(plain[:108] + b'\0\0\x80\x7f' + plain[112:] + bytes(200_000))
    if kind == 'text':
        return gzip.compress(b'<html>404 not found</html>' * 50)
    # fields of the header: data type, number of dimensions, their sizes, offset
    offset, value = {
        'type': (70, b'\xff\x7f'),
        'negative size': (42, b'\xff\xff'),
        'huge size': (42, b'\xff\x7f\xff\x7f\xff\x7f'),
        'far offset': (108, b'\xff\xff\x7f\x7f'),
        'no sizes': (40, b'\xff\xff'),
        'many axes': (40, b'\x09\x00'),
        'no magic': (344, b'\0\0\0\0'),
    }[kind]
    return gzip.compress(plain[:offset] + value + plain[offset + len(value) :])


@pytest.mark.parametrize(
    'kind',
    [
        'cut', 'bytes lost', 'wrong checksum', 'cut inside', 'header only', 'text', 'type',
        'negative size', 'huge size', 'far offset', 'infinite offset and more', 'no sizes',
        'many axes', 'much behind', 'much behind what is packed', 'no magic',
    ],
)  # fmt: skip
@pytest.mark.filterwarnings('error')
def test_a_damaged_file_is_named_in_one_line(gz: Path, kind: str) -> None:
    """Otherwise garbage is measured, or a traceback stands where the reason should."""
    gz.write_bytes(damaged(kind, gz.read_bytes()))
    with pytest.raises(ScanError, match=r'sub-01_T1w\.nii\.gz') as caught:
        load_volume(gz)
    assert '\n' not in str(caught.value)


def test_messages_hold_no_folder(gz: Path) -> None:
    """They are shared with the results, and folders have names of people."""
    for kind in ('cut', 'bytes lost', 'header only', 'type', 'text', 'huge size'):
        damaged_file = gz.with_name(f'{kind}.nii.gz')
        damaged_file.write_bytes(damaged(kind, gz.read_bytes()))
        with pytest.raises(ScanError) as caught:
            load_volume(damaged_file)
        assert str(gz.parent) not in str(caught.value)
        assert '/' not in str(caught.value)


MENDED: dict[str, tuple[dict[int, bytes], str]] = {
    'offset of NaN': ({108: b'\0\0\xc0\x7f'}, 'the data begin at byte nan'),
    'infinite offset': ({108: b'\0\0\x80\x7f'}, 'the data begin at byte inf'),
    'negative offset': ({108: b'\0\0\x80\xbf'}, 'the data begin at byte -1'),
    'no offset': ({108: bytes(4)}, 'the data begin at byte 0'),
    'infinite slope': ({112: b'\0\0\x80\x7f' + bytes(4)}, 'scale in the header is not a number'),
    'infinite intercept': ({112: b'\0\0\x80\x3f\0\0\x80\x7f'}, 'scale in the header is not'),
}


@pytest.mark.parametrize('kind', MENDED)
@pytest.mark.parametrize('packed', [True, False])
@pytest.mark.filterwarnings('error')
def test_what_a_header_forgets_is_mended_and_said(
    gz: Path, data: NDArray[np.int16], kind: str, packed: bool
) -> None:
    """Other programs read such files without a word; whoever shares one has to hear of it."""
    changes, note = MENDED[kind]
    content = bytearray(gzip.decompress(gz.read_bytes()))
    for at, value in changes.items():
        content[at : at + len(value)] = value
    path = gz.with_name('mended.nii.gz' if packed else 'mended.nii')
    path.write_bytes(gzip.compress(content) if packed else content)
    volume = load_volume(path)
    np.testing.assert_array_equal(volume.data, data)
    assert any(note in one for one in volume.notes)


def test_what_nibabel_mends_is_not_on_the_terminal(
    gz: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Lines without a file's name, from every worker at once."""
    plain = bytearray(gzip.decompress(gz.read_bytes()))
    plain[252:256] = b'\x07\x00\x09\x00'
    # an extension that ends behind the file, and voxel sizes below zero
    plain[348:352] = b'\x01\0\0\0'
    plain[80:84] = np.array([-20], '<f4').tobytes()
    gz.write_bytes(gzip.compress(plain))
    volume = load_volume(gz)
    assert 'header gives no orientation' in volume.notes[0]
    out, err = capfd.readouterr()
    assert out == err == ''


def test_content_tells_how_a_file_is_packed(gz: Path, data: NDArray[np.int16]) -> None:
    """Browsers unpack files and leave the name, or pack them once more."""
    whole = gz.read_bytes()
    cases = {
        'a.nii': (whole, 'the file is compressed, although its name does not say so'),
        'b.nii.gz': (
            gzip.decompress(whole),
            'the file is not compressed, although its name says so',
        ),
        'c.nii.gz': (bz2.compress(gzip.decompress(whole)), ''),
        'd.nii': (lzma.compress(gzip.decompress(whole)), 'compressed, although its name'),
    }
    for name, (content, note) in cases.items():
        path = gz.with_name(name)
        path.write_bytes(content)
        volume = load_volume(path)
        np.testing.assert_array_equal(volume.data, data)
        assert any(note in one for one in volume.notes) == bool(note)


def test_what_stands_behind_packed_data_is_said(gz: Path, data: NDArray[np.int16]) -> None:
    """`Not a gzipped file` is what Python says of it; several members are one content."""
    plain = gzip.decompress(gz.read_bytes())
    behind, members = gz.with_name('behind.nii.gz'), gz.with_name('members.nii.gz')
    behind.write_bytes(gz.read_bytes() + b'from: somebody')
    parts = [plain[:100], plain[100:2000], plain[2000:]]
    members.write_bytes(b''.join(map(gzip.compress, parts)) + bytes(512))
    volume = load_volume(behind)
    np.testing.assert_array_equal(volume.data, data)
    assert volume.notes == ('14 bytes follow the end of the compressed data: ignored',)
    volume = load_volume(members)
    np.testing.assert_array_equal(volume.data, data)
    assert volume.notes == ()


def test_gigabytes_of_zeros_behind_a_volume_are_not_unpacked(gz: Path) -> None:
    """Five megabytes would take eight gigabytes of memory."""
    packer = zlib.compressobj(1, wbits=31)
    content = packer.compress(gzip.decompress(gz.read_bytes()))
    million = bytes(1 << 20)
    content += b''.join(packer.compress(million) for _ in range(400)) + packer.flush()
    gz.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(ScanError, match='do not belong to the volume'):
        load_volume(gz)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6


def test_memory_is_not_asked_for_by_the_header_alone(gz: Path) -> None:
    """A changed byte of a header must not cost the run its memory."""
    plain = bytearray(gzip.decompress(gz.read_bytes()))
    plain[40:48] = np.array([3, 1200, 1200, 1200], '<i2').tobytes()
    gz.write_bytes(gzip.compress(plain))
    tracemalloc.start()
    with pytest.raises(ScanError, match='the file ends before the data are complete'):
        load_volume(gz)
    plain[42:48] = np.array([3000, 3000, 3000], '<i2').tobytes()
    gz.write_bytes(gzip.compress(plain))
    with pytest.raises(ScanError, match='GB of data'):
        load_volume(gz)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6


@pytest.mark.parametrize('name', ['x.nii', 'x.nii.gz'])
@pytest.mark.parametrize('slope', [None, 1.7])
def test_large_files_are_read_in_parts(tmp_path: Path, name: str, slope: float | None) -> None:
    """A head in double precision would take half a gigabyte of every worker on the way."""
    values = np.random.default_rng(0).normal(300, 99, (130, 110, 90))
    image = nib.Nifti1Image(values if slope is None else values.astype(np.int16), 1.5 * np.eye(4))
    image.header.set_slope_inter(slope, None if slope is None else -20)
    nib.save(image, tmp_path / name)
    expected = np.asarray(nib.load(tmp_path / name).dataobj, np.float32)
    tracemalloc.start()
    volume = load_volume(tmp_path / name)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(volume.data, expected)
    # once as it was read, once in the usual order, and some of the file
    assert peak < 2 * expected.nbytes + (8 << 20)


@pytest.mark.parametrize('times', [1e-12, 1e-6, 1e3, 1e15])
def test_numbers_of_any_size_are_seen(
    tmp_path: Path, data: NDArray[np.int16], times: float
) -> None:
    """Maps of physical units have a maximum of 1e-6, and nothing of it is air."""
    volume = stored(tmp_path, (data * times).astype(np.float32))
    shown = volume.data - volume.data.min()
    np.testing.assert_allclose(shown / shown.max(), (data - data.min()) / 2000, atol=1e-5)
    assert 1e-3 < float(volume.data.max()) < 1e9


def test_of_volumes_the_first_that_shows_anything_is_used(tmp_path: Path) -> None:
    """A series whose first volume is empty shows its head later, however little of it."""
    series = np.zeros((*SHAPE, 40), np.int16)
    series[5, 5, 5, 33] = 700
    volume = stored(tmp_path, series)
    assert volume.data[5, 5, 5] == 700
    assert any('the first volume is empty: volume 34 was used' in note for note in volume.notes)


def test_colours_are_read_by_their_brightness_and_said(tmp_path: Path) -> None:
    colours = np.zeros(SHAPE, [('R', 'u1'), ('G', 'u1'), ('B', 'u1')])
    colours['R'][2:8], colours['G'][2:8] = 30, 60
    volume = stored(tmp_path, colours)
    assert (volume.data.min(), volume.data.max()) == (0, 30)
    assert volume.notes == ('the brightness of the colours was used',)


def test_empty_is_said_of_what_is_empty(tmp_path: Path) -> None:
    """Files of datasets without content were no NIfTI, and NaN everywhere was 0 everywhere."""
    for name in ('x.nii', 'x.nii.gz'):
        (tmp_path / name).touch()
        with pytest.raises(ScanError, match=rf'^cannot read {name}: the file is empty$'):
            load_volume(tmp_path / name)
    nib.save(nib.Nifti1Image(np.full(SHAPE, np.nan, np.float32), AFFINE), tmp_path / 'nan.nii')
    with pytest.raises(ScanError, match=r'no voxel holds a finite number$'):
        load_volume(tmp_path / 'nan.nii')
    several = np.stack([np.full(SHAPE, np.nan), np.zeros(SHAPE)], -1).astype(np.float32)
    several[4, 4, 4, 1] = 100  # too small a thing to be added
    nib.save(nib.Nifti1Image(several, AFFINE), tmp_path / 'several.nii')
    assert load_volume(tmp_path / 'several.nii').data.max() == 100


def test_what_is_no_scan_is_named(tmp_path: Path, data: NDArray[np.int16]) -> None:
    """Empty files, links that datalad left, slices, colour maps, blank volumes."""
    cases = {
        'constant': np.full(SHAPE, 7, np.int16),
        'nothing finite': np.full(SHAPE, np.nan, np.float32),
        'slice': data[:, :, :1],
        'flat': data[:, :, 0],
        'small': data[:7],
        'one colour': np.ones(SHAPE, [('R', 'u1'), ('G', 'u1'), ('B', 'u1')]),
    }
    for name, values in cases.items():
        path = tmp_path / f'{name}.nii'
        nib.save(nib.Nifti1Image(values, AFFINE), path)
        with pytest.raises(ScanError, match=f'{name}.nii'):
            load_volume(path)
    empty = tmp_path / 'empty.nii.gz'
    empty.touch()
    link = tmp_path / 'link.nii.gz'
    link.symlink_to('/nowhere')
    for path in (empty, link, tmp_path / 'gone.nii.gz', tmp_path):
        with pytest.raises(ScanError, match=path.name):
            load_volume(path)
