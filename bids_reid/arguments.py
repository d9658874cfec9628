"""What the command lines of all programs share: their parser, and readers of single values."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from bids_reid import __version__
from bids_reid.errors import Exit
from bids_reid.messages import complain
from bids_reid.processors import allowed_cores
from bids_reid.records import RAW
from bids_reid.settings import AS_FREE
from bids_reid.suggestions import closest, did_you_mean

NAMED_FOLDER = re.compile(r'([A-Za-z0-9]+)=(.+)')
_MEMORY = re.compile(r'(?P<number>\d+\.?\d*|\.\d+) ?(?:(?P<size>[MGT])(?P<binary>i?)B?)?', re.I)
_NEGATIVE = re.compile(r'-\d+|-\d*\.\d+')
_POWERS = {'M': 2, 'G': 3, 'T': 4}
_Number = TypeVar('_Number', int, float)


class Help(argparse.RawDescriptionHelpFormatter):
    """Help with the value of an option once, behind all of its spellings."""

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        value = self._format_args(action, self._get_default_metavar_for_optional(action))
        return f'{", ".join(action.option_strings)} {value}'

    def _format_args(self, action: argparse.Action, default_metavar: str) -> str:
        if action.nargs == argparse.ONE_OR_MORE:
            return f'{self._metavar_formatter(action, default_metavar)(1)[0]} ...'
        return super()._format_args(action, default_metavar)


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, with a suggestion, and the documented code.

    Long options may be written with ``_`` in place of ``-``.

    Parameters
    ----------
    prog : str
        Name of the program.
    examples : mapping of str to str
        Explanation to command, for the end of ``--help``.
    exit_codes : mapping of int to str
        Exit code to its meaning, for the end of ``--help``.
    add_help : bool
        Whether to add ``--help`` now; `add_help_option` adds it later, to a group.
    **options
        Those of `argparse.ArgumentParser`.
    """

    where = ''
    """File that the options come from; nothing for the command line."""

    def __init__(
        self,
        prog: str,
        *,
        examples: Mapping[str, str] | None = None,
        exit_codes: Mapping[int, str] | None = None,
        add_help: bool = True,
        **options: Any,
    ) -> None:
        self.examples = dict(examples or {})
        options.setdefault('formatter_class', Help)
        options.setdefault('epilog', _epilog(examples or {}, exit_codes or {}) or None)
        super().__init__(prog, add_help=False, **options)
        if add_help:
            add_help_option(self)

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with 64."""
        where = f'{self.where}: ' if self.where else ''
        complain(self.prog, f'{where}{message} (see {self.prog} --help)')
        self.exit(Exit.USAGE)

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse, after a look for misspelt options: argparse would first miss other things."""
        words = list(sys.argv[1:] if args is None else args)
        if self._subparsers is None:
            words = self._as_defined(words)
            self._check_options(words)
        return super().parse_known_args(words, namespace)

    def _as_defined(self, words: Sequence[str]) -> list[str]:
        """Write long options as they are defined; values stay as they are."""
        options = words[: words.index('--')] if '--' in words else words
        return [*map(self._spelled_out, options), *words[len(options) :]]

    def _spelled_out(self, word: str) -> str:
        """Write an option with dashes, and the beginning of one option in full."""
        name, equals, value = word.partition('=')
        if not name.startswith('--') or ' ' in name:
            return word
        name = name.replace('_', '-')
        known = self._option_string_actions
        begun = [option for option in known if option.startswith(name)]
        # argparse calls two spellings of one option ambiguous
        if name not in known and len({id(known[option]) for option in begun}) == 1:
            name = begun[0]
        return f'{name}{equals}{value}'

    def _check_options(self, words: Iterable[str]) -> None:
        known = self._option_string_actions
        for word in words:
            if word == '--':
                return
            name = word.partition('=')[0]
            if not name.startswith('-') or len(name) == 1 or ' ' in name or name in known:
                continue
            if name.startswith('--'):
                if not any(one.startswith(name) for one in known):
                    self.error(f'unknown option {name}{self._meant(name)}')
            elif f'-{name}' in known:
                self.error(f'unknown option {name}: did you mean -{name}?')
            elif name[:2] not in known and not _NEGATIVE.fullmatch(word):
                self.error(f'unknown option {name}{self._meant(f"-{name}")}')

    def _meant(self, name: str) -> str:
        """Ask for the option that is most like a name, by the first of its spellings."""
        unnamed = [action.dest for action in self._get_positional_actions()]
        if name.lstrip('-').replace('-', '_') in unnamed:
            return f': write {" ".join(unnamed)} in this order, without names'
        found = closest(name, _long(self._option_string_actions))
        if found is None:
            return ''
        first = _long(self._option_string_actions[found].option_strings)[0]
        return f': did you mean {first}?'

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse a value that is not one of the choices, with a suggestion."""
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            raise argparse.ArgumentError(action, _not_among(str(value), known))


def _long(options: Iterable[str]) -> list[str]:
    return [option for option in options if option.startswith('--')]


def _not_among(word: str, known: Sequence[str]) -> str:
    return f'{word!r} is not one of {", ".join(known)}{did_you_mean(word, known)}'


def _epilog(examples: Mapping[str, str], exit_codes: Mapping[int, str]) -> str:
    """Write the end of ``--help``."""
    lines = ['examples:'] if examples else []
    for explanation, command in examples.items():
        lines += [f'  {explanation}', *(f'    {line}' for line in command.splitlines())]
    if exit_codes:
        lines += ['', 'exit codes:'] if examples else ['exit codes:']
    for code, meaning in exit_codes.items():
        first, *others = meaning.splitlines()
        lines += [f'  {code:>2}  {first}', *(f'      {line}' for line in others)]
    return '\n'.join(lines)


class Names(argparse.Action):
    """Collect names: one word each, with commas between them, or in several options.

    Parameters
    ----------
    among : sequence of str
        The names that are allowed; any if there are none.
    """

    def __init__(self, *arguments: Any, among: Sequence[str] = (), **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.among = tuple(among)

    def __call__(
        self,
        _parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        _option: str | None = None,
    ) -> None:
        """Add the names to those of earlier options, which replace the default."""
        names: list[str] = []
        for word in values or ():
            some = split_names(word)
            if not some:
                # a variable of the shell that is not set
                raise argparse.ArgumentError(self, 'a name is empty')
            names += some
        for name in names:
            if self.among and name not in self.among:
                raise argparse.ArgumentError(self, _not_among(name, self.among))
        earlier = getattr(namespace, self.dest, None)
        if earlier is not None and earlier is not self.default:
            names = [*earlier, *names]
        setattr(namespace, self.dest, names)


def split_names(text: str) -> list[str]:
    """Split a list with commas.

    >>> split_names('T1w, FLAIR,')
    ['T1w', 'FLAIR']
    """
    return [name.strip() for name in text.split(',') if name.strip()]


class Ignored(argparse.Action):
    """An option of other programs that has nothing to change here."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options |= {'nargs': 0, 'default': argparse.SUPPRESS}
        super().__init__(*arguments, **options)

    def __call__(self, *_arguments: Any, **_options: Any) -> None:
        """Do nothing."""


def add_help_option(place: argparse._ActionsContainer) -> None:
    """Add ``--help``, with a sentence like those of the other options."""
    place.add_argument('-h', '--help', action='help', help='Show this help and exit.')


def add_version(place: argparse._ActionsContainer) -> None:
    """Add ``--version``."""
    place.add_argument(
        '--version',
        action='version',
        version=f'bids-reid {__version__}',
        help='Show the version and exit.',
    )


def add_nprocs(
    parser: argparse._ActionsContainer, *spellings: str, default: int | None = None
) -> None:
    """Add the option that says how many processes run at a time.

    By default it is as many as there are processors for; `AS_FREE` leaves the choice to the run.
    """
    parser.add_argument(
        *spellings,
        dest='n_procs',
        type=positive(int),
        default=allowed_cores() if default is None else default,
        metavar='N',
        help='Processes that run at the same time. Default: one for each processor'
        + (' that is free, as far as memory allows.' if default == AS_FREE else '.'),
    )


def absolute(text: str) -> Path:
    """Parse a path; what the program is run from may change later."""
    if not text:
        # a variable of the shell that is not set; the current folder is not meant
        raise argparse.ArgumentTypeError('the path is empty')
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        raise argparse.ArgumentTypeError(
            f'there is no home folder for {text!r}: write the path out'
        ) from None


def named_folder(text: str) -> tuple[str, Path]:
    """Parse ``NAME=DIR``; the name becomes part of a BIDS label: letters and digits."""
    named = NAMED_FOLDER.fullmatch(text)
    if named is None:
        raise argparse.ArgumentTypeError(
            f'{text!r} is not NAME=DIR, with letters and digits in NAME, such as '
            f'defaced={text.rpartition("=")[2] or "DIR"}'
        )
    if named[1].lower() == RAW:
        raise argparse.ArgumentTypeError(
            'raw is the name of the scans in bids_dir: choose another name'
        )
    return named[1], absolute(named[2])


def fraction(text: str) -> float:
    """Read ``5%`` or ``0.05``.

    Raises
    ------
    argparse.ArgumentTypeError
        It is neither, or not from 0 to 1; or it is a bare 1, which may be 1% or all.
    """
    number = text.strip()
    is_percentage = number.endswith('%')
    try:
        value = float(number.removesuffix('%'))
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r} is not a share: write 5% or 0.05') from None
    if number == '1':
        raise argparse.ArgumentTypeError("'1' is not clear: write 1% or 100%")
    share = value / 100 if is_percentage else value
    if 0 <= share <= 1:
        return share
    if 1 < value <= 100 and not is_percentage:
        raise argparse.ArgumentTypeError(f'{text!r} is above 1: did you mean {value:g}%?')
    raise argparse.ArgumentTypeError(f'{text!r} is not from 0 to 100%: write 5% or 0.05')


def memory(text: str) -> float:
    """Read an amount of memory in GB; without a unit it is in GB.

    >>> memory('16'), memory('16GB'), memory('16G'), memory('16000MB'), memory('1 GiB')
    (16.0, 16.0, 16.0, 16.0, 1.073741824)

    Raises
    ------
    argparse.ArgumentTypeError
        It is no amount, or none above 0.
    """
    amount = _MEMORY.fullmatch(text.strip())
    if amount is None or not float(amount['number']) > 0:
        raise argparse.ArgumentTypeError(
            f'{text!r} is not an amount of memory: write 16, 16GB or 16000MB'
        )
    number = float(amount['number'])
    if amount['size'] is None:
        return number
    power = _POWERS[amount['size'].upper()]
    # GB are 1e9 bytes, MB so many less of them: 16000MB is 16 exactly
    return number * 1024**power / 1e9 if amount['binary'] else number / 1000.0 ** (3 - power)


def whole(text: str) -> int:
    """Parse a whole number from 0."""
    return at_least(0)(text)


def at_least(least: int) -> Callable[[str], int]:
    """Make a parser of whole numbers from ``least`` on."""

    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f'{text!r} is not a whole number of at least {least}')
        return int(text)

    parse.__name__ = int.__name__
    return parse


def positive(kind: type[_Number]) -> Callable[[str], _Number]:
    """Make a parser of numbers above 0."""

    def parse(text: str) -> _Number:
        try:
            value = kind(text)
        except ValueError:
            value = kind(0)
        if not value > 0:
            number = 'a whole number' if kind is int else 'a number'
            raise argparse.ArgumentTypeError(f'{text!r} is not {number} above 0')
        return value

    parse.__name__ = kind.__name__
    return parse
