"""How files are written: whole or not at all, and for their owner."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from bids_reid.bids.description import prepare_output
from bids_reid.bids.files import (
    atomically,
    copy_file,
    file_sha256,
    read_json,
    write_json,
    write_text,
)
from bids_reid.bids.tables import write_table
from bids_reid.errors import CannotWriteError


def test_a_stopped_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    """Otherwise half a template, after a full disk or Ctrl-C, counts as a result."""
    target = tmp_path / 'new' / 'file.npz'

    def stop(error: type[BaseException]) -> None:
        with atomically(target) as temporary:
            temporary.write_text('half')
            assert not target.exists() or target.read_text() == 'whole'
            raise error

    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error):
            stop(error)
        assert list(target.parent.iterdir()) == []
    write_text(target, 'whole')
    with pytest.raises(ValueError):  # noqa: PT011 (our own)
        stop(ValueError)
    assert [path.name for path in target.parent.iterdir()] == ['file.npz']
    assert target.read_text() == 'whole'


def test_the_temporary_file_is_no_result(tmp_path: Path) -> None:
    """Otherwise a killed process leaves something that the group level reads."""
    with atomically(tmp_path / 'sub-01_desc-skin_T1w.json') as temporary:
        assert temporary.parent == tmp_path  # the same disk: replacing is one step
        assert temporary.name.startswith('.')
        temporary.touch()


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    write_text(tmp_path / 'file', '')
    with pytest.raises(CannotWriteError, match=r'file/x\.json'):
        write_json(tmp_path / 'file' / 'x.json', {})
    (tmp_path / 'folder').mkdir()
    with pytest.raises(CannotWriteError, match='folder'):
        write_text(tmp_path / 'folder', '')
    assert {path.name for path in tmp_path.iterdir()} == {'file', 'folder'}


@pytest.fixture
def _private() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures('_private')
def test_only_the_owner_reads_what_is_written(tmp_path: Path) -> None:
    """Otherwise everybody on the cluster can see participants' faces."""
    out, source = tmp_path / 'out', tmp_path / 'source'
    source.write_text('x')
    source.chmod(0o644)
    prepare_output(out, tmp_path)
    copy_file(source, out / 'sub-01' / 'ses-1' / 'anat' / 'skin.surf.gii')
    write_table(out / 'group_images.tsv', 'group_images', [])
    written = list(out.rglob('*'))
    assert len(written) >= 8
    for path in [out, *written]:
        assert mode(path) == (0o700 if path.is_dir() else 0o600), path


def test_damaged_json_is_as_good_as_none(tmp_path: Path) -> None:
    """A record cut short means: do the scan again, not a traceback."""
    path = tmp_path / 'x.json'
    for content in (b'', b'{"a": ', b'[1]', b'\xff'):
        path.write_bytes(content)
        assert read_json(path) == {}
    assert read_json(tmp_path / 'gone.json') == {}
    write_json(path, {'a': 'é'})
    assert read_json(path) == {'a': 'é'}


def test_the_hash_is_sha256(tmp_path: Path) -> None:
    (tmp_path / 'x').write_bytes(b'abc')
    assert file_sha256(tmp_path / 'x').startswith('ba7816bf8f01cfea414140de5dae2223b00361a39')
