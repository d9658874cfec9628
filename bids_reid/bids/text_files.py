"""Text from people and other programs, read in the same way whatever its encoding."""

from __future__ import annotations

import codecs
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_MARKS = {
    codecs.BOM_UTF8: 'utf-8-sig',
    codecs.BOM_UTF16_LE: 'utf-16',
    codecs.BOM_UTF16_BE: 'utf-16',
}
"""Byte order marks that editors and spreadsheets put at the start of a file."""


def read_text(path: Path) -> str:
    """Read a text file that somebody else wrote.

    Raises
    ------
    OSError
        It cannot be read.
    """
    return decoded(path.read_bytes())


def decoded(content: bytes) -> str:
    """Decode text: by its byte order mark, else as UTF-8, else as Windows' and Latin-1's letters.

    Every content is some text: what is no letter becomes U+FFFD.
    """
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            return content.decode(encoding, errors='replace')
    try:
        return content.decode('utf-8')
    except UnicodeDecodeError:
        return content.decode('cp1252', errors='replace')


def parse_json(text: str) -> Any:
    """Parse JSON.

    Raises
    ------
    ValueError
        It is none, or nested more deeply than can be read.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError('the text is nested too deeply') from None
