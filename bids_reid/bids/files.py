"""How files are written and read: whole or not at all, for their owner, hashed, as JSON."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_reid.bids.text_files import parse_json, read_text
from bids_reid.errors import CannotWriteError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PRIVATE_UMASK = 0o077
"""Files about faces are readable by their owner only."""


@contextmanager
def atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary path that becomes ``path`` when the block ends well.

    Raises
    ------
    CannotWriteError
        The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix='.', suffix=path.name)
        os.close(handle)
    except OSError as error:
        raise CannotWriteError(f'cannot write {path}: {error.strerror}') from error
    temporary = Path(name)
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise CannotWriteError(f'cannot write {path}: {error.strerror}') from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text."""
    with atomically(path) as temporary:
        # names of files need not be UTF-8
        temporary.write_text(text, encoding='utf-8', errors='backslashreplace', newline='\n')


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write an indented JSON object."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + '\n')


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; an empty one if there is none or it is damaged."""
    try:
        content = parse_json(read_text(path))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def copy_file(source: Path, target: Path) -> None:
    """Copy a file's content."""
    with atomically(target) as temporary:
        shutil.copyfile(source, temporary)


def file_sha256(path: Path) -> str:
    """Hash of a file's content, hexadecimal."""
    with path.open('rb') as content:
        return hashlib.file_digest(content, 'sha256').hexdigest()


def packaged_text(name: str) -> str:
    """Text of a file of the package's data folder."""
    return (resources.files('bids_reid') / 'data' / name).read_text('utf-8')
