"""How files are written: whole or not at all, and for their owner."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from bids_reid.bids.description import prepare_output
from bids_reid.bids.files import (
    HIDDEN,
    Batch,
    atomically,
    file_sha256,
    new_private_file,
    read_json,
    sweep_temporaries,
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
        assert temporary.name.startswith(HIDDEN)
        assert temporary.name.endswith('sub-01_desc-skin_T1w.json')


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    write_text(tmp_path / 'file', '')
    with pytest.raises(CannotWriteError, match=r'file/x\.json'):
        write_json(tmp_path / 'file' / 'x.json', {})
    (tmp_path / 'folder').mkdir()
    with pytest.raises(CannotWriteError, match='folder'):
        write_text(tmp_path / 'folder', '')
    assert {path.name for path in tmp_path.iterdir()} == {'file', 'folder'}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def _careless() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures('_careless')
def test_only_the_owner_reads_what_is_written(tmp_path: Path) -> None:
    """Otherwise everybody on the cluster can see participants' faces, whatever the umask."""
    out, source = tmp_path / 'out', tmp_path / 'source'
    source.write_text('x')
    source.chmod(0o644)
    prepare_output(out, tmp_path / 'bids')
    with Batch() as batch:
        batch.copy(source, out / 'sub-01' / 'ses-1' / 'anat' / 'skin.surf.gii')
        with new_private_file(batch.folder(out / 'renders') / 'view-00.png') as file:
            file.write(b'x')
        batch.publish()
    write_table(out / 'group_images.tsv', 'group_images', [])
    written = list(out.rglob('*'))
    assert len(written) >= 10
    for path in [out, *written]:
        assert mode(path) == (0o700 if path.is_dir() else 0o600), path


def test_files_that_belong_together_appear_together(tmp_path: Path) -> None:
    """A full disk at the third table would leave two of this run beside the others of before."""
    first, folder, other = (tmp_path / name for name in ('first', 'folder', 'other'))
    write_text(first, 'before')
    (folder / 'below').mkdir(parents=True)

    def write(last: Path) -> None:
        with Batch() as batch:
            batch.text(first, 'after')
            (batch.folder(folder) / 'new').write_text('x')
            assert first.read_text() == 'before'
            batch.text(last, 'x')
            batch.publish(lambda: other.write_text('first' + first.read_text()))

    with pytest.raises(CannotWriteError, match='first/x'):
        write(first / 'x')
    assert {path.name for path in tmp_path.rglob('*')} == {'first', 'folder', 'below'}
    assert first.read_text() == 'before'
    write(tmp_path / 'last')
    assert first.read_text() == 'after'
    assert other.read_text() == 'firstbefore'
    assert [path.name for path in folder.iterdir()] == ['new']
    assert {path.name for path in tmp_path.iterdir()} == {'first', 'folder', 'other', 'last'}


def test_a_name_comes_after_the_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a power cut there may be an empty file of the right name."""
    done: list[str] = []
    sync, replace = os.fsync, Path.replace

    def note_sync(handle: int) -> None:
        done.append(f'sync {os.fstat(handle).st_size}')
        sync(handle)

    def note_replace(path: Path, target: Path) -> Path:
        done.append(f'name {target.name}')
        return replace(path, target)

    monkeypatch.setattr(os, 'fsync', note_sync)
    monkeypatch.setattr(Path, 'replace', note_replace)
    with Batch() as batch:
        batch.text(tmp_path / 'a', 'four')
        batch.text(tmp_path / 'b', 'fives')
        batch.publish()
    assert done == ['sync 4', 'sync 5', 'name a', 'name b']


class TestSweep:
    """What a killed process leaves may show a face."""

    def test_leftovers_go_and_all_else_stays(self, tmp_path: Path) -> None:
        folder = tmp_path / 'sub-01' / 'anat'
        folder.mkdir(parents=True)
        kept = [folder / 'sub-01_desc-skin_T1w.json', tmp_path / '.bidsignore']
        kept += [tmp_path / '.cache' / 'files.tsv', tmp_path / '.datalad' / 'config']
        gone = [folder / f'{HIDDEN}0a1b2c3d-sub-01_desc-skin_T1w.surf.gii']
        gone += [folder / f'{HIDDEN}0a1b2c3d-sub-01_desc-renders_T1w' / 'view-00.png']
        # as an earlier version called them
        gone += [folder / '.ab_d1234sub-01_desc-skin_T1w.json']
        for path in (*kept, *gone):
            path.parent.mkdir(exist_ok=True)
            path.touch()
        assert sweep_temporaries(tmp_path) == 0
        assert sweep_temporaries(tmp_path / 'sub-01', below=True) == 3
        assert all(path.exists() for path in kept)
        assert list(folder.iterdir()) == kept[:1]
        assert sweep_temporaries(tmp_path / 'nowhere') == 0

    def test_nobody_s_work_is_taken_away(self, tmp_path: Path) -> None:
        """Tasks of a job array write into the same folder."""
        with Batch() as batch:
            batch.text(tmp_path / 'text', 'x')
            (batch.folder(tmp_path / 'folder') / 'y').touch()
            assert sweep_temporaries(tmp_path) == 0
            batch.publish()
        assert {path.name for path in tmp_path.iterdir()} == {'text', 'folder'}

    def test_where_there_are_no_locks_age_tells(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def none(*_: object) -> None:
            raise OSError(errno.ENOLCK, 'No locks available')

        monkeypatch.setattr(fcntl, 'flock', none)
        leftover = tmp_path / f'{HIDDEN}0a1b2c3d-x'
        leftover.touch()
        assert sweep_temporaries(tmp_path) == 0
        os.utime(leftover, (0, 0))
        assert sweep_temporaries(tmp_path) == 1


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    """A name grows while its file is written."""
    path = tmp_path / ('ü' * 125 + '.json')
    write_json(path, {})
    assert list(tmp_path.iterdir()) == [path]


def test_damaged_json_is_as_good_as_none(tmp_path: Path) -> None:
    """A record cut short means: do the scan again, not a traceback."""
    path = tmp_path / 'x.json'
    for content in (b'', b'{"a": ', b'[1]', b'\xff'):
        path.write_bytes(content)
        assert read_json(path) == {}
    assert read_json(tmp_path / 'gone.json') == {}
    write_json(path, {'a': 'é'})
    assert read_json(path) == {'a': 'é'}


def test_a_file_that_the_machine_refuses_is_not_taken_for_a_damaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that nobody could open for a moment would be as good as none.

    Its scan would be done again, and the templates of other extractors removed for it.
    """
    path = tmp_path / 'x.json'
    write_json(path, {'a': 1})
    for number in (errno.EMFILE, errno.ENOMEM, errno.EACCES):

        def refuses(_: Path, number: int = number) -> str:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr('bids_reid.bids.files.read_text', refuses)
        if number == errno.EACCES:
            assert read_json(path) == {}
        else:
            with pytest.raises(OSError, match=os.strerror(number)):
                read_json(path)


def test_the_hash_is_sha256(tmp_path: Path) -> None:
    (tmp_path / 'x').write_bytes(b'abc')
    assert file_sha256(tmp_path / 'x').startswith('ba7816bf8f01cfea414140de5dae2223b00361a39')
