"""What every program needs of its surroundings: streams that can be written, and a home folder.

Containers, schedulers and services leave out any of them. Whatever of it is missing is made here,
for the process and those that it starts, before anything else is done.
"""

from __future__ import annotations

import atexit
import errno
import io
import os
import resource
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bids_reid.errors import MachineError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

TEMPORARY_HOME = 'BIDS_REID_TEMPORARY_HOME'
"""Environment variable that says that the home folder is one of ours, for workers too."""
LEAST_MEMORY = 1_300_000_000
"""Bytes of address space below which the libraries cannot even be loaded, or hang."""
_UTF_8 = 'utf-8'
_NO_ROOM = ('Cannot allocate memory', 'failed to map segment', 'cannot allocate memory')
_CGROUPS = Path('/sys/fs/cgroup')
_OWN_GROUPS = Path('/proc/self/cgroup')
_UNLIMITED = 1 << 50
"""What version 1 of control groups says if there is no limit is larger."""


def prepare_surroundings(*, is_program: bool = True) -> None:
    """Make up for what is missing; a second call changes nothing.

    Parameters
    ----------
    is_program : bool
        Whether the process is one of our programs, which may be started again, and not another's
        that calls one.
    """
    if is_program:
        _speak_utf_8()
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # a name that the terminal's encoding lacks is shown all the same
            stream.reconfigure(errors='backslashreplace')
    _find_home()


def has_home() -> bool:
    """Whether the account has a home folder of its own, in which things may be kept."""
    return TEMPORARY_HOME not in os.environ


def check_memory(asked_gb: float | None = None) -> None:
    """Find out whether this process may take what its libraries need.

    Parameters
    ----------
    asked_gb : float, optional
        GB that the user allows all processes together.

    Raises
    ------
    MachineError
        It may not; with less, libraries end the process without a word, or wait for ever.
    UsageError
        There is not as much memory as the user allows.
    """
    if asked_gb is not None:
        _check_asked(asked_gb)
    limit = memory_limit()
    if limit is not None and limit.of_addresses and limit.most < LEAST_MEMORY:
        raise not_enough_memory()


def machine_memory() -> MemoryLimit:
    """Return how much memory all processes of a run together may use here, and who says so."""
    installed = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
    limits = [MemoryLimit(installed, 'this machine', False)]
    with suppress(OSError, ValueError):
        limits.append(MemoryLimit(_limit_of_group(), 'the control group or container', False))
    return min(limits)


def _check_asked(asked_gb: float) -> None:
    limit = machine_memory()
    most_gb = limit.most / 1e9
    if asked_gb <= most_gb:
        return
    # people give MB to the schedulers of clusters
    in_mb = asked_gb / 1000
    hint = f'did you mean {in_mb:g} GB?' if 1 <= in_mb <= most_gb else 'give less'
    raise UsageError(
        f'--mem {asked_gb:g} GB is more than the {most_gb:.1f} GB of {limit.name}: {hint}'
    )


def not_enough_memory() -> MachineError:
    """Make the error that tells how much memory there may be, and who says so."""
    limit = memory_limit()
    if limit is None:
        return MachineError('not enough memory: end other programs, or lower --nprocs')
    return MachineError(
        f'not enough memory: the limit is {limit.most / 1e9:.1f} GB ({limit.name}): raise it, or '
        'lower --nprocs'
    )


def lacks_memory(error: BaseException) -> bool:
    """Whether an error says that memory is short; of a library that cannot be loaded, too."""
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    text = str(error)
    return isinstance(error, ImportError) and any(sign in text for sign in _NO_ROOM)


class MemoryLimit(NamedTuple):
    """Bytes that this process, or those of its group together, may take.

    ``of_addresses`` tells a limit of what is reserved from one of what is used.
    """

    most: int
    name: str
    of_addresses: bool


def memory_limit() -> MemoryLimit | None:
    """Return the strictest limit of memory that somebody set, if there is one."""
    limits = []
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    if most != resource.RLIM_INFINITY:
        limits.append(MemoryLimit(most, 'ulimit -v', True))
    with suppress(OSError, ValueError):
        limits.append(MemoryLimit(_limit_of_group(), 'the control group or container', False))
    return min(limits, default=None)


def _limit_of_group() -> int:
    """Bytes that the control group of this process may take.

    Raises
    ------
    OSError, ValueError
        It has none.
    """
    limits = []
    for group in control_groups('memory'):
        with suppress(OSError, ValueError):
            limits.append(limit_of_memory(group))
    if not limits:
        raise ValueError('no limit')
    return min(limits)


def limit_of_memory(group: Path) -> int:
    """Bytes that a control group may take.

    Raises
    ------
    OSError, ValueError
        It has no limit of its own.
    """
    # version 2, or 1
    name = 'memory.max' if (group / 'memory.max').exists() else 'memory.limit_in_bytes'
    most = int((group / name).read_text('ascii'))
    if most >= _UNLIMITED:
        raise ValueError('no limit')
    return most


def control_groups(kind: str) -> Iterator[Path]:
    """Yield the folders of the control group of this process, and of those that it is in.

    Parameters
    ----------
    kind : str
        Of what is controlled: ``memory``, ``cpu``.

    Raises
    ------
    OSError, ValueError
        The system does not tell.
    """
    for line in _OWN_GROUPS.read_text('utf-8').splitlines():
        _, kinds, path = line.split(':', 2)
        if kinds and kind not in kinds.split(','):
            continue
        top = _CGROUPS / kinds
        own = top / path.lstrip('/')
        # a container sees its own group at the top
        yield from (folder for folder in (own, *own.parents) if folder.is_relative_to(top))


def _speak_utf_8() -> None:
    """Start again with names of files in UTF-8, if this process reads them otherwise.

    A name that it cannot read could not be written into a table or page either. The terminal keeps
    its encoding.
    """
    if sys.getfilesystemencoding().lower() == _UTF_8 or os.environ.get('PYTHONUTF8') == '1':
        return
    terminal = getattr(sys.stdout, 'encoding', None) or 'ascii'
    os.environ.setdefault('PYTHONIOENCODING', terminal)
    os.environ['PYTHONUTF8'] = '1'
    os.execv(sys.executable, sys.orig_argv)  # noqa: S606 (the same program with the same words)


def _open_streams() -> None:
    """Open streams that whoever started the program has closed, so that no file takes their place.

    What libraries of C say would else be written into the file that happens to be open.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY)
            # else the workers' first pipe takes the place, and they die of it
            os.set_inheritable(number, True)
    for name, number, mode in (('stdin', 0, 'r'), ('stdout', 1, 'w'), ('stderr', 2, 'w')):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding=_UTF_8, closefd=False))  # noqa: SIM115


def _find_home() -> None:
    """Give libraries that keep settings a home folder, if the account has none that it may enter.

    It is private, and removed at the end.
    """
    # HOME is not set, and no table has the number of the user; or it is that of somebody else
    with suppress(RuntimeError, OSError):
        home = Path.home()
        if home.is_dir() and os.access(home, os.X_OK):
            return
    try:
        made = tempfile.mkdtemp(prefix='bids_reid_home_')
    except OSError:
        # whoever needs a temporary folder says that there is none
        return
    os.environ |= {'HOME': made, TEMPORARY_HOME: made}
    atexit.register(_remove, made, os.getpid())


def _remove(home: str, owner: int) -> None:
    # workers are forks, too
    if os.getpid() == owner:
        shutil.rmtree(home, ignore_errors=True)
