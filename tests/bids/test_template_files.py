"""A template that is damaged is named, whatever is wrong with it, and nothing in it is run."""

from __future__ import annotations

import errno
import io
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bids_reid.bids.files import Batch
from bids_reid.bids.formats import sniff
from bids_reid.bids.layout import ScanFiles
from bids_reid.bids.release import walk_release
from bids_reid.bids.template_files import read_arrays, read_template, write_template
from bids_reid.errors import ScanError
from bids_reid.records import Keypoints, Origin, Template

VIEWS = np.array([4, 7], np.int32)
FEATURES = np.arange(6, dtype=np.float32).reshape(2, 3)
VECTORS = {'view': VIEWS, 'found': np.array([True, False]), 'features': FEATURES}
POINTS = {
    'view': VIEWS,
    'found': np.array([True, False]),
    'descriptors': np.zeros((5, 32), np.uint8),
    'positions': np.zeros((5, 2), np.float32),
    'offsets': np.array([0, 3, 5]),
}


@pytest.fixture
def files(tmp_path: Path) -> ScanFiles:
    return ScanFiles(tmp_path, 'sub-01', 'T1w')


def save(files: ScanFiles, arrays: dict[str, Any]) -> None:
    given = {name: array for name, array in arrays.items() if array is not None}
    np.savez(files.template('orb'), **given)


@pytest.mark.parametrize('arrays', [VECTORS, POINTS, VECTORS | {'found': None}])
def test_what_was_written_is_read(files: ScanFiles, arrays: dict[str, Any]) -> None:
    save(files, arrays)
    assert read_template(files, 'orb') is not None


def test_arrays_of_any_shape_and_order_are_those_that_numpy_reads(tmp_path: Path) -> None:
    """Scores of a shard lie column by column: turned, they are somebody else's."""
    scores = np.arange(12, dtype=np.float32).reshape(3, 4)
    names = np.array(['jane', 'é'])
    arrays = {'a': scores.T, 'b': scores, 'c': np.zeros((0, 5)), 'd': names, 'e': np.array('x')}
    np.savez(tmp_path / 'x.npz', **arrays)
    read = read_arrays(tmp_path / 'x.npz')
    assert list(read) == list(arrays)
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)
    assert list(read_arrays(tmp_path / 'x.npz', ['b', 'e'])) == ['b', 'e']


DAMAGES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    *(
        (whole, {name: wrong})
        for whole in (VECTORS, POINTS)
        for name, wrongs in {
            'view': [VIEWS[:1], VIEWS + 83, VIEWS - 5, VIEWS * 0, VIEWS + 0.5, 'x', None],
            'found': [np.array([1, 0]), np.array([True]), np.array([True] * 3), 'x'],
        }.items()
        for wrong in wrongs
    ),
    *(
        (VECTORS, {'features': wrong})
        for wrong in (
            *(FEATURES[0], FEATURES[:1], FEATURES.astype(int), FEATURES.astype('U9'), None),
            *(np.full_like(FEATURES, np.nan), np.full_like(FEATURES, np.inf), FEATURES[..., None]),
            *(FEATURES.astype(object), np.array(None), FEATURES.astype(complex)),
        )
    ),
    *(
        (POINTS, {name: wrong})
        for name, wrongs in {
            'descriptors': [
                *(np.zeros((4, 32), np.uint8), np.zeros((5, 32)), np.zeros(5, np.uint8)),
                np.uint8(0),
            ],
            'positions': [np.zeros((5, 3), np.float32), np.full((5, 2), np.nan, np.float32), None],
            'offsets': [
                *(np.array([0, 3]), np.array([0, 3, 4]), np.array([1, 3, 5]), np.array([0, 6, 5])),
                *(
                    np.array([0.0, 3.0, 5.0]),
                    np.array([0, 3, 10**9]),
                    np.array([], np.int64),
                    None,
                ),
            ],
        }.items()
        for wrong in wrongs
    ),
]


@pytest.mark.parametrize(('whole', 'damage'), DAMAGES)
def test_arrays_that_do_not_fit_are_told(
    files: ScanFiles, whole: dict[str, Any], damage: dict[str, Any]
) -> None:
    """Of a wrong length, kind or range they were a traceback, or numbers of another view."""
    save(files, whole | damage)
    with pytest.raises(ScanError, match=r'sub-01_desc-orb_T1w\.npz is damaged: delete it'):
        read_template(files, 'orb')


def test_a_template_that_the_machine_refuses_is_not_told_to_be_deleted(
    files: ScanFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever obeys loses hours of work that was whole."""
    save(files, VECTORS)

    def refuses(_: Path) -> None:
        raise OSError(errno.EMFILE, 'Too many open files')

    monkeypatch.setattr('bids_reid.bids.template_files.read_arrays', refuses)
    with pytest.raises(OSError, match='Too many open files'):
        read_template(files, 'orb')


def test_features_of_another_length_are_no_template_of_the_extractor(files: ScanFiles) -> None:
    save(files, VECTORS)
    assert read_template(files, 'orb', dimension=3) is not None
    with pytest.raises(ScanError, match='damaged'):
        read_template(files, 'orb', dimension=128)


def _bytes(arrays: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def _bomb() -> bytes:
    """Zeros that are small on the disk and large in memory."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED) as content:
        with content.open('features.npy', 'w', force_zip64=True) as member:
            head = io.BytesIO()
            np.lib.format.write_array_header_1_0(
                head, {'descr': '<f4', 'fortran_order': False, 'shape': (1 << 28, 1)}
            )
            member.write(head.getvalue())
            for _ in range(64):
                member.write(bytes(1 << 24))
        content.writestr('view.npy', b'x')
    return file.getvalue()


def _npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize('n', [0, 1, 3, 40, 100, 300, -30, -3, -1])
def test_a_cut_file_is_told(files: ScanFiles, n: int) -> None:
    files.template('orb').write_bytes(_bytes(VECTORS)[:n])
    with pytest.raises(ScanError, match='damaged'):
        read_template(files, 'orb')


@pytest.mark.parametrize('start', range(0, 900, 13))
def test_changed_bytes_are_told_or_harmless(files: ScanFiles, start: int) -> None:
    """Headers of zip and of numpy hold lengths, and numpy's is an expression."""
    whole = _bytes(VECTORS)
    for value in (0, 255):
        content = whole[:start] + bytes([value]) * 4 + whole[start + 4 :]
        files.template('orb').write_bytes(content)
        with suppress(ScanError):
            read_template(files, 'orb')


@pytest.mark.parametrize('content', [_npy(FEATURES), b'\x80\x04N.', b'PK', b'{}'])
def test_another_format_is_told(files: ScanFiles, content: bytes) -> None:
    files.template('orb').write_bytes(content)
    with pytest.raises(ScanError, match='damaged'):
        read_template(files, 'orb')


@pytest.mark.slow
def test_a_small_file_does_not_fill_the_memory(files: ScanFiles) -> None:
    files.template('orb').write_bytes(_bomb())
    assert files.template('orb').stat().st_size < 1 << 21
    with pytest.raises(ScanError, match='damaged'):
        read_template(files, 'orb')


class _Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_nothing_in_a_template_is_run(files: ScanFiles, tmp_path: Path) -> None:
    """A pickle is a program."""
    touched = tmp_path / 'touched'
    arrays = VECTORS | {'features': np.array([_Touch(touched)] * 2, dtype=object)}
    np.savez(files.template('orb'), **arrays)
    with pytest.raises(ScanError):
        read_template(files, 'orb')
    with pytest.raises(ValueError, match='pickle'):
        read_arrays(files.template('orb'))
    assert not touched.exists()


def test_a_template_is_recognised_in_a_release_whatever_its_name(tmp_path: Path) -> None:
    """Features of a face that slipped into the release would be shared with it."""
    some = {'view': np.zeros(1, np.int32), 'found': np.ones(1, bool)}
    points = Keypoints(np.zeros((2, 32), np.uint8), np.zeros((2, 2), np.float32), np.array([0, 2]))
    vectors = {**some, 'features': np.zeros((1, 128), np.float32)}
    for name, arrays in (('a.npz', vectors), ('notes.txt', {**some, **points.arrays()})):
        with (tmp_path / name).open('wb') as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
    np.savez(tmp_path / 'theirs.npz', view=np.zeros(3), features=np.zeros(3))
    images = {image.path: image.format for image in walk_release(tmp_path)}
    assert images == {'a.npz': 'template', 'notes.txt': 'template'}


def test_what_is_written_is_recognised_as_a_template(files: ScanFiles) -> None:
    """A change of what the files hold must not make them strangers in a release."""
    origin = Origin('raw', ('bids:raw:a.nii',), None, {})
    template = Template(np.zeros((1, 2), np.float32), np.zeros(1, np.int32))
    with Batch() as batch:
        write_template(batch, files, {'Extractor': 'orb'}, template, origin)
        batch.publish()
    assert sniff(files.template('orb')).format == 'template'
