"""Where the time of a start goes: ``python -m benchmarks.startup [--nprocs N] SCAN``.

Runs the participant level on two links to the scan and prints, as a TSV table, what each process
began when and how long it was at it, until the first step of the first scan runs. A process is at
something until it begins the next; what takes less than 10 ms is left out. Python runs a file
named ``sitecustomize.py`` in every process that is started: it notes when packages begin to be
loaded and the functions of `STEPS` begin and end, which takes some time itself.
"""

from __future__ import annotations

import argparse
import functools
import importlib.abc
import importlib.util
import os
import subprocess
import sys
import time
from collections import defaultdict
from importlib.metadata import packages_distributions
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

FILE = 'BIDS_REID_MARKS'
"""Environment variable: the file with what processes began."""
LEAST_S = 0.01
LOAD = 'load '
FIRST_STEP = 'run_node'
STEPS = {
    'bids_reid.levels': ('prepare_environment', '_check_files', '_check_options', '_introduced'),
    'bids_reid.bids.inputs': ('check_dataset', 'check_labels'),
    'bids_reid.participant.selection': ('select', 'unfinished'),
    'bids_reid.views.selftest': ('check_rendering', '_answer'),
    'bids_reid.engine.participant_graph': ('init_participant_wf',),
    'bids_reid.faces.detect': ('detector',),
    'nipype.pipeline.plugins.multiproc': (FIRST_STEP,),
}
SITE = """
import sys
sys.path.append({root!r})
from benchmarks.startup import trace
sys.path.remove({root!r})
trace()
"""


class Mark(NamedTuple):
    """What a process began, and when, in seconds of the system's clock."""

    when: float
    process: int
    what: str


def trace() -> None:
    """Note from now on what this process and its forks begin."""
    mark('Python')
    sys.meta_path.insert(0, _Finder())


def mark(what: str) -> None:
    """Note that this process begins something."""
    with Path(os.environ[FILE]).open('a') as file:
        file.write(f'{time.monotonic()}\t{os.getpid()}\t{what}\n')


class _Finder(importlib.abc.MetaPathFinder):
    """Notes when packages begin to be loaded, and lets functions say when they are called."""

    def __init__(self) -> None:
        self._within = False

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        if self._within:
            return None
        if path is None and name not in sys.stdlib_module_names:
            mark(f'{LOAD}{name}')
        if name not in STEPS:
            return None
        self._within = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._within = False
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = functools.partial(  # type: ignore[method-assign]
                _execute, spec.loader.exec_module, STEPS[name]
            )
        return spec


def _execute(execute: Any, names: Iterable[str], module: ModuleType) -> None:
    execute(module)
    for name in names:
        setattr(module, name, _marked(getattr(module, name)))


def _marked(function: Any) -> Any:
    @functools.wraps(function)
    def called(*given: Any, **options: Any) -> Any:
        mark(function.__name__)
        try:
            return function(*given, **options)
        finally:
            mark(f'after {function.__name__}')

    return called


def first_steps(program: Path, scan: Path, options: Sequence[str]) -> tuple[float, list[Mark]]:
    """Run the participant level; return when it was started, and all marks by time."""
    from benchmarks.compare import make_dataset

    with TemporaryDirectory(prefix='bids_reid_startup_') as name:
        folder = Path(name)
        data, marks = make_dataset(folder / 'data', [scan], 2), folder / 'marks'
        root = str(Path(__file__).parents[1])
        (folder / 'site').mkdir()
        (folder / 'site' / 'sitecustomize.py').write_text(SITE.format(root=root))
        environment = os.environ | {FILE: str(marks), 'PYTHONPATH': str(folder / 'site')}
        begun = time.monotonic()
        command = [program, data, folder / 'out', 'participant', *options]
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
        rows = [line.split('\t') for line in marks.read_text().splitlines()]
    return begun, sorted(Mark(float(when), int(process), what) for when, process, what in rows)


def first_step_s(begun: float, marks: Sequence[Mark]) -> float:
    """Seconds from the start until the first step of a scan runs."""
    return next(one.when for one in marks if one.what == FIRST_STEP) - begun


def phases(begun: float, marks: Sequence[Mark]) -> list[tuple[float, str, str, float]]:
    """Return when each phase began, in which process, what it was, and how long it took."""
    end = begun + first_step_s(begun, marks)
    by_process: defaultdict[int, list[Mark]] = defaultdict(list)
    # packages also look for modules that are not there
    known = {f'{LOAD}{name}' for name in packages_distributions()}
    for one in marks:
        if one.what in known or not one.what.startswith(LOAD):
            by_process[one.process].append(one)
    rows = []
    for name, some in _named(list(by_process.values())):
        for one, after in zip(some, [*some[1:], Mark(end, 0, '')], strict=True):
            seconds = min(after.when, end) - one.when
            if seconds >= LEAST_S:
                rows.append((one.when - begun, name, one.what, seconds))
    return sorted(rows)


def _named(processes: Sequence[Sequence[Mark]]) -> Iterator[tuple[str, Sequence[Mark]]]:
    """Name processes, which are in the order of their start, by what they do."""
    for number, some in enumerate(processes):
        said = {one.what for one in some}
        if number == 0:
            yield 'main', some
        elif 'detector' in said:
            yield 'server of workers', some
        elif '_answer' in said:
            yield 'self-test of rendering', some
        elif FIRST_STEP in said:
            yield 'worker', some


def main() -> None:
    """Print the table."""
    from benchmarks.compare import BIDS_REID

    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('scan', type=Path, metavar='SCAN')
    parser.add_argument('--nprocs', default='2')
    parser.add_argument('--extractors', nargs='+', default=['face_recognition'])
    options = parser.parse_args()
    words = ('--nprocs', options.nprocs, '--extractors', *options.extractors)
    # what is read for the first time waits for the disk
    first_steps(BIDS_REID, options.scan, words)
    begun, marks = first_steps(BIDS_REID, options.scan, words)
    print('from_s', 'process', 'what', 'seconds', sep='\t')
    for from_s, process, what, seconds in phases(begun, marks):
        print(f'{from_s:.2f}', process, what, f'{seconds:.2f}', sep='\t')
    print(f'{first_step_s(begun, marks):.2f}', 'all', 'the first step runs', '', sep='\t')


if __name__ == '__main__':
    main()
