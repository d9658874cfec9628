"""The folders of a run: for intermediate and for temporary files, which may show faces.

Each is one run's own, as long as that lives: a file in it is locked. Those of runs that were
killed are taken over or swept by the next.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from multiprocessing import current_process
from pathlib import Path
from typing import TYPE_CHECKING

from bids_reid import __version__
from bids_reid.bids.locks import NoLocksError, hold
from bids_reid.errors import CannotWriteError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bids_reid.settings import Settings

LOCK = '.bids_reid_lock'
TEMPORARY = 'bids_reid-'
"""How the names of folders for temporary files begin."""
_SHARED_MEMORY = Path('/dev/shm')  # noqa: S108
_LONGEST = 107 - len('/listener-12345678')
"""Paths of sockets have up to 107 bytes."""
_SHORT = Path('/tmp')  # noqa: S108
_MOST = 10_000
_own_folders: set[Path] = set()
"""Folders for temporary files of this process."""


@contextmanager
def own_work_folder(settings: Settings) -> Iterator[Settings]:
    """Yield settings with a folder for intermediate files that no other run uses.

    One that a run with the same output left when it was killed is taken over with what it had
    computed; the others are removed. It is removed when the block ends well, and else kept for the
    next run.

    Raises
    ------
    CannotWriteError
        It cannot be made.
    """
    version_folder = settings.work / f'bids_reid-{__version__}'
    output = hashlib.sha256(os.fsencode(settings.output_dir.resolve())).hexdigest()
    try:
        version_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder, handle = _take(version_folder, f'run-{output[:8]}-')
    except OSError as error:
        raise CannotWriteError(f'cannot write {version_folder}: {error.strerror}') from error
    try:
        yield replace(settings, work_dir=folder)
        _remove(folder)
    finally:
        if handle is not None:
            os.close(handle)
    with suppress(OSError):
        version_folder.rmdir()
        if settings.work_dir is None:
            settings.work.rmdir()


def _take(parent: Path, prefix: str) -> tuple[Path, int | None]:
    """Take the first folder that nobody has, and sweep the others; without locks take a new one.

    Raises
    ------
    OSError
        No folder can be made.
    """
    for number in range(_MOST):
        folder = parent / f'{prefix}{number}'
        try:
            # what is above may have been removed by a run that ended
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = hold(folder / LOCK)
        except FileNotFoundError:
            # swept by another run between these two lines
            continue
        except NoLocksError:
            (folder / LOCK).unlink(missing_ok=True)
            with suppress(OSError):
                folder.rmdir()
            parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            return Path(tempfile.mkdtemp(prefix=f'{prefix}x', dir=parent)), None
        if handle is not None:
            for other in parent.glob(f'{prefix}*'):
                if other != folder:
                    _sweep(other)
            return folder, handle
    raise FileExistsError(f'{_MOST} runs have folders in {parent}')


def _sweep(folder: Path) -> bool:
    """Remove a folder if a run made it and none has it; say whether it did."""
    try:
        if folder.is_symlink() or not (folder / LOCK).is_file():
            return False
        handle = hold(folder / LOCK) if folder.stat().st_uid == os.getuid() else None
    except (OSError, NoLocksError):
        return False
    if handle is None:
        return False
    _remove(folder)
    os.close(handle)
    return True


def _remove(folder: Path) -> None:
    """Remove a folder, the lock last: who comes meanwhile finds it locked."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != LOCK:
            path.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


@cache
def temporary_folder(parent: Path) -> Path:
    """Make a folder for temporary files of this process and its workers, once.

    It is removed when the process ends; those that killed ones left are removed now, with their
    shared memory.

    Raises
    ------
    OSError
        It cannot be made.
    """
    for folder in parent.glob(f'{TEMPORARY}*'):
        if _sweep(folder):
            for semaphore in _SHARED_MEMORY.glob(f'sem.{folder.name}-*'):
                semaphore.unlink(missing_ok=True)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=parent))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        try:
            # held until the process ends; another one may have swept it before
            if hold(folder / LOCK) is not None:
                return folder
        except (NoLocksError, OSError):
            if folder.is_dir():
                return folder


def use_temporary_folder() -> None:
    """Let this process and those that it starts have their temporary files in such a folder.

    A second call changes nothing.

    Raises
    ------
    CannotWriteError
        It cannot be made.
    """
    if Path(tempfile.gettempdir()) in _own_folders:
        return
    try:
        folder = temporary_folder(Path(tempfile.gettempdir()))
        fits = len(os.fsencode(folder)) <= _LONGEST
        sockets = folder if fits else temporary_folder(_SHORT)
    except OSError as error:
        raise CannotWriteError(f'cannot make a temporary folder: {error}') from error
    _own_folders.add(folder)
    os.environ['TMPDIR'] = str(folder)
    tempfile.tempdir = None
    # Python has no other way to say where its sockets and semaphores are
    configuration = current_process()._config  # type: ignore[attr-defined]
    configuration |= {'semprefix': f'/{folder.name}', 'tempdir': str(sockets)}
