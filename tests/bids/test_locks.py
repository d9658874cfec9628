"""Runs that meet on one output must not write over each other, and a dead one blocks nobody."""

from __future__ import annotations

import errno
import fcntl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from bids_reid.bids.locks import LOCKS, NoLocksError, hold, locked_output
from bids_reid.errors import CannotWriteError, Exit

_HOLDER = """
import sys, time
from pathlib import Path
from bids_reid.bids.locks import hold, locked_output

where, labels = Path(sys.argv[1]), sys.argv[2:]
if where.suffix == '.lock':
    assert hold(where) is not None
    print('held', flush=True)
    time.sleep(60)
with locked_output(where, labels):
    print('held', flush=True)
    time.sleep(60)
"""


@contextmanager
def held(where: Path, *labels: str) -> Iterator[subprocess.Popen[str]]:
    """Let another process hold a lock for the block; it is killed then, as a scheduler would."""
    command = [sys.executable, '-c', _HOLDER, where, *labels]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == 'held\n'
            yield process
        finally:
            process.kill()


def test_a_second_run_is_refused_in_one_line_that_names_the_first(tmp_path: Path) -> None:
    """Two runs on one output gave damaged results without a word."""
    out = tmp_path / 'out'
    (out / 'sub-02').mkdir(parents=True)
    with held(out, '01', '02') as other:
        with (
            pytest.raises(CannotWriteError, match=rf'process {other.pid}, sub-02\): wait') as told,
            locked_output(out, ['02', '03']),
        ):
            pass
        assert told.value.exit_code == Exit.MACHINE
        # what was taken before the refusal is free again
        with locked_output(out, ['03']):
            pass
    # it was killed: nobody has to clean up after it
    with locked_output(out, ['02', '03']):
        pass
    assert (out / LOCKS).stat().st_mode & 0o077 == 0


def test_tasks_of_different_participants_go_on_side_by_side(tmp_path: Path) -> None:
    """A job array has one task for each participant."""
    with held(tmp_path, '01'), locked_output(tmp_path, ['02']), held(tmp_path, '03'):
        pass


@pytest.mark.parametrize(('first', 'second'), [((), ('01',)), (('01',), ()), ((), ())])
def test_who_writes_everything_meets_everybody(
    tmp_path: Path, first: tuple[str, ...], second: tuple[str, ...]
) -> None:
    """The group level, or a run of all participants, beside a task of one of them."""
    with (
        held(tmp_path, *first),
        pytest.raises(CannotWriteError, match='being written by another run'),
        locked_output(tmp_path, second),
    ):
        pass


def test_a_file_is_held_by_one_process_until_that_ends(tmp_path: Path) -> None:
    path = tmp_path / 'file.lock'
    with held(path):
        assert hold(path) is None
    assert hold(path) is not None


def test_a_file_that_was_removed_meanwhile_is_not_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs would have the same folder: one the old file, one the new."""
    path, real = tmp_path / 'file.lock', fcntl.lockf

    def swept(*arguments: Any) -> None:
        path.unlink()
        real(*arguments)

    monkeypatch.setattr(fcntl, 'lockf', swept)
    assert hold(path) is None


def refuse(number: int) -> Callable[..., None]:
    def lockf(*_: Any) -> None:
        raise OSError(number, 'refused')

    return lockf


def test_a_file_system_without_locks_is_told_and_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Some of clusters have none: the program must run there all the same."""
    monkeypatch.setattr(fcntl, 'lockf', refuse(errno.ENOSYS))
    with locked_output(tmp_path, ['01']):
        assert 'does not support locks' in capsys.readouterr().out
    with pytest.raises(NoLocksError):
        hold(tmp_path / 'file')
    monkeypatch.setattr(fcntl, 'lockf', refuse(errno.EIO))
    with pytest.raises(CannotWriteError, match='refused'), locked_output(tmp_path, ['01']):
        pass


def test_an_output_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / 'file').touch()
    with pytest.raises(CannotWriteError, match='file/out'), locked_output(tmp_path / 'file/out'):
        pass


def test_what_was_left_half_written_is_swept_where_nobody_else_writes(tmp_path: Path) -> None:
    """A part of a surface shows a part of a face."""
    names = ('01', '02')
    left = {
        name: tmp_path / f'sub-{name}' / 'anat' / '.bids_reid-0a1b2c3d-sub_skin' for name in names
    }
    for path in left.values():
        path.parent.mkdir(parents=True)
        path.touch()
    with locked_output(tmp_path, ['01']):
        assert not left['01'].exists()
        assert left['02'].exists()
    with suppress(ZeroDivisionError), locked_output(tmp_path):
        assert not left['02'].exists()
        left['02'].touch()
        1 / 0  # noqa: B018
    assert not left['02'].exists()
