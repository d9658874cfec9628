"""bids_reid against the plain script: ``python -m benchmarks.compare [--rounds R] SCAN ...``.

Each round runs, in turn: the plain script on the first scan; the program on that scan alone; on
8 participants (scans given are repeated); on 24 with one process and with two; again with nothing
to do; ``--help``; a search for one participant's scan among 5,000; and ``limits.py`` on the first
scan. Every run of the program is the whole command with a fresh output. All may use one thread per
process. Prints the medians as a TSV table, see ``usage.py`` for how they are counted, the ratios,
and what the plain script and ``limits.py`` said of their stages in the last round.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.usage import Usage, measure
from bids_reid.levels import ALONE, THREADS

SOME, MANY = 8, 24
MANY_SUBJECTS = 5000
PLAIN_SCRIPT = Path(__file__).with_name('plain_script.py')
LIMITS = Path(__file__).with_name('limits.py')
BIDS_REID = Path(sys.executable).with_name('bids-reid')


def make_dataset(folder: Path, scans: Sequence[Path], participants: int) -> Path:
    """Make a BIDS dataset of links to the scans, repeated until there are enough."""
    folder.mkdir()
    description = {'Name': folder.name, 'BIDSVersion': '1.10.0'}
    (folder / 'dataset_description.json').write_text(json.dumps(description))
    for number, scan in enumerate(islice(cycle(scans), participants), start=1):
        anat = folder / f'sub-{number:02}' / 'anat'
        anat.mkdir(parents=True)
        kind = '.nii.gz' if scan.name.endswith('.gz') else '.nii'
        (anat / f'sub-{number:02}_T1w{kind}').symlink_to(scan.resolve())
    return folder


class Runs:
    """Measures commands and keeps what they used, by name."""

    def __init__(self, folder: Path) -> None:
        self.used: defaultdict[str, list[Usage]] = defaultdict(list)
        self.said: defaultdict[str, list[str]] = defaultdict(list)
        self._folder = folder

    def run(self, name: str, *command: str | Path) -> None:
        """Run a command; keep what it used and printed."""
        log = self._folder / 'log.txt'
        # what the program sets for itself; llvmpipe takes all processors otherwise
        usage = measure(
            command, log=log, environment=os.environ | dict.fromkeys((*THREADS, *ALONE), '1')
        )
        said = log.read_text(errors='replace')
        if usage.code != 0:
            raise SystemExit(f'{name} ended with {usage.code}:\n{said}')
        self.used[name].append(usage)
        self.said[name].append(said)
        print(f'# {name}: {usage.wall_s:.1f} s, CPU {usage.cpu_s:.1f} s', file=sys.stderr)

    def medians(self) -> dict[str, Usage]:
        """Median of each column over the rounds."""
        return {
            name: Usage(0, *(median(column) for column in list(zip(*rounds, strict=True))[1:]))
            for name, rounds in self.used.items()
        }


def one_round(runs: Runs, data: Path, scan: Path) -> None:
    """Run everything once in turn."""
    with TemporaryDirectory(prefix='bids_reid_compare_', dir=data) as name:
        out = Path(name)

        def level(row: str, dataset: str, output: str, *options: str | Path) -> None:
            program = (BIDS_REID, data / dataset, out / output, 'participant')
            # what the plain script does; the other extractors come on top
            runs.run(row, *program, '--extractors', 'face_recognition', *options)

        runs.run('plain script', sys.executable, PLAIN_SCRIPT, scan, out / 'plain')
        level('1 scan', 'one', 'one', '--nprocs', '1')
        level(f'{SOME} scans', 'some', 'some', '--nprocs', '1')
        level(f'{MANY} scans', 'many', 'many', '--nprocs', '1')
        level(f'{MANY} scans, 2 processes', 'many', 'many2', '--nprocs', '2')
        level('rerun', 'many', 'many', '--nprocs', '1')
        runs.run('--help', BIDS_REID, '--help')
        level('1 of 5,000', 'crowd', 'crowd', '--participant-label', '01', '--dry-run')
        # of the same extractor
        limits = (sys.executable, LIMITS, scan, '--extractors', 'face_recognition')
        runs.run('limits.py', *limits)


def stages_limit(said: str) -> float:
    """Sum of the stages' limits, in seconds, as ``limits.py`` prints it."""
    (row,) = (line.split('\t') for line in said.splitlines() if line.startswith('sum\t'))
    return float(row[2])


def ratios(used: dict[str, Usage], limit: float) -> Iterator[str]:
    """What was measured, against what is aimed at."""
    plain, one, some = used['plain script'], used['1 scan'], used[f'{SOME} scans']
    many, two = used[f'{MANY} scans'], used[f'{MANY} scans, 2 processes']
    further = (some.cpu_s - one.cpu_s) / (SOME - 1)
    yield f'CPU, plain script / one scan: {plain.cpu_s / one.cpu_s:.1f} (at least 6)'
    yield (
        f'CPU, plain script / a further scan ({further:.2f} s): '
        f'{plain.cpu_s / further:.1f} (at least 12)'
    )
    yield (
        f"CPU, a further scan / its stages' limits ({limit:.2f} s): "
        f'{further / limit:.2f} (at most 1.5)'
    )
    yield f'wall, one process / two, {MANY} scans: {many.wall_s / two.wall_s:.2f} (at least 1.8)'
    yield f'wall, rerun: {used["rerun"].wall_s:.2f} s (below 3)'
    yield f'wall, --help: {used["--help"].wall_s:.2f} s (below 0.4)'
    yield f'wall, 1 of 5,000 found: {used["1 of 5,000"].wall_s:.2f} s (below 10)'


def main(scans: Sequence[Path], rounds: int) -> None:
    """Run all rounds and print the table."""
    # the outputs show faces
    os.umask(0o077)
    with TemporaryDirectory(prefix='bids_reid_compare_') as name:
        data, runs = Path(name), Runs(Path(name))
        make_dataset(data / 'one', scans, 1)
        make_dataset(data / 'some', scans, SOME)
        make_dataset(data / 'many', scans, MANY)
        make_dataset(data / 'crowd', scans, MANY_SUBJECTS)
        for _ in range(rounds):
            one_round(runs, data, scans[0])
    print('run', 'wall_s', 'cpu_s', 'peak_mb', sep='\t')
    for row, used in runs.medians().items():
        print(row, *(f'{used.wall_s:.2f} {used.cpu_s:.2f} {used.peak_mb:.0f}'.split()), sep='\t')
    limit = median(map(stages_limit, runs.said['limits.py']))
    print(*ratios(runs.medians(), limit), sep='\n')
    for row in ('plain script', 'limits.py'):
        print('', f'{row}:', runs.said[row][-1], sep='\n')


def at_least(least: int) -> Callable[[str], int]:
    """Make a parser of whole numbers."""

    def number(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f'{text} is below {least}')
        return int(text)

    return number


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('scans', nargs='+', type=Path, metavar='SCAN')
    parser.add_argument('--rounds', type=at_least(1), default=3)
    options = parser.parse_args()
    main(options.scans, options.rounds)
