"""Datasets as the examples of BIDS have them, with empty images: rows with reasons, no traceback.

Without a folder, trees written after the specification are tried (example_trees.py). With one,
every dataset in it is: get github.com/bids-standard/bids-examples yourself. Both levels run on a
dataset; every file with the name of an image must be in ``group_images.tsv`` with a reason or a
verdict, or the program must refuse the dataset with one line and a documented exit code.

    python -m benchmarks.promises.bids_examples [FOLDER] [--only NAME ...]
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.promises.example_trees import DESCRIPTION, TREES, write_tree
from benchmarks.promises.setting import Report, parser
from bids_reid.bids.formats import format_by_name
from bids_reid.bids.tables import read_table
from bids_reid.errors import Exit
from bids_reid.printable import escaped

LOUD = re.compile(r'Traceback|^\s+File "|\w+Error\b', re.MULTILINE)
SECONDS = 900


def trees(folder: Path) -> Iterator[Path]:
    """Write the trees, each when it is its turn."""
    for name, paths in TREES.items():
        place = folder / re.sub(r'\W+', '-', name)
        write_tree(place, paths())
        yield place


def datasets(folder: Path) -> Iterator[Path]:
    """Yield the datasets of a folder that a user has."""
    yield from sorted(path.parent for path in folder.glob(f'*/{DESCRIPTION}'))


def images(dataset: Path) -> set[str]:
    """Return the files that are called like images, as a table has them."""
    found = set()
    for where, folders, files in os.walk(dataset):
        folders[:] = [name for name in folders if name != '.git']
        for name in files:
            path = (Path(where) / name).relative_to(dataset).as_posix()
            if format_by_name(name) is not None and '.zarr/' not in path and '.ds/' not in path:
                found.add(path)
    return found


def try_out(dataset: Path, out: Path, report: Report) -> str:
    """Run both levels on a dataset and check what they said; return the outcome in words."""
    program = Path(sys.executable).with_name('bids-reid')
    words = [program, dataset, out, 'participant', 'group', '--extractors', 'orb', '--nprocs', '2']
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=SECONDS, errors='replace'
        )
    except subprocess.TimeoutExpired:
        report.check(False, f'{dataset.name}: takes longer than {SECONDS} s')
        return 'no end'
    said = done.stdout + done.stderr
    loud = LOUD.search(said)
    report.check(not loud, f'{dataset.name}: {said[loud.start() - 100 :][:600] if loud else ""}')
    code = done.returncode
    report.check(code in list(Exit), f'{dataset.name}: exit code {code}: {said[-300:]}')
    table = out / 'group_images.tsv'
    if not table.exists():
        lines = done.stderr.splitlines()
        report.check(len(lines) == 1, f'{dataset.name}: refused with {lines}')
        return f'exit {code}, {lines[:1]}'
    rows = {row['path']: row for row in read_table(table)}
    missing = sorted(images(dataset) - {*rows, *map(escaped, rows)})
    report.check(not missing, f'{dataset.name}: no row for {missing[:5]}')
    bare = [
        path
        for path, row in rows.items()
        if row['verdict'] != 'no findings' and row['reason'] == 'n/a'
    ]
    report.check(not bare, f'{dataset.name}: no reason for {bare[:5]}')
    return f'exit {code}, {len(rows)} rows'


def main() -> int:
    """Measure; return 1 if a promise is broken."""
    made = parser(__doc__)
    made.add_argument('examples', type=Path, nargs='?', help='folder of datasets')
    made.add_argument('--only', nargs='+', help='names of folders (default: all)')
    options = made.parse_args()
    report = Report('bids_examples')
    n_tried = 0
    with tempfile.TemporaryDirectory(prefix='examples-') as temporary:
        root = Path(temporary)
        for dataset in datasets(options.examples) if options.examples else trees(root / 'trees'):
            if options.only and dataset.name not in options.only:
                continue
            out = root / 'out'
            print(f'{dataset.name}: {try_out(dataset, out, report)}', flush=True)
            shutil.rmtree(out, ignore_errors=True)
            n_tried += 1
    report.say(datasets=n_tried)
    report.check(n_tried, 'there is no dataset')
    return report.end()


if __name__ == '__main__':
    sys.exit(main())
