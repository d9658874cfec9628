"""The command line: argv becomes Settings, errors become one line and an exit code."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from bids_reid import stopping
from bids_reid.arguments import (
    Parser,
    absolute,
    add_nprocs,
    fraction,
    positive,
    split_names,
    whole,
)
from bids_reid.config_file import read_config_file
from bids_reid.errors import Exit, ReidError, UsageError, is_refusal
from bids_reid.messages import complain, say, show_messages
from bids_reid.options import PROGRAM, add_extractors, add_options, build_parser
from bids_reid.settings import LEVELS, Settings, labels, names
from bids_reid.suggestions import did_you_mean
from bids_reid.surroundings import lacks_memory, not_enough_memory, prepare_surroundings

__all__ = [
    'Parser',
    'absolute',
    'add_nprocs',
    'build_parser',
    'fraction',
    'guarded',
    'main',
    'positive',
    'settings_from',
    'shown',
    'whole',
]
WITH_JSON = (
    'a run has no --json: read OUT/group_summary.json. bids-reid-check, bids-reid-plan, '
    'bids-reid-purge and bids-reid-models have it, and bids-reid --extractors --json'
)
_NAMED = re.compile(r'(-{0,2}[A-Za-z0-9_-]+)=(.+)')


def guarded(
    program: str,
    run: Callable[[], Exit],
    *,
    written: Sequence[Path] = (),
    verbose: bool = False,
) -> int:
    """Call ``run``; an error that the user can mend becomes one line and an exit code.

    Parameters
    ----------
    program : str
        Name of the program, for the line on standard error.
    run : callable
        Does the work, and returns the exit code.
    written : sequence of Path
        Folders that ``run`` writes to. A file below them that the system refuses could not be
        written; any other could not be read.
    verbose : bool
        Whether to print a traceback as well when the system refuses a file.
    """
    show_messages()
    try:
        with stopping.stoppable(program):
            code = run()
            # an error while the last lines are written belongs here, not at the exit of Python
            sys.stdout.flush()
            return code
    except stopping.Stopped as stopped:
        return stopping.say(program, stopped)
    except ReidError as error:
        complain(program, str(error))
        return error.exit_code
    except BrokenPipeError:
        # the reader of the output, such as head, has ended; Python would complain again at exit
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
    """Return the exit code for a file that the system refused; ``None`` for another error."""
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
        return guarded(PROGRAM, lambda: list_extractors(listing))
    try:
        options = parse(arguments)
    except ReidError as error:
        complain(PROGRAM, str(error))
        return error.exit_code
    unknown = [level for level in options.levels if level not in LEVELS]
    if unknown:
        meant = did_you_mean(unknown[0], LEVELS)
        complain(
            PROGRAM, f'unknown level {unknown[0]!r}{meant or ": give participant, group or both"}'
        )
        return Exit.UNKNOWN_LEVEL
    settings = settings_from(options, command=shown(PROGRAM, arguments))

    def run() -> Exit:
        # --help and usage errors need none of the science libraries
        from bids_reid.levels import run_levels

        return run_levels(settings)

    return guarded(
        PROGRAM,
        run,
        written=(settings.output_dir, settings.work),
        verbose=settings.verbosity > 0,
    )


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse a command line, with the options of its ``--config-file`` where it has no own.

    Raises
    ------
    ReidError
        The file cannot be read, or holds something else than options; or ``--json`` is given.
    """
    if '--json' in arguments:
        raise UsageError(WITH_JSON)
    parser = build_parser()
    options = parser.parse_args(arguments)
    if options.config_file is not None:
        typed = build_parser()
        for action in typed._actions:
            action.default = argparse.SUPPRESS
        in_file = Parser(PROGRAM, add_help=False)
        add_options(in_file)
        values = read_config_file(options.config_file, in_file)
        options = argparse.Namespace(
            **{**vars(options), **values, **vars(typed.parse_args(arguments))}
        )
    conditions = [name.lower() for name, _ in options.derivatives]
    if len(set(conditions)) < len(conditions):
        parser.error('argument -d/--derivatives: a name is given twice')
    options.levels = [name for word in options.levels for name in split_names(word) or [word]]
    return options


def listing_options(arguments: Sequence[str]) -> argparse.Namespace | None:
    """Return the options if only the list of extractors is asked for; else ``None``.

    With anything else on the command line it is a run whose names are missing, perhaps because a
    variable of the shell is not set. Such a run must not end as if it had been done.
    """
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    add_extractors(parser, nargs='*', default=None)
    parser.add_argument('--json', action='store_true')
    try:
        options, rest = parser.parse_known_args(arguments)
    except argparse.ArgumentError:
        return None
    return options if options.extractors == [] and not rest else None


def list_extractors(options: argparse.Namespace) -> Exit:
    """Print the list of extractors.

    Raises
    ------
    NoInputError
        The folder of models is not there.
    """
    from bids_reid.bids.walk import check_there
    from bids_reid.faces.extractor_list import extractor_lines, listed_extractors
    from bids_reid.faces.weights import FOLDER_VARIABLE

    if options.models_dir is not None:
        check_there(options.models_dir, folder=True)
        os.environ[FOLDER_VARIABLE] = str(options.models_dir)
    if options.json:
        listed = listed_extractors(allow_network=options.allow_network)
        print(json.dumps([asdict(one) for one in listed], indent=2))
        return Exit.OK
    for line in extractor_lines(allow_network=options.allow_network):
        say(line)
    return Exit.OK


def shown(program: str, arguments: Sequence[str]) -> str:
    """Write the command for the reports, which do not tell where people keep their data."""
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
        'participants': labels(options.participants, 'sub-'),
        'sessions': labels(options.sessions, 'ses-'),
        'modalities': names(options.modalities),
        'extractors': names(options.extractors),
        'derivatives': tuple(options.derivatives),
        'refaced': names(options.refaced),
        'parts': names(options.parts),
        'breakdown': None if options.breakdown is None else names(options.breakdown),
    }
    del values['config_file']
    return Settings(**values, command=command)
