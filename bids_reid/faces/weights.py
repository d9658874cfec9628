"""The weights of DeepFace's models: which are needed, where they are, and whether they match.

The folder of models holds the files and ``models.lock.json``, which says what each of them was
when it was fetched. Nothing here opens a network connection.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bids_reid.errors import NoInputError

FOLDER_VARIABLE = 'BIDS_REID_MODELS'
"""Environment variable that names the folder of models, for workers too."""
LOCK = 'models.lock.json'
MISSING = 'the weights are missing: download them with bids-reid-models fetch'
UNRECORDED = 'its weights have no recorded SHA-256: record it with bids-reid-models fetch'
ALTERED = 'its weights differ from their recorded SHA-256: delete them and download them again'


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One model of DeepFace and the file of its weights.

    Attributes
    ----------
    model
        As DeepFace calls it.
    file
        Below the folder of models, and below DeepFace's own folder of weights.
    description
        What it is and who made it.
    source
        The project that the weights come from, as DeepFace names it.
    dimension
        How many numbers it makes of a face.
    input
        Width and height of what it takes, in pixels.
    size
        Bytes, if known.
    licence
        Licence of that project, if it was found.
    address
        Module and constant in DeepFace that say where the file is; ``None`` if none does.
    package
        The package that brings the file, if one does.
    needs
        A package that must be there, beside those that are asked for.
    by_name_only
        Why it runs only if it is named; ``None`` if it runs by default.
    """

    model: str
    file: str
    description: str
    dimension: int
    input: tuple[int, int]
    source: str
    size: int | None = None
    licence: str | None = None
    address: str | None = None
    package: str | None = None
    needs: str | None = None
    by_name_only: str | None = None

    def path(self, folder: Path) -> Path:
        """Where the weights are, or belong."""
        return (models_folder() if self.package else folder) / self.file


def models_folder() -> Path:
    """Folder of the weights in face_recognition_models.

    The package is not imported, which would take longer than all else here.
    """
    package = find_spec('face_recognition_models')
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError('face_recognition_models is not installed')
    return Path(package.submodule_search_locations[0]) / 'models'


@cache
def manifest() -> dict[str, ModelFile]:
    """Read what ``data/models.json`` says of each model of DeepFace."""
    content = json.loads(files('bids_reid').joinpath('data', 'models.json').read_text('utf-8'))
    return {
        model: ModelFile(model, **{**entry, 'input': tuple(entry['input'])})
        for model, entry in content.items()
    }


def default_folder() -> Path:
    """Folder of models: ``BIDS_REID_MODELS``, or ``bids_reid/models`` in the user's data folder.

    The user's data folder is ``XDG_DATA_HOME`` or ``~/.local/share`` (XDG Base Directory
    Specification).

    Raises
    ------
    NoInputError
        It is in a home folder, and none is known.
    """
    given = os.environ.get(FOLDER_VARIABLE)
    data = os.environ.get('XDG_DATA_HOME', '')
    try:
        if given:
            return Path(given).expanduser().absolute()
        base = Path(data) if Path(data).is_absolute() else Path.home() / '.local' / 'share'
    except RuntimeError:
        raise NoInputError(
            f'the home folder is unknown: set HOME, or set {FOLDER_VARIABLE} to an absolute path'
        ) from None
    return base / 'bids_reid' / 'models'


def read_lock(folder: Path) -> dict[str, dict[str, Any]]:
    """Read what was recorded of each file: ``sha256`` and ``size``; nothing if there is none.

    A lock that cannot be read vouches for nothing.
    """
    try:
        content = json.loads((folder / LOCK).read_text('utf-8'))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {file: entry for file, entry in content.items() if isinstance(entry, dict)}


def why_not(entry: ModelFile, folder: Path) -> str | None:
    """Say why a model cannot run, in one line without a path; ``None`` if it can.

    A file is hashed once per process for each size and time of change that it has.
    """
    if entry.needs and find_spec(entry.needs) is None:
        return f'it needs the package {entry.needs}, which is not installed'
    return why_not_weights(entry, folder)


def why_not_weights(entry: ModelFile, folder: Path) -> str | None:
    """Say what is wrong with the weights of a model, as `why_not` does."""
    path = entry.path(folder)
    if not path.is_file():
        return MISSING
    if entry.package:
        return None
    recorded = read_lock(folder).get(entry.file, {}).get('sha256')
    if recorded is None:
        return UNRECORDED
    return None if file_sha256(path) == recorded else ALTERED


def record(entry: ModelFile, folder: Path, software: str) -> dict[str, Any]:
    """Write down what the weights of a model are, and by what software they were fetched.

    The lock file is replaced as a whole, so that no other process reads half of it.
    """
    path = entry.path(folder)
    noted = {'sha256': file_sha256(path), 'size': path.stat().st_size, 'fetched_by': software}
    content = {**read_lock(folder), entry.file: noted}
    new = folder / f'.{LOCK}.{os.getpid()}'
    new.write_text(json.dumps(content, indent=2, sort_keys=True) + '\n', 'utf-8')
    new.replace(folder / LOCK)
    return noted


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file; known ones are hashed again if size or time changed."""
    status = path.stat()
    return _sha256(path, status.st_size, status.st_mtime_ns)


@cache
def _sha256(path: Path, _size: int, _time: int) -> str:
    with path.open('rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()
