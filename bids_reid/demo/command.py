"""``bids-reid-demo``: make synthetic people, run both levels on them, say where the report is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bids_reid import __version__
from bids_reid.cli import Parser, absolute, add_nprocs, guarded, positive, shown, whole
from bids_reid.errors import CannotWriteError, Exit
from bids_reid.settings import LEVELS, Settings
from bids_reid.surroundings import check_memory, prepare_surroundings

_DRAWN = ('people', 'distractors', 'alike', 'modality', 'seed')
"""Options that decide which files are made."""
AS_IT_SHOULD_BE = (
    'DO NOT SHARE is as it should be: these scans were never de-faced. '
    'Of your own dataset, give the folder that you would share.'
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demonstration; return the exit code of ``bids-reid``."""
    prepare_surroundings(is_program=argv is None)
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = build_parser().parse_args(arguments)

    command = shown('bids-reid-demo', arguments)
    return guarded('bids-reid-demo', lambda: _run(options, command), written=[options.folder])


def _run(options: argparse.Namespace, command: str) -> Exit:
    from bids_reid.levels import prepare_environment, run_levels

    check_memory()
    prepare_environment()
    from bids_reid.views.selftest import check_rendering

    # before any work: a machine that cannot render should say so now
    check_rendering()
    drawn = {name: getattr(options, name) for name in _DRAWN}
    consent = make_people(options.folder, drawn, n_procs=options.n_procs)
    settings = Settings(
        bids_dir=options.folder / 'bids',
        output_dir=options.folder / 'derivatives' / 'bids_reid',
        levels=LEVELS,
        modalities=(options.modality,),
        photos=options.folder / 'photos',
        consent=consent,
        n_procs=options.n_procs,
        # nobody of them exists
        report_faces=True,
        command=command,
    )
    code = run_levels(settings)
    explain(settings.output_dir)
    return code


def explain(output_dir: Path) -> None:
    """Say what the outcome means here, to somebody who may never have seen one."""
    from bids_reid.bids.files import read_json
    from bids_reid.messages import logger
    from bids_reid.risk.gate import FINDING

    if read_json(output_dir / 'group_summary.json').get('outcome') == FINDING:
        logger.info(AS_IT_SHOULD_BE)


def make_people(folder: Path, drawn: Mapping[str, Any], *, n_procs: int) -> Path:
    """Write the dataset, unless an earlier call did; never into a folder of something else.

    Parameters
    ----------
    folder : Path
        Gets ``bids``, ``photos``, ``consent.tsv`` and ``demo.json``, which tells what was drawn.
    drawn : mapping
        What decides which files are made: keyword arguments of
        :func:`bids_reid.demo.phantom_dataset.write_phantom_dataset`.
    n_procs : int
        Processes at a time.

    Returns
    -------
    The table that says that all of them agree to be searched with.

    Raises
    ------
    CannotWriteError
        The folder holds anything but the same people.
    """
    from bids_reid.bids.files import read_json, write_json
    from bids_reid.demo.phantom_dataset import write_consent, write_phantom_dataset
    from bids_reid.messages import count, logger

    note = folder / 'demo.json'
    noted = read_json(note)
    if noted.get('Drawn', drawn) != drawn or (not noted and _holds_something(folder)):
        raise CannotWriteError(f'{folder} holds something else already: choose another folder')
    if noted.get('Complete'):
        return write_consent(folder, drawn['people'])
    people = count(drawn['people'], 'synthetic person', 'synthetic people')
    logger.info(f'making {people}: nobody of them exists')
    write_json(note, {'Drawn': drawn, 'Complete': False})
    write_phantom_dataset(
        folder, **drawn, n_procs=n_procs, progress=lambda line: logger.info(f'  {line}')
    )
    consent = write_consent(folder, drawn['people'])
    write_json(note, {'Drawn': drawn, 'Complete': True})
    return consent


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
        type=likeness,
        default=0.0,
        metavar='X',
        help='how alike they are, from 0, like strangers, to below 1; below 0 less (default: 0)',
    )
    parser.add_argument('--modality', choices=('T1w', 'FLAIR'), default='T1w', help='default: T1w')
    parser.add_argument(
        '--seed', type=int, default=0, metavar='N', help='same seed, same files (default: 0)'
    )
    add_nprocs(parser, '--nprocs')
    return parser


def likeness(text: str) -> float:
    """Parse how alike people are; raises ValueError outside what can be drawn."""
    from bids_reid.phantom.identity import LEAST_ALIKE

    value = float(text)
    if not LEAST_ALIKE <= value < 1:
        raise ValueError(f'{text} is not from {LEAST_ALIKE:.2f} to below 1')
    return value
