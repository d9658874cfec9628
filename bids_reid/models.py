"""``bids-reid-models``: list, download and verify the weights of models.

``fetch`` is the only thing in this program that opens a network connection, and it asks DeepFace
where its files are and lets it download them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from bids_reid.arguments import Parser, absolute, add_version
from bids_reid.cli import guarded
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
    why_not_weights,
)
from bids_reid.messages import say
from bids_reid.suggestions import did_you_mean
from bids_reid.surroundings import has_home, prepare_surroundings
from bids_reid.text_table import aligned

PROGRAM = 'bids-reid-models'
DESCRIPTION = """\
Manage the weights of the deepface-... extractors, all in one folder. bids-reid
itself never downloads weights. "fetch" is the only command of this program that
opens a network connection.
"""
EXAMPLES = {
    'List all models, with size, licence, source and state:': 'bids-reid-models list',
    'Download the weights of two models:': 'bids-reid-models fetch ArcFace Facenet512',
    'Test whether the weights have changed since the download:': 'bids-reid-models verify',
    'Use weights in another folder:': 'bids-reid-models list --models-dir DIR',
}
EXIT_CODES = {
    0: 'Done.',
    1: 'Weights cannot be downloaded, or are missing or altered.',
    64: 'Wrong usage.',
    66: 'A package is missing, or weights were altered.',
    73: 'The folder cannot be written.',
}
HEADER = ('name', 'size', 'licence', 'source', 'state')
NOT_KNOWN = 'n/a'


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``bids-reid-models``; return its exit code."""
    prepare_surroundings(is_program=argv is None)
    options = build_parser().parse_args(sys.argv[1:] if argv is None else argv)
    return guarded(PROGRAM, lambda: _act(options))


def build_parser() -> Parser:
    """Build the parser of ``bids-reid-models``."""
    parser = Parser(PROGRAM, description=DESCRIPTION, examples=EXAMPLES, exit_codes=EXIT_CODES)
    add_version(parser)
    actions = parser.add_subparsers(required=True, metavar='{list,fetch,verify}')
    for name, action, nargs, explained in (
        ('list', list_models, '*', 'List the models, with size, licence, source and state.'),
        ('fetch', fetch_models, '+', 'Download weights, and record their SHA-256.'),
        ('verify', verify_models, '*', 'Compare weights with their recorded SHA-256.'),
    ):
        sub = actions.add_parser(name, help=explained, description=explained)
        sub.add_argument(
            'names',
            nargs=nargs,
            metavar='NAME',
            help=f'Models, such as ArcFace.{" Default: all." if nargs == "*" else ""}',
        )
        sub.add_argument(
            '--models-dir',
            type=absolute,
            metavar='DIR',
            help='Folder of the weights. Default: BIDS_REID_MODELS, or bids_reid/models in '
            'XDG_DATA_HOME or ~/.local/share.',
        )
        if action is not fetch_models:
            sub.add_argument('--json', action='store_true', help='Print JSON instead.')
        sub.set_defaults(action=action)
    return parser


def _act(options: argparse.Namespace) -> Exit:
    """Run the command.

    Raises
    ------
    UsageError
        There is no such model, or no folder to keep one in.
    """
    entries = _entries(options.names)
    folder: Path = options.models_dir or default_folder()
    if options.action is fetch_models:
        if not has_home() and folder.is_relative_to(Path.home()):
            raise UsageError(
                'this account has no home folder for the weights: set HOME or BIDS_REID_MODELS, '
                'or name a folder with --models-dir'
            )
        return fetch_models(entries, folder)
    action: Callable[..., Exit] = options.action
    return action(entries, folder, as_json=options.json)


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
            hint = did_you_mean(name, known)
            raise UsageError(f'unknown model {name!r}{hint} (there are: {", ".join(known)})')
    return [known[name] for name in dict.fromkeys(wanted)]


def list_models(entries: Sequence[ModelFile], folder: Path, *, as_json: bool = False) -> Exit:
    """Print the models as a table: name, size, licence, source and state."""
    if as_json:
        _print_json(entries, folder)
        return Exit.OK
    say(f'Weights in {folder}')
    rows = [
        (
            f'{PREFIX}{entry.model}',
            _megabytes(_size(entry, folder)),
            entry.licence or NOT_KNOWN,
            entry.source,
            _state(entry, folder),
        )
        for entry in entries
    ]
    for line in aligned([HEADER, *rows]):
        say(line)
    reasons = {entry.model: _reason(entry, folder) for entry in entries}
    if MISSING in reasons.values():
        say('To download missing weights: bids-reid-models fetch NAME')
    for model, reason in reasons.items():
        if reason not in {None, MISSING}:
            say(f'{PREFIX}{model}: {reason}')
    say('n/a: the size is known after the download; the source tells the licence.')
    return Exit.OK


def _print_json(entries: Sequence[ModelFile], folder: Path) -> None:
    content = [
        {
            'name': f'{PREFIX}{entry.model}',
            'description': entry.description,
            'dimension': entry.dimension,
            'bytes': _size(entry, folder),
            'licence': entry.licence,
            'source': entry.source,
            'state': _state(entry, folder),
            'reason': _reason(entry, folder),
            'file': str(entry.path(folder)),
        }
        for entry in entries
    ]
    print(json.dumps(content, indent=2))


def _state(entry: ModelFile, folder: Path) -> str:
    """Return the state of the weights: missing, installed, verified or altered.

    ``installed`` weights have no recorded SHA-256, or come with a package.
    """
    reason = why_not_weights(entry, folder)
    if reason is None:
        return 'installed' if entry.package else 'verified'
    return {MISSING: 'missing', ALTERED: 'altered'}.get(reason, 'installed')


def _reason(entry: ModelFile, folder: Path) -> str | None:
    """Say why a model cannot run, or runs only if it is named."""
    return why_not(entry, folder) or entry.by_name_only


def _size(entry: ModelFile, folder: Path) -> int | None:
    """Return the bytes of the weights; ``None`` if the size is not known before the download."""
    path = entry.path(folder)
    return path.stat().st_size if path.is_file() else entry.size


def _megabytes(size: int | None) -> str:
    """Write a size.

    >>> _megabytes(22466066), _megabytes(None)
    ('22.5 MB', 'n/a')
    """
    return NOT_KNOWN if size is None else f'{size / 1e6:.1f} MB'


def verify_models(entries: Sequence[ModelFile], folder: Path, *, as_json: bool = False) -> Exit:
    """Compare each file with its record; return 1 if one is missing or altered.

    Models that were never downloaded do not count as missing.
    """
    recorded = read_lock(folder)
    known = [
        entry
        for entry in entries
        if entry.package or entry.file in recorded or entry.path(folder).exists()
    ]
    reasons = {entry.model: why_not(entry, folder) for entry in known}
    if as_json:
        _print_json(known, folder)
    else:
        for model, reason in reasons.items():
            say(f'{PREFIX}{model}: {reason or "unchanged"}')
    return Exit.SOME_FAILED if any(reasons.values()) else Exit.OK


def fetch_models(entries: Sequence[ModelFile], folder: Path) -> Exit:
    """Download missing weights, and record the SHA-256 of each file.

    A file that somebody has put there is only recorded: it is trusted now, and verified from then
    on.

    Raises
    ------
    ReidError
        A file cannot be downloaded, or differs from its record.
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
        say(f'{name}: its weights come with the package {entry.package}')
        return
    reason = why_not(entry, folder)
    if reason is None:
        say(f'{name}: already here, and unchanged')
        return
    path = entry.path(folder)
    if reason == ALTERED or (entry.needs and entry.needs in reason):
        raise NoInputError(f'{name}: {reason} ({path})')
    software = 'hand'
    if reason == MISSING:
        say(f'{name}: downloading {entry.file}')
        _download(entry, folder)
        software = f'deepface {version("deepface")}'
    noted = record(entry, folder, software)
    say(f'{name}: {_megabytes(noted["size"])}, SHA-256 {noted["sha256"]}, recorded in {LOCK}')


def _download(entry: ModelFile, folder: Path) -> None:
    """Let DeepFace download a file, and move it to its place when it is whole.

    Raises
    ------
    NoInputError
        DeepFace, or a package that it needs, is missing.
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
        except ImportError as error:
            raise NoInputError(
                f'{entry.model} cannot be downloaded without the package {error.name}: install '
                'bids_reid with its extra "deepface"'
            ) from error
        except Exception as error:
            cause = error.__cause__ or error
            raise ReidError(f'{entry.model} cannot be downloaded: {cause}') from error
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
