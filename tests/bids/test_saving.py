"""A process may be killed, and a disk be full, at any moment: nothing that was done is lost."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from bids_reid.bids.derivatives import (
    is_up_to_date,
    read_record,
    renew_record,
    save_failure,
)
from bids_reid.bids.files import HIDDEN, sweep_temporaries
from bids_reid.bids.layout import ScanFiles
from bids_reid.errors import CannotWriteError
from bids_reid.records import Scan, ScanRecord, Template
from tests.support.scan_records import save_results

VIEWS = np.array([4, 7], np.int32)
TEMPLATE = Template(np.arange(6, dtype=np.float32).reshape(2, 3), VIEWS)
OTHER = Template(np.arange(6, dtype=np.float32).reshape(2, 3) + 1, VIEWS)
PICTURES = np.zeros((90, 4, 4), np.uint8)
WRITES = {'open', 'os.rename', 'os.remove', 'os.mkdir', 'os.rmdir', 'shutil.rmtree'}

_on_write: Callable[[], None] | None = None


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if _on_write is None or event not in WRITES or _is_read(event, arguments):
        return
    path = Path(os.fsdecode(arguments[0])) if isinstance(arguments[0], str | Path) else Path()
    # what tests write is elsewhere; 90 renders are like one
    counts = not path.name.startswith('view-') or path.name in {'view-00.png', 'view-89.png'}
    if counts and ('out' in path.parts or not path.is_absolute()):
        _on_write()


def _is_read(event: str, arguments: tuple[object, ...]) -> bool:
    writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT
    return event == 'open' and not int(str(arguments[2])) & writes


sys.addaudithook(_hook)


@contextmanager
def at_write(number: int, act: Callable[[], None]) -> Iterator[list[int]]:
    """Do something just before that write, from 0; yield how many there were, as a list."""
    global _on_write  # noqa: PLW0603
    seen = [0]

    def count() -> None:
        if seen[0] == number:
            seen[0] += 1
            act()
        seen[0] += 1

    _on_write = count
    try:
        yield seen
    finally:
        _on_write = None


def full() -> None:
    raise OSError(28, 'No space left on device')


@dataclass
class Bench:
    """One scan, whose results are saved again."""

    folder: Path

    def __post_init__(self) -> None:
        self.raw, self.out = self.folder / 'raw', self.folder / 'out'
        path = self.raw / 'sub-01' / 'anat' / 'sub-01_T1w.nii'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'scan')
        self.scan = Scan('01', None, 'T1w', 'sub-01', path)
        self.files = ScanFiles.of(self.scan, self.out)

    def save(self, pictures: bool = False, **templates: Template) -> None:
        renders = PICTURES if pictures else None
        save_results(self.scan, self.raw, self.out, templates, renders=renders)

    def add(self) -> None:
        """Another extractor."""
        self.save(sift=OTHER)

    def add_renders(self) -> None:
        """Another extractor, and pictures."""
        self.save(sift=OTHER, pictures=True)

    def redo(self) -> None:
        """The same extractor, which gives something else now."""
        self.save(orb=OTHER)

    def replace(self) -> None:
        """Results of another image."""
        self.scan.path.write_bytes(b'other')
        self.save(orb=OTHER)

    def fail(self) -> None:
        """Another image, which has no results."""
        self.scan.path.write_bytes(b'other')
        save_failure(self.scan, self.raw, self.out, 'broken')

    def move(self) -> None:
        """Another name of the image."""
        moved = self.scan.path.with_name('sub-01_acq-x_T1w.nii')
        moved.write_bytes(b'scan')
        renew_record(replace(self.scan, path=moved), self.raw, self.out)

    def content(self) -> dict[str, bytes]:
        """What a reader sees."""
        return {
            str(path.relative_to(self.out)): path.read_bytes()
            for path in self.out.rglob('*')
            if path.is_file() and HIDDEN not in str(path)
        }

    def restore(self, content: dict[str, bytes]) -> None:
        self.scan.path.write_bytes(b'scan')
        for path in self.content():
            (self.out / path).unlink()
        for path, bytes_ in content.items():
            (self.out / path).parent.mkdir(exist_ok=True)
            (self.out / path).write_bytes(bytes_)

    def record(self) -> ScanRecord | None:
        return read_record(self.files)

    def done(self) -> bool:
        self.scan.path.write_bytes(b'scan')
        return is_up_to_date(
            self.scan, self.out, models={'orb': {'Model': 'm'}}, keep_renders=False
        )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.save(orb=TEMPLATE, pictures=True)
    assert bench.done()
    return bench


CHANGES = ('add', 'redo', 'replace', 'fail', 'move')
WITH_PICTURES = pytest.param('add_renders', marks=pytest.mark.slow)


@pytest.mark.parametrize('change', [*CHANGES, WITH_PICTURES])
def test_a_disk_that_is_full_loses_nothing(bench: Bench, change: str) -> None:
    """A second extractor on a full disk deleted the skin, the views and the first template."""
    before, kept = bench.content(), change in {'add', 'add_renders', 'move'}
    for number in range(200):
        with at_write(number, full):
            try:
                getattr(bench, change)()
                break
            except CannotWriteError as error:
                said = str(error)
        assert 'No space left' in said
        assert not [path for path in bench.out.rglob('*') if path.name.startswith(HIDDEN)]
        # once all is on the disk old files are removed and new ones named: that needs no room
        assert bench.content() == before or (bench.done() if kept else bench.record() is None)
        bench.restore(before)
    assert number > 4
    assert bench.content() != before


@pytest.mark.parametrize('change', [*CHANGES, WITH_PICTURES])
def test_whoever_is_killed_leaves_no_mixture(bench: Bench, tmp_path: Path, change: str) -> None:
    """A record whose files are of two runs gives a wrong rate that nobody can see."""
    before = bench.content()
    other = Bench(tmp_path / 'undisturbed')
    other.save(orb=TEMPLATE, pictures=True)
    getattr(other, change)()
    wanted = other.content()
    states = []
    for number in range(200):
        child = os.fork()
        if not child:
            with at_write(number, lambda: os._exit(9)):
                getattr(bench, change)()
            os._exit(0)
        killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        states.append(_state(bench, before, wanted))
        sweep_temporaries(bench.out, below=True)
        assert not [path for path in bench.out.rglob('*') if path.name.startswith(HIDDEN)]
        if not killed:
            break
        bench.restore(before)
    else:
        pytest.fail('it never ended')
    assert states[0] == 'before'
    assert states[-1] == 'after'
    assert len(states) > 4
    # first all is as before, then there is no record, or one that still holds, then all is new
    order = ['before', 'between', 'after']
    assert [order.index(state) for state in states] == sorted(map(order.index, states))


def _state(bench: Bench, before: dict[str, bytes], wanted: dict[str, bytes]) -> str:
    now = bench.content()
    if now in (before, wanted):
        return 'before' if now == before else 'after'
    if bench.record() is not None:
        # the record of before, and every file that it stands for as it was
        name = str(bench.files.record.relative_to(bench.out))
        assert now[name] == before[name]
        assert {path: now.get(path) for path in before} | _sidecars(now) == before | _sidecars(now)
    return 'between'


def _sidecars(content: dict[str, bytes]) -> dict[str, bytes]:
    """Sidecars of templates, which say where their image is, and are renewed if it moves."""
    return {path: text for path, text in content.items() if path.endswith('orb_T1w.json')}
