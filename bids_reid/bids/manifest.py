"""The manifest of a release: one hash of all paths and contents, which ties tables to a folder."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from bids_reid.bids.tables import written

if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEMA_VERSION = 1
"""Version of ``group_summary.json`` and of the tables that belong to it."""
UNKNOWN = '-'
"""Stands for the hash of an image whose content and key are both unknown."""


def manifest_sha256(images: Iterable[tuple[str, str | None, str | None]]) -> str:
    r"""Hash what lies where.

    A line ``<content>  <path>\n`` for each image, sorted by path, in UTF-8; content is the
    SHA-256, else the key of git-annex, else ``-``. Paths are taken as the table has them: whoever
    reads the table with a shell gets the same number.

    Parameters
    ----------
    images : iterable of (path, sha256, annex_key)
        Of each image of the release, in any order; ``None`` is not known.

    Returns
    -------
    str
        SHA-256, hexadecimal.
    """
    lines = sorted((written(path), sha256 or key or UNKNOWN) for path, sha256, key in images)
    text = ''.join(f'{content}  {path}\n' for path, content in lines)
    return hashlib.sha256(text.encode()).hexdigest()
