"""Options in a TOML file: read as if they were typed, and written as a run used them."""

from __future__ import annotations

import argparse
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from bids_reid import __version__
from bids_reid.arguments import Ignored, Parser, absolute, named_folder
from bids_reid.errors import NoInputError, UsageError
from bids_reid.settings import AS_FREE, Settings
from bids_reid.suggestions import did_you_mean

POSITIONAL = ('bids_dir', 'output_dir', 'levels')
OPTIONS = {
    'participants': 'participant-label',
    'sessions': 'session-label',
    'filter_file': 'bids-filter-file',
    'database_dir': 'bids-database-dir',
    'skip_validation': 'skip-bids-validation',
    'seed': 'random-seed',
    'n_procs': 'nprocs',
    'memory_gb': 'mem',
    'omp_threads': 'omp-nthreads',
    'plugin_file': 'use-plugin',
    'verbosity': 'verbose',
}
"""Fields of Settings whose options have other names."""
_NOT_IN_FILES = ('help', 'version', 'config-file')
HEADER = """\
# Options of a run of bids-reid {version}. To run with them again:
# bids-reid BIDS_DIR OUTPUT_DIR {levels} --config-file THIS_FILE
# BIDS_DIR was {bids_dir}
# OUTPUT_DIR was {output_dir}
{remark}
"""
WITH_FOLDERS = '# This file names folders of your machine: do not share it if they are private.'
WITHOUT_FOLDERS = '# Of each path only the last name is here: complete the paths before you run.'


def option_name(field: str) -> str:
    """Return the long name of an option, without dashes, by its field of Settings.

    >>> option_name('max_risk'), option_name('n_procs')
    ('max-risk', 'nprocs')
    """
    return OPTIONS.get(field, field.replace('_', '-'))


def settings_text(settings: Settings, *, whole_paths: bool = True) -> str:
    """Write all options of a run as TOML, which ``--config-file`` reads again.

    Options that are not set are left out, and so are the command and what stands before the
    options on the command line: folders and levels are in a comment.

    Parameters
    ----------
    settings : Settings
        The run.
    whole_paths : bool
        Whether paths are whole. Otherwise only their last names are written, for a file that is
        passed on.
    """
    write = partial(_toml, whole_paths=whole_paths)
    header = HEADER.format(
        version=__version__,
        levels=' '.join(settings.levels),
        bids_dir=write(settings.bids_dir),
        output_dir=write(settings.output_dir),
        remark=WITH_FOLDERS if whole_paths else WITHOUT_FOLDERS,
    )
    lines = [header]
    for field in fields(settings):
        value = getattr(settings, field.name)
        left_out = field.name in {*POSITIONAL, 'derivatives', 'command'}
        left_out |= field.name == 'n_procs' and value == AS_FREE
        if not left_out and value is not None and value is not False and value != ():
            lines.append(f'{option_name(field.name)} = {write(value)}\n')
    if settings.derivatives:
        # a table holds all that comes after it, so it goes last
        lines.append('\n[derivatives]\n')
        lines += [f'{name} = {write(folder)}\n' for name, folder in settings.derivatives]
    return ''.join(lines)


def _toml(value: object, *, whole_paths: bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple):
        return f'[{", ".join(_toml(one, whole_paths=whole_paths) for one in value)}]'
    if isinstance(value, Path) and not whole_paths:
        value = value.name
    # a name that is no UTF-8 cannot be written in TOML
    readable = str(value).encode('utf-8', 'replace').decode('utf-8')
    return json.dumps(readable, ensure_ascii=False).replace('\x7f', '\\u007f')


def read_config_file(path: Path, parser: Parser) -> dict[str, Any]:
    """Read options from a file, each checked as on the command line.

    Parameters
    ----------
    path : Path
        TOML file. Keys are long names of options, with ``-`` or ``_``. Relative paths are relative
        to its folder.
    parser : Parser
        Parser of the options alone. A value that it refuses ends the program, with a line that
        names the file.

    Returns
    -------
    dict
        Name in the namespace of the parser to value, of the options in the file.

    Raises
    ------
    NoInputError
        The file cannot be read.
    UsageError
        It is no TOML, or has a key that is no option, or a value of a wrong type.
    """
    try:
        content = tomllib.loads(path.read_text('utf-8'))
    except OSError as error:
        raise NoInputError(f'--config-file {path}: {error.strerror}') from error
    except ValueError as error:
        raise UsageError(f'--config-file {path} is not valid TOML: {error}') from error
    parser.where = str(path)
    known = _known_options(parser)
    seen: dict[str, str] = {}
    words: list[str] = []
    for key, value in content.items():
        name = key.replace('_', '-')
        action = known.get(name)
        if action is None and isinstance(value, dict):
            raise UsageError(
                f'{path}: the section [{key}] is not known: write options without sections'
            )
        if action is None:
            raise UsageError(f'{path}: unknown option {key!r}{_hint(key, known)}')
        if action.dest != argparse.SUPPRESS and action.dest in seen:
            raise UsageError(f'{path}: {seen[action.dest]!r} and {key!r} are the same option')
        seen[action.dest] = key
        try:
            words += _words(f'--{name}', action, value, path.parent)
        except (TypeError, UsageError) as error:
            raise UsageError(f'{path}: {key}: {error}') from error
    for action in parser._actions:
        action.default = argparse.SUPPRESS
    return vars(parser.parse_args(words))


def _known_options(parser: Parser) -> dict[str, argparse.Action]:
    """Return the options that a file may hold, by their long names without dashes."""
    return {
        option[2:].replace('_', '-'): action
        for option, action in parser._option_string_actions.items()
        if option.startswith('--') and option[2:] not in _NOT_IN_FILES
    }


def _hint(key: str, known: Mapping[str, argparse.Action]) -> str:
    if key.replace('-', '_') in POSITIONAL:
        return ': it belongs on the command line'
    return did_you_mean(key.replace('_', '-'), known)


def _words(option: str, action: argparse.Action, value: Any, folder: Path) -> list[str]:
    """Write an option and its value as the words of a command line.

    Raises
    ------
    TypeError
        The value is of a type that the option does not take.
    UsageError
        A word would be taken for an option.
    """
    if action.nargs == 0:
        return _flags(option, action, value)
    if isinstance(value, dict) and action.type is named_folder:
        value = [f'{name}={_text(place)}' for name, place in value.items()]
    if isinstance(value, list) and action.nargs != '+':
        raise TypeError('give one value, not a list')
    given = list(_given(value, action, folder))
    if action.nargs != '+':
        return [f'{option}={given[0]}']
    for word in given:
        if word.startswith('-'):
            raise UsageError(f'{word!r} begins with a dash')
    if not given:
        raise TypeError('the list is empty: leave the option out')
    return [option, *given]


def _flags(option: str, action: argparse.Action, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [option] * value
    if isinstance(action, argparse._CountAction) and isinstance(value, int) and 0 <= value < 10:
        return [option] * value
    if isinstance(action, Ignored):
        return []
    raise TypeError(f'give true or false, not {value!r}')


def _given(value: Any, action: argparse.Action, folder: Path) -> Iterator[str]:
    for one in value if isinstance(value, list) else [value]:
        text = _text(one)
        if action.type is absolute and text:
            text = _beside(text, folder)
        name, equals, place = text.partition('=')
        if action.type is named_folder and equals and place:
            text = f'{name}={_beside(place, folder)}'
        yield text


def _beside(text: str, folder: Path) -> str:
    """Make a path in a file relative to the folder of the file."""
    return str(folder / absolute(text)) if text.startswith('~') else str(folder / text)


def _text(value: Any) -> str:
    """Write a single value as it is typed.

    Raises
    ------
    TypeError
        It is no text and no number.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError(f'give text or a number, not {json.dumps(value, default=str)}')
    return str(value)
