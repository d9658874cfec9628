"""A verdict is about bytes: it must not be given to others that were put in their place."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bids_reid.bids.files import file_sha256
from bids_reid.bids.unchanged import CHANGED, file_state, read_unchanged
from bids_reid.errors import ScanError


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    path = tmp_path / 'sub-01_T1w.nii'
    path.write_bytes(b'face')
    return path


def replaced_during(
    scan: Path, times: int, replace: Callable[[], object]
) -> tuple[Callable[[], bytes], list[int]]:
    """A reader during whose first calls the file is replaced."""
    calls = [0]

    def read() -> bytes:
        content = scan.read_bytes()
        if calls[0] < times:
            replace()
        calls[0] += 1
        return content

    return read, calls


def test_the_hash_is_of_what_was_read(scan: Path) -> None:
    sha256 = file_sha256(scan)
    assert read_unchanged(scan, scan.read_bytes) == (sha256, b'face')


def test_a_file_that_is_replaced_once_is_read_again(scan: Path) -> None:
    """A face that was measured would be on record as that of the de-faced image."""
    read, calls = replaced_during(scan, 1, lambda: scan.write_bytes(b'none'))
    sha256, content = read_unchanged(scan, read)
    assert (content, calls) == (b'none', [2])
    assert sha256 == file_sha256(scan)


def test_one_that_goes_on_changing_is_refused(scan: Path) -> None:
    read, calls = replaced_during(scan, 9, lambda: scan.write_bytes(os.urandom(4)))
    with pytest.raises(ScanError, match=CHANGED):
        read_unchanged(scan, read)
    assert calls == [2]


def test_one_that_was_put_back_is_seen(scan: Path) -> None:
    """The bytes are the same again, and others were read."""

    def there_and_back() -> None:
        scan.rename(scan.with_suffix('.kept'))
        scan.write_bytes(b'else')
        scan.unlink()
        scan.with_suffix('.kept').rename(scan)

    read, calls = replaced_during(scan, 1, there_and_back)
    read_unchanged(scan, read)
    assert calls == [2]


def test_half_a_file_that_is_being_copied_is_read_again(scan: Path) -> None:
    """Its failure would be that of the whole file."""
    scan.write_bytes(b'fa')

    def read() -> bytes:
        content = scan.read_bytes()
        scan.write_bytes(b'face')
        if content != b'face':
            raise ScanError('cut')
        return content

    scan.write_bytes(b'fa')
    with pytest.raises(ScanError, match=CHANGED):
        read_unchanged(scan, read)
    reads = iter([ScanError('cut'), None])

    def read_once_cut() -> bytes:
        error = next(reads)
        if error is not None:
            scan.write_bytes(b'whole')
            raise error
        return scan.read_bytes()

    assert read_unchanged(scan, read_once_cut)[1] == b'whole'


def test_what_fails_of_the_same_bytes_fails_with_its_own_reason(scan: Path) -> None:
    def fail() -> None:
        raise ScanError('the file is empty')

    with pytest.raises(ScanError, match='the file is empty'):
        read_unchanged(scan, fail)
    scan.unlink()
    with pytest.raises(ScanError, match='the file is empty'):
        read_unchanged(scan, fail)


def test_the_state_of_a_file_changes_with_it(scan: Path) -> None:
    state = file_state(scan)
    assert state == file_state(scan)
    times = scan.stat().st_atime_ns, scan.stat().st_mtime_ns
    other = scan.with_suffix('.new')
    other.write_bytes(b'else')
    os.utime(other, ns=times)
    other.replace(scan)
    assert file_state(scan) not in (state, None)
    scan.unlink()
    assert file_state(scan) is None
