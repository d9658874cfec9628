"""Folders of runs show faces: one run's own while it lives, taken over or swept after a kill."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bids_reid import __version__
from bids_reid.engine import run_folders
from bids_reid.engine.run_folders import LOCK, own_work_folder
from bids_reid.errors import CannotWriteError
from bids_reid.settings import Settings

_RUN = """
import os, sys
from pathlib import Path
from bids_reid.engine.run_folders import own_work_folder
from bids_reid.settings import Settings

settings = Settings(bids_dir=Path('b'), output_dir=Path(sys.argv[1]), levels=('group',))
with own_work_folder(settings) as own:
    (own.work / 'wf').mkdir(exist_ok=True)
    print(own.work, flush=True)
    sys.stdin.read(1)
    if sys.argv[2] == 'die':
        os.kill(os.getpid(), 9)
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(bids_dir=tmp_path / 'bids', output_dir=tmp_path / 'out', levels=('group',))


Start = Callable[[str], tuple['subprocess.Popen[str]', Path]]


@pytest.fixture
def start(settings: Settings) -> Start:
    """Start another run with the same output: it ends, or dies, when its input does."""

    def run(end: str) -> tuple[subprocess.Popen[str], Path]:
        process = subprocess.Popen(
            [sys.executable, '-c', _RUN, settings.output_dir, end],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        return process, Path(process.stdout.readline().strip())

    return run


def test_runs_side_by_side_have_folders_of_their_own(settings: Settings, start: Start) -> None:
    """Nipype's steps of one would overwrite those of the other, and one's failure be the other's.

    That of a run that was killed is taken over, with what it had computed.
    """
    dying, first = start('die')
    with own_work_folder(settings) as own:
        assert own.work != first
        assert own.work.parent == first.parent
        dying.communicate('')
        assert (first / 'wf').is_dir()
    with own_work_folder(settings) as own:
        assert own.work == first
        assert (first / 'wf').is_dir()
    assert not settings.work.exists(), 'what is done needs no intermediate files'


def test_folders_of_dead_runs_are_swept_and_those_of_living_ones_are_not(
    settings: Settings, start: Start
) -> None:
    """Renders that a killed task of a job array left would lie there for good."""
    runs = [start(end) for end in ('die', 'die', 'end')]
    others = settings.work / f'bids_reid-{__version__}' / 'run-00000000-0'
    others.mkdir()
    (others / LOCK).touch()
    for process, _ in runs[:2]:
        process.communicate('')
    (_, first), (_, second), (living, third) = runs
    with own_work_folder(settings) as own:
        assert own.work == first
        assert not second.exists()
        assert third.is_dir()
    living.communicate('')
    assert not third.exists()
    # of another output that shares the work folder
    assert others.is_dir()


def test_a_run_that_does_not_end_well_leaves_what_it_computed(settings: Settings) -> None:
    with suppress(ZeroDivisionError), own_work_folder(settings) as own:
        (own.work / 'wf').mkdir()
        1 / 0  # noqa: B018
    with own_work_folder(settings) as again:
        assert again.work == own.work
        assert (again.work / 'wf').is_dir()


def test_without_locks_each_run_has_a_new_folder(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can tell there whether another one's run is dead."""

    def lockf(*_: Any) -> None:
        raise OSError(errno.ENOSYS, 'no locks')

    monkeypatch.setattr(fcntl, 'lockf', lockf)
    with own_work_folder(settings) as first, own_work_folder(settings) as second:
        assert first.work != second.work
        assert first.work.is_dir()
    assert not settings.work.exists()


def test_a_work_folder_that_cannot_be_made_is_told(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / 'file').touch()
    with (
        pytest.raises(CannotWriteError, match='file/work'),
        own_work_folder(replace(settings, work_dir=tmp_path / 'file/work')),
    ):
        pass


_TEMPORARY = """
import os, sys, tempfile
from bids_reid.engine.run_folders import use_temporary_folder

if __name__ == '__main__':
    use_temporary_folder()
    # as a notebook does that runs a second time
    use_temporary_folder()
    from multiprocessing import get_context

    # sockets, semaphores, and what libraries leave
    lock = get_context('forkserver').Lock()
    worker = get_context('forkserver').Process(target=tempfile.mkdtemp)
    worker.start()
    worker.join()
    tempfile.mkdtemp()
    print(tempfile.gettempdir(), flush=True)
    sys.stdin.read(1)
    if sys.argv[1] == 'die':
        os.killpg(0, 9)
"""


@pytest.mark.parametrize('name', ['tmp', 'long' * 20])
def test_nothing_stays_in_the_temporary_folder_of_the_system(tmp_path: Path, name: str) -> None:
    """Neither after a run, nor, once another one has begun, after one that was killed.

    A socket has no place in a folder with a long name, as schedulers have them.
    """
    system, script = tmp_path / name, tmp_path / 'script.py'
    script.write_text(_TEMPORARY)
    # a name like ours that is somebody's
    (system / 'bids_reid-results').mkdir(parents=True)

    def run(end: str) -> Path:
        done = subprocess.run(
            [sys.executable, script, end],
            env=os.environ | {'TMPDIR': str(system)},
            input='',
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            start_new_session=True,
        )
        return Path(done.stdout.strip())

    def memory(folder: Path) -> list[Path]:
        return list(Path('/dev/shm').glob(f'sem.{folder.name}*'))

    killed = run('die')
    assert killed.parent == system
    assert killed.stat().st_mode & 0o077 == 0
    # two folders and the lock; where it fits, the socket
    assert len(list(killed.iterdir())) >= 3
    assert memory(killed)
    ended = run('end')
    assert ended != killed
    assert [path.name for path in system.iterdir()] == ['bids_reid-results']
    assert not memory(killed)
    assert not memory(ended)


def test_a_run_that_ends_meanwhile_takes_nothing_from_under_another(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It removes the folders above if they are empty, which they are for a moment."""
    real, times = run_folders.hold, iter(range(3))

    def ended(path: Path) -> int | None:
        if next(times, None) is not None:
            shutil.rmtree(settings.work)
        return real(path)

    monkeypatch.setattr(run_folders, 'hold', ended)
    with own_work_folder(settings) as own:
        assert own.work.is_dir()
