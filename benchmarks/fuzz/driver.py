"""Run a target on many damaged inputs, each in a process of its own with a limit on both.

A target makes cases from random numbers and runs one on the files of a folder. Each case has its
own stream of random numbers, so that one can be made again by its number alone. What is not
allowed is saved with its input: an error of another type, a crash, a case that takes too long or
too much memory.

A harness is a module with a `Target` and ``main(target)``; it takes these options:

    python -m benchmarks.fuzz.volume --minutes 30 --seed 0 [--save FOLDER] [--limit-s 60]
        [--memory-gb 2] [--cases N] [--only NUMBER] [--replay FOLDER]
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

GIB = 1 << 30
_STATUS = Path('/proc/self/statm')


@dataclass(frozen=True, slots=True)
class Case:
    """An input: what was done to it, in words, and its files by their path in a folder."""

    label: str
    files: Mapping[str, bytes]


class Target(Protocol):
    """What is fuzzed.

    Attributes
    ----------
    name : str
        For file names and the terminal.
    allowed : tuple of exception types
        What ``run`` may raise.
    """

    name: str
    allowed: tuple[type[BaseException], ...]

    def case(self, random: np.random.Generator) -> Case:
        """Make an input."""
        ...

    def run(self, folder: Path, case: Case) -> str:
        """Use the files that lie in ``folder``; return the outcome in a word or two."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a case ended.

    Attributes
    ----------
    word : str
        That of the target, ``TypeName: start of the message`` of an allowed error, or what is
        wrong: ``BAD ...``.
    seconds, peak_gb : float
        What it took; the memory is that of its process, with all that was imported before.
    detail : str
        A traceback, where there is one.
    """

    word: str
    seconds: float
    peak_gb: float
    detail: str = ''

    @property
    def is_bad(self) -> bool:
        """Whether it is not allowed."""
        return self.word.startswith('BAD')


@dataclass(slots=True)
class Tally:
    """What was seen so far: outcomes by word, the slowest and the largest case, the bad ones."""

    counts: Counter[str] = field(default_factory=Counter)
    slowest: tuple[float, str] = (0.0, '')
    largest: tuple[float, str] = (0.0, '')
    bad: list[str] = field(default_factory=list)

    def add(self, number: int, label: str, outcome: Outcome) -> None:
        """Count a case."""
        about = f'case {number}, {label}: {outcome.word}'
        self.counts[outcome.word] += 1
        self.slowest = max(self.slowest, (outcome.seconds, about))
        self.largest = max(self.largest, (outcome.peak_gb, about))
        if outcome.is_bad:
            self.bad.append(about)

    def lines(self) -> Iterator[str]:
        """Say it."""
        total = sum(self.counts.values())
        yield f'{total} cases, {len(self.bad)} not allowed'
        yield from (f'  {count:6d} {word}' for word, count in self.counts.most_common())
        yield f'slowest {self.slowest[0]:.1f} s: {self.slowest[1]}'
        yield f'largest {self.largest[0]:.2f} GB: {self.largest[1]}'


@dataclass(frozen=True, slots=True)
class Limits:
    """Of a case: seconds, and GB beyond what its process has when it starts."""

    seconds: float = 60.0
    memory_gb: float = 2.0


def run_case(target: Target, case: Case, folder: Path, limits: Limits) -> Outcome:
    """Write the files of a case into an empty folder and run it in a process of its own."""
    for name, content in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    reader, writer = os.pipe()
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _run_and_leave(target, case, folder, limits, writer)
    os.close(writer)
    said = _all_of(reader, started + limits.seconds)
    if said is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    os.close(reader)
    seconds = time.monotonic() - started
    word, detail = _told(said, status)
    peak = usage.ru_maxrss / (1 << 20)
    if peak > limits.memory_gb and not word.startswith('BAD'):
        word = f'BAD memory after {word}'
    return Outcome(word, seconds, peak, detail)


def _run_and_leave(target: Target, case: Case, folder: Path, limits: Limits, writer: int) -> None:
    """Be the child: run, write what came of it, and end without a word to anybody else."""
    word, detail = 'BAD end', ''
    try:
        os.setsid()
        now = int(_STATUS.read_text().split()[0]) * os.sysconf('SC_PAGE_SIZE')
        ceiling = now + int(limits.memory_gb * GIB)
        resource.setrlimit(resource.RLIMIT_AS, (ceiling, ceiling))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        faulthandler.enable()
        faulthandler.dump_traceback_later(max(0.1, limits.seconds - 0.5))
        try:
            word = target.run(folder, case)
        except target.allowed as error:
            word = f'{type(error).__name__}: {_start(str(error))}'
            if '\n' in str(error) or str(folder) in str(error):
                word = f'BAD message of {word}'
    except BaseException as error:  # noqa: BLE001
        word = f'BAD {type(error).__name__}: {_start(str(error))}'
        detail = traceback.format_exc()
    with contextlib.suppress(OSError):
        os.write(writer, json.dumps([word, detail[-4000:]]).encode()[:60_000])
    os._exit(0)


def _start(message: str) -> str:
    """Start of a message, without the numbers and names that differ from case to case."""
    words = ''.join('#' if one.isdigit() else one for one in message.partition('\n')[0])
    while '##' in words:
        words = words.replace('##', '#')
    return words[:70]


def _all_of(reader: int, until: float) -> bytes | None:
    """Read all that a child says; ``None`` if it did not end in time."""
    said = b''
    while True:
        ready, _, _ = select.select([reader], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            return None
        more = os.read(reader, 1 << 16)
        if not more:
            return said
        said += more


def _told(said: bytes | None, status: int) -> tuple[str, str]:
    if said is None:
        return 'BAD time', ''
    if os.WIFSIGNALED(status):
        return f'BAD signal {os.WTERMSIG(status)}', ''
    if not said:
        return f'BAD exit status {status}', ''
    word, detail = json.loads(said)
    return word, detail


def fuzz(
    target: Target,
    numbers: Iterator[int],
    *,
    seed: int,
    until: float,
    limits: Limits,
    save: Path,
    every_s: float = 60.0,
) -> Tally:
    """Run the cases with the given numbers until a time of ``time.monotonic``."""
    tally, told = Tally(), time.monotonic()
    for number in numbers:
        if time.monotonic() >= until:
            break
        case = target.case(np.random.default_rng([seed, number]))
        with tempfile.TemporaryDirectory(prefix='fuzz_') as folder:
            outcome = run_case(target, case, Path(folder), limits)
        tally.add(number, case.label, outcome)
        if outcome.is_bad:
            where = save / f'{target.name}_{seed}_{number}'
            keep(case, outcome, where)
            print(f'case {number}, {case.label}: {outcome.word} -> {where}', flush=True)
        if time.monotonic() - told > every_s:
            told = time.monotonic()
            total = sum(tally.counts.values())
            print(f'{total} cases, {len(tally.bad)} not allowed', flush=True)
    return tally


def keep(case: Case, outcome: Outcome, where: Path) -> None:
    """Save the input of a case that is not allowed, and what came of it."""
    shutil.rmtree(where, ignore_errors=True)
    for name, content in case.files.items():
        path = where / 'input' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    lines = [case.label, outcome.word, f'{outcome.seconds:.1f} s', f'{outcome.peak_gb:.2f} GB']
    (where / 'outcome.txt').write_text('\n'.join([*lines, outcome.detail]))


def saved_case(where: Path) -> Case:
    """Read a case that `keep` saved."""
    inputs = where / 'input'
    paths = sorted(path for path in inputs.rglob('*') if path.is_file())
    files = {str(path.relative_to(inputs)): path.read_bytes() for path in paths}
    return Case((where / 'outcome.txt').read_text().partition('\n')[0], files)


def _arguments(name: str, argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f'python -m benchmarks.fuzz.{name}')
    parser.add_argument('--minutes', type=float, default=30.0)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--first', type=int, default=0, help='number of the first case')
    parser.add_argument('--cases', type=int, default=1 << 40, help='at most so many')
    parser.add_argument('--only', type=int, help='run the case of this number alone')
    parser.add_argument('--replay', type=Path, help='run a case that was saved')
    parser.add_argument('--save', type=Path, default=Path('fuzz_failures'))
    parser.add_argument('--limit-s', type=float, default=Limits().seconds)
    parser.add_argument('--memory-gb', type=float, default=Limits().memory_gb)
    return parser.parse_args(argv)


def main(target: Target, argv: Sequence[str] | None = None) -> int:
    """Run a harness; return 1 if anything was not allowed."""
    options = _arguments(target.name, argv)
    limits = Limits(options.limit_s, options.memory_gb)
    if options.replay is not None or options.only is not None:
        case = (
            saved_case(options.replay)
            if options.replay is not None
            else target.case(np.random.default_rng([options.seed, options.only]))
        )
        with tempfile.TemporaryDirectory(prefix='fuzz_') as folder:
            outcome = run_case(target, case, Path(folder), limits)
        print(f'{case.label}: {outcome.word}\n{outcome.detail}', end='')
        print(f'{outcome.seconds:.1f} s, {outcome.peak_gb:.2f} GB')
        return int(outcome.is_bad)
    started = time.monotonic()
    tally = fuzz(
        target,
        iter(range(options.first, options.first + options.cases)),
        seed=options.seed,
        until=started + 60 * options.minutes,
        limits=limits,
        save=options.save,
    )
    print(f'{target.name}, seed {options.seed}, {time.monotonic() - started:.0f} s')
    print('\n'.join(tally.lines()))
    return int(bool(tally.bad))


def flipped(content: bytes, random: np.random.Generator, most: int = 8) -> bytes:
    """Change a few bytes, anywhere."""
    changed = bytearray(content)
    for at in random.integers(0, max(1, len(changed)), random.integers(1, most + 1)):
        if changed:
            changed[at] = random.integers(256)
    return bytes(changed)


def cut(content: bytes, random: np.random.Generator) -> bytes:
    """Keep the start only."""
    return content[: int(random.integers(0, len(content) + 1))]


def lengthened(content: bytes, random: np.random.Generator, most: int = 4096) -> bytes:
    """Put bytes behind the end, or a part of the content once more where it already is."""
    if random.random() < 0.5:
        return content + random.bytes(int(random.integers(1, most)))
    first, last = sorted(random.integers(0, len(content) + 1, 2))
    return content[:last] + content[first:]


def emptied(content: bytes, random: np.random.Generator) -> bytes:
    """Overwrite a stretch with zeros or with 255."""
    first, last = sorted(random.integers(0, len(content) + 1, 2))
    filler = bytes([int(random.choice([0, 255]))])
    return content[:first] + filler * (last - first) + content[last:]


MUTATIONS = (flipped, cut, lengthened, emptied)
"""Changes of bytes that suit any kind of file."""


def mutated(content: bytes, random: np.random.Generator) -> tuple[str, bytes]:
    """Change the bytes of a file in one of these ways; return its name, too."""
    way = MUTATIONS[int(random.integers(len(MUTATIONS)))]
    return way.__name__, way(content, random)


NUMBERS = (
    *(0, 1, -1, 2, 7, 127, 128, 255, 256, 32767, 32768, 65535, 65536, -32768),
    *(2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 0.5, 1e-30, 1e30, 1e300, -1e300),
    *(float('inf'), float('-inf'), float('nan')),
)
"""Numbers at which readers break."""


if __name__ == '__main__':
    sys.exit('run a harness of this folder instead, such as benchmarks.fuzz.volume')
