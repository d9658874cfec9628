"""The study again, on people who do not exist: ``python -m benchmarks.study OUT_DIR``.

Draws synthetic participants, scans each (FLAIR) and takes one photograph of each, runs both levels
of bids_reid with the study's extractors and all of the program's decisions, and writes the study's
table (``study.tsv``) and bar figure (``study.svg``) into OUT_DIR, with the settings, run times and
machine (``study.json``). A second call does only what is missing. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bids_reid import __version__
from bids_reid.cli import Parser, absolute, guarded, positive, shown
from bids_reid.demo.command import likeness, make_people
from bids_reid.errors import Exit
from bids_reid.settings import LEVELS, Settings

PEOPLE = 182
SEED = 0
ALIKE = -0.45
"""Set once, so that face_recognition with the best render lands in the published interval."""
MODALITY = 'FLAIR'
EXTRACTORS = ('orb', 'sift', 'face_recognition', 'deepface-Dlib', 'facenet-all-views')


def main(argv: Sequence[str] | None = None) -> int:
    """Run the study; return the exit code of ``bids-reid``."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = build_parser().parse_args(arguments)
    return guarded('study', lambda: _run(options, shown('study', arguments)))


def build_parser() -> Parser:
    """Build the parser; its defaults are the study."""
    parser = Parser(prog='study', description=(__doc__ or '').splitlines()[0])
    parser.add_argument('folder', type=absolute, metavar='OUT_DIR')
    parser.add_argument('--people', type=positive(int), default=PEOPLE, metavar='N')
    parser.add_argument('--alike', type=likeness, default=ALIKE, metavar='X')
    parser.add_argument('--seed', type=int, default=SEED, metavar='N')
    parser.add_argument('--spacing', type=positive(float), default=1.2, metavar='MM')
    parser.add_argument('--extractors', nargs='+', default=EXTRACTORS, metavar='NAME')
    parser.add_argument('--nprocs', type=positive(int), default=1, metavar='N')
    return parser


def _run(options: argparse.Namespace, command: str) -> Exit:
    from bids_reid.levels import prepare_environment, run_levels

    prepare_environment()
    folder: Path = options.folder
    drawn = {
        'people': options.people,
        'seed': options.seed,
        'alike': options.alike,
        'modality': MODALITY,
        'spacing': options.spacing,
        # the study searched with one photograph: the near frontal one
        'photos_per_person': 1,
        'distractors': 0,
    }
    seconds: dict[str, float] = {}
    with _timed('people', seconds):
        make_people(folder, drawn, n_procs=options.nprocs)
    code = Exit.OK
    for level in LEVELS:
        settings = Settings(
            bids_dir=folder / 'bids',
            output_dir=folder / 'derivatives' / 'bids_reid',
            levels=(level,),
            modalities=(MODALITY,),
            extractors=tuple(options.extractors),
            photos=folder / 'photos',
            n_procs=options.nprocs,
            command=command,
        )
        with _timed(level, seconds):
            code = max(code, run_levels(settings))
    _write_outcome(folder, drawn, seconds, options.nprocs)
    return code


@contextmanager
def _timed(stage: str, seconds: dict[str, float]) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[stage] = round(time.perf_counter() - start, 1)


def _write_outcome(
    folder: Path, drawn: dict[str, object], seconds: dict[str, float], n_procs: int
) -> None:
    """Write the table, the figure and what led to them; print the table."""
    from benchmarks.study.bars import bar_figure
    from benchmarks.study.outcome import as_text, as_tsv, methods
    from bids_reid.bids.files import write_json, write_text
    from bids_reid.bids.tables import read_table

    rates = folder / 'derivatives' / 'bids_reid' / 'group_identification.tsv'
    found = methods(read_table(rates), MODALITY)
    title = f'{drawn["people"]} synthetic participants, {MODALITY}, one photograph each'
    write_text(folder / 'study.tsv', as_tsv(found))
    write_text(folder / 'study.svg', bar_figure(found, title))
    write_json(
        folder / 'study.json',
        {
            'Version': __version__,
            'Drawn': drawn,
            # of this call: what an earlier one had done takes no time
            'Seconds': seconds,
            'Processes': n_procs,
            'Machine': f'{platform.machine()}, {os.cpu_count()} processors, {platform.system()}',
        },
    )
    print(as_text(found), f'seconds: {seconds}', f'figure: {folder}/study.svg', sep='\n\n')


if __name__ == '__main__':
    sys.exit(main())
