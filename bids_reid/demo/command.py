"""``bids-reid-demo``: make synthetic people, run both levels on them, say where the report is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bids_reid import __version__
from bids_reid.cli import Parser, absolute, add_nprocs, guarded, positive, shown, whole
from bids_reid.errors import CannotWriteError, Exit, UsageError
from bids_reid.settings import LEVELS, Settings
from bids_reid.surroundings import check_memory, prepare_surroundings

PEOPLE, PEOPLE_RELEASED, DISTRACTORS = 12, 6, 4
"""Default numbers of people: with photographs, in a release, and without a scan."""
FEWEST_RELEASED = 5
"""A release needs one person for each treatment."""
AS_IT_SHOULD_BE = (
    'DO NOT SHARE is as it should be: these scans were never de-faced. '
    'For your own dataset, name the folder that you want to share.'
)
DESCRIPTION = """\
Make synthetic people, run bids-reid on them and print where the report is. None of them exists.

Without --defaced, the demo has scans and photographs: how many people does face recognition
identify? With --defaced, it has the originals and the release of a study: may the release be
shared? At the end, the demo says what to notice on the page.
"""
EPILOG = """\
examples:
  bids-reid-demo demo                     recognition with photographs
  bids-reid-demo audit --defaced          a release with problems: do not share, exit code 3
  bids-reid-demo good --defaced --good    a release without problems: nothing found, exit code 0
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demonstration; return the exit code of ``bids-reid``."""
    prepare_surroundings(is_program=argv is None)
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = build_parser().parse_args(arguments)
    command = shown('bids-reid-demo', arguments)
    run = _run_release if options.defaced else _run_photographs
    return guarded('bids-reid-demo', lambda: run(options, command), written=[options.folder])


def _prepare() -> None:
    """Prepare the process, and find out whether this machine can run the program at all."""
    from bids_reid.levels import prepare_environment

    check_memory()
    prepare_environment()
    from bids_reid.views.selftest import check_rendering

    # before any work: a machine that cannot render should say so now
    check_rendering()


def _run_photographs(options: argparse.Namespace, command: str) -> Exit:
    """Show how many people are recognised with photographs."""
    from bids_reid.levels import run_levels

    if options.good:
        raise UsageError('argument --good: it needs --defaced')
    _prepare()
    drawn = {
        'people': options.people or PEOPLE,
        'distractors': DISTRACTORS if options.distractors is None else options.distractors,
        **{name: getattr(options, name) for name in ('alike', 'modality', 'seed')},
    }
    consent = make_people(options.folder, drawn, n_procs=options.n_procs)
    settings = Settings(
        bids_dir=options.folder / 'bids',
        output_dir=options.folder / 'derivatives' / 'bids_reid',
        levels=LEVELS,
        modalities=(options.modality,),
        photos=options.folder / 'photos',
        consent=consent,
        n_procs=options.n_procs,
        # none of these people exists
        report_faces=True,
        command=command,
    )
    code = run_levels(settings)
    explain(settings.output_dir)
    return code


def _run_release(options: argparse.Namespace, command: str) -> Exit:
    """Show the audit of a release."""
    if options.distractors is not None:
        raise UsageError('argument --distractors: an audit with --defaced has no photographs')
    from bids_reid.bids.tables import read_table
    from bids_reid.demo import release_demo
    from bids_reid.levels import run_levels
    from bids_reid.messages import logger

    people = options.people or PEOPLE_RELEASED
    if people < FEWEST_RELEASED:
        raise UsageError(f'argument --people: --defaced needs at least {FEWEST_RELEASED} people')
    _prepare()
    drawn = release_demo.Drawn(people, options.seed, options.alike, options.modality, options.good)
    for line in release_demo.opening_lines(drawn):
        logger.info(line)
    make_once(options.folder, drawn.note(), drawn.write, people=people, n_procs=options.n_procs)
    settings = release_demo.release_settings(
        options.folder, n_procs=options.n_procs, command=command
    )
    code = run_levels(settings)
    images = read_table(settings.output_dir / 'group_images.tsv')
    released = {row['path']: row for row in images if row['in_release'] == 'yes'}
    for line in release_demo.closing_lines(drawn, released):
        logger.info(line)
    logger.info(f'report: {settings.output_dir / "group.html"}')
    return code


def explain(output_dir: Path) -> None:
    """Say what the outcome means here, to somebody who may never have seen one."""
    from bids_reid.bids.files import read_json
    from bids_reid.messages import logger
    from bids_reid.risk.gate import FINDING

    if read_json(output_dir / 'group_summary.json').get('outcome') == FINDING:
        logger.info(AS_IT_SHOULD_BE)


def make_people(folder: Path, drawn: Mapping[str, Any], *, n_procs: int) -> Path:
    """Write people with photographs, unless an earlier call did.

    Parameters
    ----------
    folder : Path
        Gets ``bids``, ``photos``, ``consent.tsv`` and ``demo.json``.
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
    from bids_reid.demo.phantom_dataset import write_consent, write_phantom_dataset

    def write(folder: Path, n_procs: int, progress: Callable[[str], None]) -> None:
        write_phantom_dataset(folder, **drawn, n_procs=n_procs, progress=progress)

    make_once(folder, drawn, write, people=drawn['people'], n_procs=n_procs)
    return write_consent(folder, drawn['people'])


def make_once(
    folder: Path,
    drawn: Mapping[str, Any],
    write: Callable[[Path, int, Callable[[str], None]], object],
    *,
    people: int,
    n_procs: int,
) -> None:
    """Let files be written, unless an earlier call did; never into a folder of something else.

    Parameters
    ----------
    folder : Path
        Gets the files, and ``demo.json``, which tells what was drawn.
    drawn : mapping
        What decides which files are made.
    write : callable
        Called with the folder, the number of processes, and what takes a line of progress.
    people : int
        How many are drawn.
    n_procs : int
        Processes at a time.

    Raises
    ------
    CannotWriteError
        The folder holds anything but the same people.
    """
    from bids_reid.bids.files import read_json, write_json
    from bids_reid.messages import count, logger

    note = folder / 'demo.json'
    noted = read_json(note)
    if noted.get('Drawn', drawn) != drawn or (not noted and _holds_something(folder)):
        raise CannotWriteError(f'{folder} holds something else already: choose another folder')
    if noted.get('Complete'):
        return
    logger.info(
        f'making {count(people, "synthetic person", "synthetic people")} (none of them exists)'
    )
    write_json(note, {'Drawn': drawn, 'Complete': False})
    write(folder, n_procs, lambda line: logger.info(f'  {line}'))
    write_json(note, {'Drawn': drawn, 'Complete': True})


def _holds_something(folder: Path) -> bool:
    try:
        return folder.exists() and any(folder.iterdir())
    except OSError as error:
        raise CannotWriteError(f'cannot use {folder}: {error.strerror}') from error


def build_parser() -> Parser:
    """Build the parser of ``bids-reid-demo``."""
    parser = Parser(
        prog='bids-reid-demo',
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'folder', type=absolute, metavar='DIR', help='Folder for the data and the results.'
    )
    parser.add_argument(
        '--version',
        action='version',
        version=f'bids-reid {__version__}',
        help='Show the version and exit.',
    )
    parser.add_argument(
        '--defaced',
        action='store_true',
        help='Audit a release. Most scans are well de-faced, and some are not.',
    )
    parser.add_argument(
        '--good',
        action='store_true',
        help='With --defaced: make a release without any problem.',
    )
    parser.add_argument(
        '--people',
        type=positive(int),
        metavar='N',
        help='Participants, each with a scan and three photographs, or in the release. Default: '
        f'{PEOPLE}; with --defaced {PEOPLE_RELEASED}, and at least {FEWEST_RELEASED}.',
    )
    parser.add_argument(
        '--distractors',
        type=whole,
        metavar='N',
        help=f'People with a photograph and no scan; not with --defaced. Default: {DISTRACTORS}.',
    )
    parser.add_argument(
        '--alike',
        type=likeness,
        default=0.0,
        metavar='X',
        help='Likeness of the heads, from 0 (strangers) to below 1. Values below 0 make them '
        'less alike. Default: 0.',
    )
    parser.add_argument(
        '--modality',
        choices=('T1w', 'FLAIR'),
        default='T1w',
        help='Contrast of the scans. Default: T1w.',
    )
    parser.add_argument(
        '--seed',
        type=int,
        default=0,
        metavar='N',
        help='Start of the random numbers: the same seed gives the same files. Default: 0.',
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
