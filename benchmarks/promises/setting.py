"""What all measurements of promises share: a small dataset, runs in a box, outputs compared."""

from __future__ import annotations

import argparse
import atexit
import hashlib
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np
from PIL import Image, ImageFile

from bids_reid.demo.phantom_dataset import write_phantom_dataset

EXTRACTORS = ('orb', 'face_recognition')
# pages of participants end with comments that tell their scans and their content
PAGE_END = re.compile(r'</html>\s*(<!-- (scans )?[0-9a-f]{64} -->\s*)*\Z')
BROKEN_SCAN = 'sub-98/anat/sub-98_T1w.nii.gz'
BROKEN_PHOTO = 'distractor-secret-name.jpg'
NOT_COMPARED = {
    '.cache': 'which file was read when: inodes and times',
    '.locks': 'which process writes',
    'logs': 'names of crash files hold a time',
}
"""What differs between two runs, and why; all other files of an output are compared."""
MARK = 'BIDS_REID_PROMISE'
"""Variable in the environment of a run's processes, by which they are found."""
ALARMS = re.compile(
    r'Traceback|is damaged|older version|_unfinished|delete their results|\w+Error\b|'
    'hold scores of'
)
"""What a run must never print, whatever was killed before it."""
HIDDEN = re.compile(r'(^|/)\.(?!bidsignore$|cache/|locks$)')


@dataclass
class Report:
    """The numbers of a measurement, and the promises that it found broken."""

    name: str
    numbers: dict[str, object] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def check(self, holds: object, promise: str) -> None:
        """Note a promise that does not hold."""
        if not holds:
            self.broken.append(promise)
            print(f'BROKEN: {promise}', flush=True)

    def say(self, **numbers: object) -> None:
        """Note numbers and print them."""
        self.numbers |= numbers
        for name, value in numbers.items():
            print(f'{name}: {value}', flush=True)

    def end(self) -> int:
        """Print the outcome as one line of JSON; return the exit code."""
        said = {'measurement': self.name, **self.numbers, 'broken': self.broken}
        print(json.dumps(said, default=str))
        return 1 if self.broken else 0


@dataclass(frozen=True)
class Place:
    """A folder with a dataset, photographs, and a temporary folder and shared memory of its own.

    ``outside`` are the options of all runs there.
    """

    root: Path
    options: tuple[str, ...] = ('--extractors', *EXTRACTORS)

    @property
    def bids(self) -> Path:
        """The dataset."""
        return self.root / 'bids'

    @property
    def photos(self) -> Path:
        """The photographs."""
        return self.root / 'photos'

    @property
    def temporary(self) -> Path:
        """``TMPDIR`` of runs."""
        return self.root / 'tmp'

    @property
    def shared_memory(self) -> Path:
        """What runs see as ``/dev/shm``, where that can be arranged."""
        return self.root / 'shm'

    def command(self, out: Path, *options: str) -> list[str]:
        """Both levels on this dataset."""
        return [
            str(Path(sys.executable).with_name('bids-reid')),
            *map(str, (self.bids, out, 'participant', 'group', '--photos', self.photos)),
            *self.options,
            *options,
        ]


def parser(text: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that all measurements have."""
    # so that an end by a signal ends the runs, too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # a shell lets what it starts in the background ignore Ctrl-C, and that is inherited
    signal.signal(signal.SIGINT, signal.default_int_handler)
    made = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument('--folder', type=Path, help='work here, and keep it (default: temporary)')
    made.add_argument('--people', type=int, default=3, help='phantoms (default: 3)')
    made.add_argument('--seed', type=int, default=0, help='of all random draws (default: 0)')
    return made


@contextmanager
def place_of(options: argparse.Namespace, **dataset: bool) -> Iterator[Place]:
    """Make a dataset in a folder, which is removed afterwards unless it was asked for."""
    with tempfile.TemporaryDirectory(prefix='promise-') as temporary:
        root = (options.folder or Path(temporary)).absolute()
        place = Place(root)
        if not place.bids.exists():
            make_dataset(place, options.people, **dataset)
        yield place


def make_dataset(place: Place, people: int, *, broken: bool = True) -> None:
    """Write phantoms at 3 mm with one photograph each, and one distractor.

    With ``broken`` there are also a scan that cannot be read and a photograph that cannot.
    """
    write_phantom_dataset(
        place.root, people=people, spacing=3.0, distractors=1, photos_per_person=1
    )
    for folder in (place.temporary, place.shared_memory):
        folder.mkdir(mode=0o700)
    if broken:
        whole = place.bids / 'sub-01' / 'anat' / 'sub-01_T1w.nii.gz'
        path = place.bids / BROKEN_SCAN
        path.parent.mkdir(parents=True)
        path.write_bytes(whole.read_bytes()[:2000])
        table = place.bids / 'participants.tsv'
        table.write_text(f'{table.read_text()}sub-98\t40\tF\n')
        photo = place.photos / 'sub-01_photo-1.jpg'
        (place.photos / BROKEN_PHOTO).write_bytes(photo.read_bytes()[:300])


def boxed(place: Place, command: Sequence[str]) -> list[str]:
    """Give a command a shared memory of its own, if this machine lets us."""
    memory = Path('/dev/shm')
    hidden = place.root.is_relative_to(memory)
    if hidden or os.getuid() != 0 or shutil.which('unshare') is None:
        return list(command)
    script = f'mount --bind {shlex.quote(str(place.shared_memory))} {memory} && exec "$@"'
    return ['unshare', '-m', 'sh', '-c', script, 'sh', *command]


@dataclass
class Run:
    """A run that goes on, in a process group of its own."""

    process: subprocess.Popen[bytes]
    mark: str
    log: Path

    def kill(self, number: int = signal.SIGKILL, *, group: bool = True) -> bool:
        """Send a signal; return whether there was still somebody to get it."""
        try:
            (os.killpg if group else os.kill)(self.process.pid, number)
        except ProcessLookupError:
            return False
        return self.process.poll() is None or self.process.returncode < 0

    def wait(self, seconds: float) -> float | None:
        """Wait until the program and all its processes ended; return the seconds it took."""
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            if self.process.poll() is not None and not self.alive():
                return time.monotonic() - started
            time.sleep(0.02)
        return None

    def alive(self) -> list[int]:
        """Processes of this run."""
        return [pid for pid in _processes() if _has_mark(pid, self.mark)]

    @property
    def said(self) -> str:
        """All that it printed."""
        return self.log.read_text(encoding='utf-8', errors='replace')


def start(
    place: Place, command: Sequence[str], environment: Mapping[str, str] | None = None
) -> Run:
    """Start a command in a process group, temporary folder and shared memory of its own."""
    mark = uuid.uuid4().hex
    log = place.root / 'terminal.txt'
    variables = {**os.environ, 'TMPDIR': str(place.temporary), **(environment or {}), MARK: mark}
    with log.open('wb') as file:
        process = subprocess.Popen(
            boxed(place, command),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=variables,
            start_new_session=True,
        )
    run = Run(process, mark, log)
    atexit.register(run.kill)
    return run


def finish(
    place: Place, command: Sequence[str], environment: Mapping[str, str] | None = None
) -> tuple[int, str, float]:
    """Run a command to its end; return its code, what it printed and the seconds it took."""
    run = start(place, command, environment)
    started = time.monotonic()
    code = run.process.wait(3600)
    return code, run.said, time.monotonic() - started


def _processes() -> Iterator[int]:
    yield from (int(entry.name) for entry in Path('/proc').iterdir() if entry.name.isdigit())


def _has_mark(pid: int, mark: str) -> bool:
    try:
        inside = f'{MARK}={mark}'.encode() in Path(f'/proc/{pid}/environ').read_bytes()
        # a zombie has ended
        return inside and ' Z ' not in Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2][:3]
    except (OSError, ValueError):
        return False


def files_of(out: Path) -> Iterator[tuple[str, Path]]:
    """Yield files of an output that are compared: their names and paths."""
    for path in sorted(out.rglob('*')):
        name = path.relative_to(out).as_posix()
        if not path.is_dir() and name.partition('/')[0] not in NOT_COMPARED:
            yield name, path


def snapshot(out: Path) -> dict[str, str]:
    """Hash the files of an output."""
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files_of(out)}


def differences(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """Names of files that two snapshots do not share."""
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


def left_behind(place: Place, out: Path) -> list[str]:
    """Name what a run that ended should have taken away."""
    left = [f'{name} (unfinished)' for name, _ in files_of(out) if HIDDEN.search(name)]
    left += [f'{name} (work)' for name, _ in files_of(out) if name.startswith('work/')]
    for where, folder in (('/tmp', place.temporary), ('/dev/shm', place.shared_memory)):
        left += [f'{where}/{path.name}' for path in folder.iterdir()]
    return left


def half_written(out: Path) -> list[str]:
    """Name the files under their final names that are not whole."""
    bad = []
    for name, path in files_of(out):
        if not HIDDEN.search(name) and not name.startswith('work/'):
            try:
                _read_whole(path)
            except FileNotFoundError:
                continue
            except Exception as error:  # noqa: BLE001 (any failure to read is the finding)
                bad.append(f'{name}: {type(error).__name__}: {error}')
    return bad


def _read_whole(path: Path) -> None:
    """Read a file by its format.

    Raises
    ------
    Exception
        It is not whole.
    """
    if path.suffix == '.json':
        json.loads(path.read_text())
    elif path.suffix == '.npz':
        with np.load(io.BytesIO(path.read_bytes())) as content:
            for name in content:
                content[name]
    elif path.suffix == '.gii':
        nib.load(path)
    elif path.suffix == '.png':
        # face_recognition makes Pillow fill what a cut file lacks, without a word
        ImageFile.LOAD_TRUNCATED_IMAGES = False
        Image.open(io.BytesIO(path.read_bytes())).load()
    elif path.suffix == '.tsv':
        _check_table(path.read_text())
    elif path.suffix == '.html' and not PAGE_END.search(path.read_text()):
        raise ValueError('has no end')


def _check_table(text: str) -> None:
    widths = {line.count('\t') for line in text.splitlines()}
    if len(widths) != 1 or not text.endswith('\n'):
        raise ValueError('is no whole table')


def alarms(said: str) -> list[str]:
    """Lines that a run must never print, but for the files that are broken."""
    known = (Path(BROKEN_SCAN).name, BROKEN_PHOTO)
    return [
        line
        for line in said.splitlines()
        if ALARMS.search(line) and not any(name in line for name in known)
    ]
