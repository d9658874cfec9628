"""``bids-reid-models``: which weights there are, get them, verify them.

``fetch`` is the only thing in this program that opens a network connection, and it asks DeepFace
where its files are and lets it download them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from bids_reid import __version__
from bids_reid.cli import Parser, absolute, guarded
from bids_reid.errors import CannotWriteError, Exit, NoInputError, ReidError, UsageError
from bids_reid.faces.deepface import PREFIX, deepface_home
from bids_reid.faces.weights import (
    ALTERED,
    LOCK,
    MISSING,
    ModelFile,
    default_folder,
    manifest,
    read_lock,
    record,
    why_not,
)
from bids_reid.messages import say
from bids_reid.surroundings import has_home, prepare_surroundings

DESCRIPTION = """\
The weights of DeepFace's models, in one folder. bids-reid itself never downloads any.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``bids-reid-models``; return its exit code."""
    prepare_surroundings(is_program=argv is None)
    options = build_parser().parse_args(sys.argv[1:] if argv is None else argv)
    return guarded('bids-reid-models', lambda: _act(options))


def build_parser() -> Parser:
    """Build the parser of ``bids-reid-models``."""
    parser = Parser(prog='bids-reid-models', description=DESCRIPTION)
    parser.add_argument('--version', action='version', version=f'bids-reid {__version__}')
    actions = parser.add_subparsers(required=True, metavar='{list,fetch,verify}')
    for name, action, nargs, explained in (
        ('list', list_models, '*', 'say which can run, and why the others cannot'),
        ('fetch', fetch_models, '+', 'download weights, and write down their SHA-256'),
        ('verify', verify_models, '*', 'compare weights with what was written down'),
    ):
        sub = actions.add_parser(name, help=explained, description=explained)
        sub.add_argument('names', nargs=nargs, metavar='NAME', help='such as ArcFace')
        sub.add_argument(
            '--models-dir',
            type=absolute,
            metavar='DIR',
            help='folder of the weights (default: BIDS_REID_MODELS, or bids_reid/models in '
            'XDG_DATA_HOME or ~/.local/share)',
        )
        sub.set_defaults(action=action)
    return parser


def _act(options: argparse.Namespace) -> Exit:
    """Do what was asked for.

    Raises
    ------
    UsageError
        There is no such model, or no folder to keep one in.
    """
    entries = _entries(options.names)
    folder: Path = options.models_dir or default_folder()
    action: Callable[[Sequence[ModelFile], Path], Exit] = options.action
    if action is fetch_models and not has_home() and folder.is_relative_to(Path.home()):
        raise UsageError(
            'this account has no home folder to keep models in: set HOME or BIDS_REID_MODELS, '
            'or name a folder with --models-dir'
        )
    return action(entries, folder)


def _entries(names: Sequence[str]) -> list[ModelFile]:
    """Find models by name, with or without ``deepface-``; all of them if none is named.

    Raises
    ------
    UsageError
        There is no such model.
    """
    known = manifest()
    wanted = [name.removeprefix(PREFIX) for name in names] or list(known)
    for name in wanted:
        if name not in known:
            raise UsageError(f'no model {name!r}; there are: {", ".join(known)}')
    return [known[name] for name in dict.fromkeys(wanted)]


def list_models(entries: Sequence[ModelFile], folder: Path) -> Exit:
    """Print the state of each model, what it is and its file."""
    say(f'weights in {folder}')
    for entry in entries:
        say(f'{PREFIX}{entry.model}: {why_not(entry, folder) or "can run"}')
        say(f'    {entry.description}; {entry.dimension} numbers per face')
        say(f'    {entry.path(folder)}')
    return Exit.OK


def verify_models(entries: Sequence[ModelFile], folder: Path) -> Exit:
    """Compare each file with what was written down; 1 if one is missing or altered.

    Models that were never fetched do not count as missing.
    """
    recorded = read_lock(folder)
    code = Exit.OK
    for entry in entries:
        reason = why_not(entry, folder)
        if entry.package or entry.file in recorded or entry.path(folder).exists():
            say(f'{PREFIX}{entry.model}: {reason or "as it was fetched"}')
            code = Exit.SOME_FAILED if reason else code
    return code


def fetch_models(entries: Sequence[ModelFile], folder: Path) -> Exit:
    """Download what is missing, and write down what each file is.

    A file that is there already, put there by hand, is only written down: it is trusted now, and
    verified from then on.

    Raises
    ------
    ReidError
        A file cannot be downloaded, or is not the one that was written down.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for entry in entries:
            _fetch(entry, folder)
    except OSError as error:
        raise CannotWriteError(f'cannot write {folder}: {error.strerror}') from error
    return Exit.OK


def _fetch(entry: ModelFile, folder: Path) -> None:
    name = f'{PREFIX}{entry.model}'
    if entry.package:
        say(f'{name}: comes with {entry.package}')
        return
    reason = why_not(entry, folder)
    if reason is None:
        say(f'{name}: is there, as it was fetched')
        return
    path = entry.path(folder)
    if reason == ALTERED or (entry.needs and entry.needs in reason):
        raise NoInputError(f'{name}: {reason} ({path})')
    software = 'hand'
    if reason == MISSING:
        say(f'{name}: fetching {entry.file}')
        _download(entry, folder)
        software = f'deepface {version("deepface")}'
    noted = record(entry, folder, software)
    say(f'{name}: {noted["size"] / 2**20:.0f} MiB, SHA-256 {noted["sha256"]}, noted in {LOCK}')


def _download(entry: ModelFile, folder: Path) -> None:
    """Let DeepFace download a file, and move it to its place when it is whole.

    Raises
    ------
    ReidError
        It cannot be downloaded.
    """
    with (
        TemporaryDirectory(dir=folder, prefix='.fetch') as home,
        deepface_home(Path(home)) as here,
    ):
        try:
            _call_deepface(entry)
        except OSError:
            raise
        except Exception as error:
            cause = error.__cause__ or error
            raise ReidError(f'{entry.model} cannot be fetched: {cause}') from error
        path = entry.path(folder)
        path.parent.mkdir(exist_ok=True)
        (here / entry.file).replace(path)


def _call_deepface(entry: ModelFile) -> None:
    from deepface.commons import weight_utils
    from deepface.modules import modeling

    if entry.address is None:
        # it says where its file is nowhere else than where it downloads it
        modeling.get_model_class('facial_recognition', entry.model)()
        return
    module, _, constant = entry.address.partition(':')
    weight_utils.download_weights_if_necessary(
        file_name=entry.file, source_url=getattr(import_module(module), constant)
    )


if __name__ == '__main__':
    sys.exit(main())
