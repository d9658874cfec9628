"""``bids-reid-demo``: make synthetic people, run both levels on them, say where the report is."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from bids_reid import __version__
from bids_reid.cli import Parser, absolute, guarded, positive, shown, whole
from bids_reid.errors import CannotWriteError, Exit
from bids_reid.settings import LEVELS, Settings

_DRAWN = ('people', 'distractors', 'alike', 'modality', 'seed')
"""Options that decide which files are made."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demonstration; return the exit code of ``bids-reid``."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = build_parser().parse_args(arguments)

    command = shown('bids-reid-demo', arguments)
    return guarded('bids-reid-demo', lambda: _run(options, command))


def _run(options: argparse.Namespace, command: str) -> Exit:
    from bids_reid.run import prepare_environment, run_levels

    prepare_environment()
    from bids_reid.views.selftest import check_rendering

    # before any work: a machine that cannot render should say so now
    check_rendering()
    _make_people(options)
    return run_levels(
        Settings(
            bids_dir=options.folder / 'bids',
            output_dir=options.folder / 'derivatives' / 'bids_reid',
            levels=LEVELS,
            modalities=(options.modality,),
            photos=options.folder / 'photos',
            n_procs=options.n_procs,
            # nobody of them exists
            report_faces=True,
            command=command,
        )
    )


def _make_people(options: argparse.Namespace) -> None:
    """Write the dataset, unless an earlier call did; never into a folder of something else.

    Raises
    ------
    CannotWriteError
        The folder holds anything but the same demonstration.
    """
    from bids_reid.bids.outputs import read_json, write_json
    from bids_reid.bids.phantom_dataset import write_phantom_dataset
    from bids_reid.levels.common import say

    folder: Path = options.folder
    asked = {name: getattr(options, name) for name in _DRAWN}
    note = folder / 'demo.json'
    found = read_json(note)
    if found.get('Drawn', asked) != asked or (not found and _holds_something(folder)):
        raise CannotWriteError(f'{folder} holds something else already: choose another folder')
    if found.get('Complete'):
        return
    say(f'making {options.people} synthetic people: nobody of them exists')
    write_json(note, {'Drawn': asked, 'Complete': False})
    write_phantom_dataset(
        folder,
        people=options.people,
        seed=options.seed,
        alike=options.alike,
        modality=options.modality,
        distractors=options.distractors,
        n_procs=options.n_procs,
        progress=lambda line: say(f'  {line}'),
    )
    write_json(note, {'Drawn': asked, 'Complete': True})


def _holds_something(folder: Path) -> bool:
    try:
        return folder.exists() and any(folder.iterdir())
    except OSError as error:
        raise CannotWriteError(f'cannot use {folder}: {error.strerror}') from error


def build_parser() -> Parser:
    """Build the parser of ``bids-reid-demo``."""
    parser = Parser(
        prog='bids-reid-demo',
        description='Make synthetic people (scans and photographs of heads that do not exist), '
        'run bids-reid on them and print where the report is.',
    )
    parser.add_argument('folder', type=absolute, metavar='DIR', help='where everything goes')
    parser.add_argument('--version', action='version', version=f'bids-reid {__version__}')
    parser.add_argument(
        '--people',
        type=positive(int),
        default=12,
        metavar='N',
        help='participants with a scan and three photographs (default: 12)',
    )
    parser.add_argument(
        '--distractors',
        type=whole,
        default=4,
        metavar='N',
        help='people with a photograph and no scan (default: 4)',
    )
    parser.add_argument(
        '--alike',
        type=_share,
        default=0.0,
        metavar='X',
        help='how alike they are, from 0, like strangers, to below 1 (default: 0)',
    )
    parser.add_argument('--modality', choices=('T1w', 'FLAIR'), default='T1w', help='default: T1w')
    parser.add_argument(
        '--seed', type=int, default=0, metavar='N', help='same seed, same files (default: 0)'
    )
    parser.add_argument(
        '--nprocs',
        dest='n_procs',
        type=positive(int),
        default=os.cpu_count() or 1,
        metavar='N',
        help='processes at a time (default: all processors)',
    )
    return parser


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise ValueError(f'{text} is not from 0 to below 1')
    return value


_share.__name__ = 'number from 0 to below 1'
