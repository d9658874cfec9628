"""``bids-reid-demo``: make synthetic people, run both levels on them, say where the report is."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from bids_reid import __version__
from bids_reid.cli import Parser, absolute, guarded, positive
from bids_reid.errors import Exit
from bids_reid.settings import LEVELS, Settings


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demonstration; return the exit code of ``bids-reid``."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = build_parser().parse_args(arguments)

    def run() -> Exit:
        from bids_reid.bids.phantom_dataset import write_phantom_dataset
        from bids_reid.run import run_levels, say
        from bids_reid.views.selftest import check_rendering, use_offscreen_window

        use_offscreen_window()
        # before any work: the photographs are rendered too
        check_rendering()
        say(f'making {options.people} synthetic people (nobody of them exists)')
        bids_dir, photos = write_phantom_dataset(
            options.folder,
            people=options.people,
            seed=options.seed,
            alike=options.alike,
            modality=options.modality,
            distractors=options.distractors,
            n_procs=options.n_procs,
            progress=say,
        )
        settings = Settings(
            bids_dir=bids_dir,
            output_dir=options.folder / 'derivatives',
            levels=LEVELS,
            photos=photos,
            n_procs=options.n_procs,
            report_faces=True,
            command=' '.join(['bids-reid-demo', *arguments]),
        )
        return run_levels(settings)

    return guarded('bids-reid-demo', run)


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
        type=int,
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
