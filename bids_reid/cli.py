"""The command line: argv becomes Settings, errors become one line and an exit code."""

from __future__ import annotations

import argparse
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn, TypeVar

from bids_reid import __version__, stopping
from bids_reid.errors import Exit, ReidError, is_refusal
from bids_reid.messages import complain, say, show_messages
from bids_reid.records import IDENTIFYING, PART_NAMES, RAW
from bids_reid.settings import LEVELS, Settings
from bids_reid.surroundings import lacks_memory, not_enough_memory, prepare_surroundings

_NAMED = re.compile(r'([A-Za-z0-9]+)=(.+)')
_Number = TypeVar('_Number', int, float)

DESCRIPTION = """\
May a dataset be shared? Is a face left in any image, and how many participants could be
recognised? The participant level looks at every image, and turns each head scan into 81 renders of
the face, of which it extracts features; the group level gives the outcome of the audit, and
searches with photographs of the participants, if there are some. Nothing leaves this machine,
unless --allow-network lets an extractor of another package send images of faces away. No
photograph without a participant label is ever given a name.
"""
EPILOG = """\
exit codes: 0 done; 1 some scans failed; 3 done, --max-findings, --max-risk or --release was given,
and the outcome is not "nothing found"; 16 not BIDS; 17 unknown level; 18 the filters select
nothing; 64 wrong usage; 66 no such input, or an extractor that cannot run; 73 the machine refuses:
it cannot write the output, or lacks memory, a library or a renderer
"""


class Parser(argparse.ArgumentParser):
    """An argument parser that ends with the documented code for wrong usage."""

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with 64."""
        complain(self.prog, f'{message} (see {self.prog} --help)')
        self.exit(Exit.USAGE)


def guarded(
    program: str,
    run: Callable[[], Exit],
    *,
    written: Sequence[Path] = (),
    verbose: bool = False,
) -> int:
    """Call ``run``; what the user can mend becomes one line on stderr and an exit code.

    Parameters
    ----------
    written : sequence of Path
        A file that the system refuses below one of them could not be written; others could not be
        read.
    verbose : bool
        Also tell where the program was when the system refused a file.
    """
    show_messages()
    try:
        with stopping.stoppable(program):
            code = run()
            # what cannot be written is to be told here, not at the end of Python
            sys.stdout.flush()
            return code
    except stopping.Stopped as stopped:
        return stopping.say(program, stopped)
    except ReidError as error:
        complain(program, str(error))
        return error.exit_code
    except BrokenPipeError:
        # whoever read the output, such as head, has left; Python would complain again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (MemoryError, ImportError) as error:
        if verbose:
            traceback.print_exc()
        complain(program, _lacking(error))
        return Exit.MACHINE
    except OSError as error:
        refused = _refused(error, written)
        if refused is None:
            raise
        if verbose:
            traceback.print_exc()
        where = '' if error.filename is None else f'{os.fsdecode(error.filename)}: '
        complain(program, f'{where}{error.strerror}')
        return refused


def _lacking(error: MemoryError | ImportError) -> str:
    """Say what the machine lacks, and what helps."""
    if lacks_memory(error):
        return str(not_enough_memory())
    return f'a library is missing or cannot be loaded: {error}: install bids_reid again'


def _refused(error: OSError, written: Sequence[Path]) -> Exit | None:
    """Exit code if the system refused a file that nobody had looked at before; ``None`` if not."""
    if is_refusal(error):
        return Exit.MACHINE
    if not isinstance(error.filename, str | bytes | os.PathLike) or error.strerror is None:
        return None
    path = Path(os.fsdecode(error.filename))
    below = any(path.is_relative_to(folder) for folder in written)
    return Exit.MACHINE if below else Exit.NO_INPUT


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``bids-reid``; return its exit code."""
    prepare_surroundings(is_program=argv is None)
    arguments = list(sys.argv[1:] if argv is None else argv)
    listing = listing_options(arguments)
    if listing is not None:
        return guarded('bids-reid', lambda: list_extractors(listing))
    parser = build_parser()
    options = parser.parse_args(arguments)
    names = [name.lower() for name, _ in options.derivatives]
    if len(set(names)) < len(names):
        parser.error('argument -d/--derivatives: a name is given twice')
    unknown = [level for level in options.levels if level not in LEVELS]
    if unknown:
        complain('bids-reid', f'unknown level {unknown[0]!r}: give participant, group or both')
        return Exit.UNKNOWN_LEVEL
    settings = settings_from(options, command=shown('bids-reid', arguments))

    def run() -> Exit:
        # --help and usage errors need none of the science libraries
        from bids_reid.levels import run_levels

        return run_levels(settings)

    return guarded(
        'bids-reid',
        run,
        written=(settings.output_dir, settings.work),
        verbose=settings.verbosity > 0,
    )


def listing_options(arguments: Sequence[str]) -> argparse.Namespace | None:
    """Return the options if nothing is asked for but which extractors there are; else ``None``.

    Anything more makes it a run in which the names were forgotten, perhaps by a variable that is
    not set: that must not end as if it had been done.
    """
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    _add_extractors(parser, nargs='*', default=None)
    try:
        options, rest = parser.parse_known_args(arguments)
    except argparse.ArgumentError:
        return None
    return options if options.extractors == [] and not rest else None


def list_extractors(options: argparse.Namespace) -> Exit:
    """Print which extractors there are.

    Raises
    ------
    NoInputError
        The folder of models is not there.
    """
    from bids_reid.bids.walk import check_there
    from bids_reid.faces.extractor_list import extractor_lines
    from bids_reid.faces.weights import FOLDER_VARIABLE

    if options.models_dir is not None:
        check_there(options.models_dir, folder=True)
        os.environ[FOLDER_VARIABLE] = str(options.models_dir)
    for line in extractor_lines(allow_network=options.allow_network):
        say(line)
    return Exit.OK


def shown(program: str, arguments: Sequence[str]) -> str:
    """Write the command for the reports: where people keep their data is nobody's business."""
    return ' '.join([program, *map(_without_folders, arguments)])


def _without_folders(word: str) -> str:
    named = _NAMED.match(word)
    if named:
        return f'{named[1]}={_without_folders(named[2])}'
    return Path(word).name if '/' in word else word


def settings_from(options: argparse.Namespace, *, command: str) -> Settings:
    """Turn parsed arguments into Settings."""
    values = vars(options) | {
        'levels': tuple(level for level in LEVELS if level in options.levels),
        'participants': _labels(options.participants, 'sub-'),
        'sessions': _labels(options.sessions, 'ses-'),
        'modalities': tuple(dict.fromkeys(options.modalities)),
        'extractors': tuple(dict.fromkeys(options.extractors)),
        'derivatives': tuple(options.derivatives),
        'refaced': tuple(dict.fromkeys(options.refaced)),
        'parts': tuple(dict.fromkeys(options.parts)),
        'breakdown': None if options.breakdown is None else tuple(options.breakdown),
    }
    return Settings(**values, command=command)


def _labels(given: Sequence[str], prefix: str) -> tuple[str, ...]:
    """Strip the prefix and repetitions; people type ``sub-01`` as often as ``01``."""
    return tuple(dict.fromkeys(label.removeprefix(prefix) for label in given))


def build_parser() -> Parser:
    """Build the parser of ``bids-reid``; option names become fields of Settings."""
    parser = Parser(
        prog='bids-reid',
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('bids_dir', type=absolute, help='BIDS dataset; it is only read')
    parser.add_argument('output_dir', type=absolute, help='where the results go')
    parser.add_argument(
        'levels',
        nargs='+',
        metavar='{participant,group}',
        help='what to do; both may be given',
    )
    parser.add_argument('--version', action='version', version=f'bids-reid {__version__}')
    _add_selection(parser)
    _add_analysis(parser)
    _add_running(parser)
    return parser


def _add_selection(parser: Parser) -> None:
    group = parser.add_argument_group('which scans')
    group.add_argument(
        '--participant-label',
        '--participant_label',
        '--participant-labels',
        '--subject-label',
        dest='participants',
        nargs='+',
        action='extend',
        default=[],
        metavar='LABEL',
        help='participants, with or without "sub-" (default: all)',
    )
    group.add_argument(
        '--session-label',
        '--session-id',
        '--session_label',
        dest='sessions',
        nargs='+',
        action='extend',
        default=[],
        metavar='LABEL',
        help='sessions, with or without "ses-" (default: all)',
    )
    group.add_argument(
        '--modalities',
        nargs='+',
        default=(),
        metavar='SUFFIX',
        help='BIDS suffixes of the scans that get templates and are searched (default: every '
        'anatomical suffix there is); all other images of the release get a look, too',
    )
    group.add_argument(
        '--bids-filter-file',
        dest='filter_file',
        type=absolute,
        metavar='FILE',
        help='participant level: JSON with pybids filters per suffix, '
        'such as {"T1w": {"acquisition": null}}',
    )
    group.add_argument(
        '--bids-database-dir',
        dest='database_dir',
        type=absolute,
        metavar='DIR',
        help='keep the pybids index here and use it again',
    )
    group.add_argument(
        '--skip-bids-validation',
        '--skip_bids_validation',
        dest='skip_validation',
        action='store_true',
        help='take bids_dir even without a valid dataset_description.json',
    )


def _add_analysis(parser: Parser) -> None:
    group = parser.add_argument_group('what to measure')
    group.add_argument(
        '-d',
        '--derivatives',
        nargs='+',
        action='extend',
        type=named_folder,
        default=[],
        metavar='NAME=DIR',
        help='further versions of the same scans, such as defaced=DIR: de-faced or re-faced, '
        'named as BIDS or the tool has it; only read (group level: which of those there are)',
    )
    group.add_argument(
        '--audit',
        metavar='NAME',
        help='the condition that is to be shared: the release is its folder (default: the last '
        'of -d, else raw, which is bids_dir)',
    )
    group.add_argument(
        '--release',
        type=absolute,
        metavar='DIR',
        help='another folder that is to be shared, with everything in it; every image in it gets '
        'a look; group level: end with 3 unless nothing is found',
    )
    group.add_argument(
        '--max-findings',
        type=fraction,
        metavar='SHARE',
        help='group level: end with 3 unless at most this share of the images of the release has '
        'findings, and all the others were looked at; as 0.01 or 1%% (default: 0, which '
        'alone does not change the exit code)',
    )
    group.add_argument(
        '--max-risk',
        type=fraction,
        metavar='SHARE',
        help='group level, with photographs: end with 3 unless the rank-1 rate of the strongest '
        'attack is at most this with 95%% confidence, allowing for all attacks tried; as 0.05 or '
        '5%% (bids-reid-plan says how many participants that takes)',
    )
    group.add_argument(
        '--refaced',
        nargs='+',
        default=(),
        metavar='NAME',
        help='group level: conditions whose faces were replaced: a face on their scans '
        "counts as a finding only if it is its original's, or if it links people",
    )
    group.add_argument(
        '--parts',
        nargs='+',
        choices=tuple(PART_NAMES),
        default=IDENTIFYING,
        metavar='PART',
        help='parts of a face that have to be removed from an image: brow (its lower edge and the '
        'root of the nose), eyes, nose, mouth, chin, cheeks, ears; the others are named, and do '
        'not count (default: brow eyes nose mouth chin)',
    )
    group.add_argument(
        '--reviewed',
        type=absolute,
        metavar='TSV',
        help='group level: images that a person has looked at, with the columns sha256, by and '
        'note: their verdict becomes no findings, and bears the name',
    )
    group.add_argument(
        '--against',
        type=absolute,
        metavar='DIR',
        help='group level: an earlier output of this program, of the same or another dataset '
        'with the same participant labels; whose scans can be linked with those here?',
    )
    group.add_argument(
        '--breakdown',
        nargs='+',
        metavar='COLUMN',
        help='group level: columns of participants.tsv to break the rates down by (default: age '
        'and sex)',
    )
    group.add_argument(
        '--random-seed',
        '--random_seed',
        '--seed',
        dest='seed',
        type=whole,
        default=0,
        metavar='N',
        help='of bootstraps, permutations and models (default: 0)',
    )
    group.add_argument(
        '--photos',
        type=absolute,
        metavar='DIR_OR_TSV',
        help='photographs: a folder (sub-01_photo-1.jpg, sub-01/*.jpg) or a TSV with the columns '
        'path and participant_id; without a participant of the dataset it is a distractor',
    )
    group.add_argument(
        '--consent',
        type=absolute,
        metavar='TSV',
        help='group level, with --photos: who agreed to be searched with, in the columns '
        'participant_id and consent (yes or no); photographs with the label of anybody else are '
        'not opened, and are counted; those without a label stay distractors',
    )
    _add_extractors(group)
    group.add_argument(
        '--complete-face',
        action='store_true',
        help='where the field of view cuts the nose or chin, complete them from an average head; '
        'the records and the group tables then say so (default: leave the face cut)',
    )
    group.add_argument(
        '--keep',
        choices=('templates', 'renders'),
        default='templates',
        help='renders: also write the pictures of every face, 81 of the study and 9 in soft light '
        '(default: templates)',
    )
    group.add_argument(
        '--report-faces',
        action='store_true',
        help="show renders on the participants' pages, which then must not be shared; implies "
        '--keep renders',
    )


def _add_extractors(
    parser: argparse._ActionsContainer, nargs: str = '+', default: Sequence[str] | None = ()
) -> None:
    """Add the options that say which extractors run, and what they may use."""
    parser.add_argument(
        '--extractors',
        nargs=nargs,
        default=default,
        metavar='NAME',
        help='orb, sift, face_recognition, facenet, deepface-ArcFace, ... (default: all that can '
        'run; at group level all that every scan has a template of); "bids-reid --extractors" '
        'alone lists them, with those that other packages add',
    )
    parser.add_argument(
        '--allow-network',
        action='store_true',
        help='let extractors run that send images of faces to a network; none of those that come '
        'with this program does, and outputs say which did (default: they do not run)',
    )
    parser.add_argument(
        '--models-dir',
        type=absolute,
        metavar='DIR',
        help='weights of the deepface-... extractors, see bids-reid-models (default: '
        'BIDS_REID_MODELS, or bids_reid/models in your data folder)',
    )


def _add_running(parser: Parser) -> None:
    group = parser.add_argument_group('how to run')
    add_nprocs(group, '--nprocs', '--n-procs', '--n_procs', '--nthreads', '--n-cpus', '--n_cpus')
    group.add_argument(
        '--omp-nthreads',
        dest='omp_threads',
        type=positive(int),
        default=1,
        metavar='N',
        help='threads of each process (default: 1)',
    )
    group.add_argument(
        '--mem',
        '--mem-gb',
        '--mem_gb',
        dest='memory_gb',
        type=positive(float),
        metavar='GB',
        help='memory to stay within (default: nine tenths of the machine)',
    )
    group.add_argument(
        '-w',
        '--work-dir',
        type=absolute,
        metavar='DIR',
        help='intermediate files (default: output_dir/work, removed when all is done)',
    )
    group.add_argument(
        '--use-plugin',
        dest='plugin_file',
        type=absolute,
        metavar='FILE',
        help='YAML with a Nipype plugin and its plugin_args, for clusters',
    )
    group.add_argument(
        '--stop-on-first-crash', action='store_true', help='do not go on with the other scans'
    )
    group.add_argument('--dry-run', action='store_true', help='list what would be done')
    group.add_argument(
        '--reports-only', action='store_true', help="write the participants' pages again"
    )
    group.add_argument(
        '--stamp',
        action='store_true',
        help='group level: write date, time (UTC) and the path of the audited folder into the '
        'report (default: leave them out, so that equal input gives equal bytes)',
    )
    group.add_argument('-v', dest='verbosity', action='count', default=0, help='say more')


def add_nprocs(parser: argparse._ActionsContainer, *spellings: str) -> None:
    """Add the option that says how many processes run at a time."""
    parser.add_argument(
        *spellings,
        dest='n_procs',
        type=positive(int),
        default=os.cpu_count() or 1,
        metavar='N',
        help='processes at a time (default: all processors)',
    )


def absolute(text: str) -> Path:
    """Parse a path; what the program is run from may change later."""
    if not text:
        # a variable of the shell that is not set; the current folder is not meant
        raise argparse.ArgumentTypeError('an empty path')
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        raise argparse.ArgumentTypeError(
            f'no home folder is known that {text!r} may mean: write the path out'
        ) from None


def named_folder(text: str) -> tuple[str, Path]:
    """Parse ``NAME=DIR``; the name becomes part of a BIDS label: letters and digits."""
    named = _NAMED.fullmatch(text)
    if named is None:
        raise argparse.ArgumentTypeError(
            f'{text!r} is not NAME=DIR with a name of letters and digits'
        )
    if named[1].lower() == RAW:
        raise argparse.ArgumentTypeError('raw is what the scans in bids_dir are called')
    return named[1], absolute(named[2])


def fraction(text: str) -> float:
    """Read ``5%`` or ``0.05``.

    Raises
    ------
    argparse.ArgumentTypeError
        It is neither, or not from 0 to 1.
    """
    number = text.strip()
    try:
        value = float(number.removesuffix('%')) / (100 if number.endswith('%') else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not a share: give 5% or 0.05')
    return value


def whole(text: str) -> int:
    """Parse a whole number from 0."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f'{text} is below 0')
    return value


def positive(kind: type[_Number]) -> Callable[[str], _Number]:
    """Make a parser of numbers above 0."""

    def parse(text: str) -> _Number:
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f'{text} is not above 0')
        return value

    parse.__name__ = kind.__name__
    return parse
