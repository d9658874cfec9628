"""Text that others chose, such as names of files, made harmless where people read it."""

from __future__ import annotations

import re
from pathlib import PurePath

_UNSEEN = re.compile(
    r'[\x00-\x1f\x7f-\x9f'  # controls: they end lines and cells, and move a terminal's cursor
    r'\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069'  # ends of lines; turns of the direction
    r'\ud800-\udfff]'  # bytes of a name that is not UTF-8, and halves of characters
)
_SHORT = {'\t': r'\t', '\n': r'\n', '\r': r'\r'}
_LONG = {text: sign for sign, text in _SHORT.items()} | {'\\\\': '\\'}
_QUOTED = re.compile(r"""(['"`])(?:file:(?://)?)?/[^'"`\n]*/([^'"`/\n]*)\1""")
_BARE = re.compile(r"""(?<![\w.:/~*-])(?:file:(?://)?)?/(?!/)(?:[^\s'"`<>|:;,()/]+/)+(?=[^\s/])""")
"""Folders of absolute paths, in quotation marks and without."""
_ESCAPE = re.compile(r'\\(?:[\\tnr]|x[0-9a-f]{2}|u[0-9a-f]{4})')


def printable(text: str, keep: str = '') -> str:
    r"""Show control characters as backslash escapes, but for those to ``keep``.

    What is printable stays as it is, a backslash too: text may pass more than once.

    >>> print(printable('a\nb\x1b[2J'))
    a\nb\x1b[2J
    """
    return _UNSEEN.sub(lambda found: found[0] if found[0] in keep else _escape(found[0]), text)


def escaped(text: str) -> str:
    r"""Show control characters as `printable` does, so that `unescaped` can undo it.

    Therefore a backslash is doubled: no two texts become the same.

    >>> print(escaped('a\nb'), escaped(r'a\nb'))
    a\nb a\\nb
    """
    return printable(text.replace('\\', '\\\\'))


def unescaped(text: str) -> str:
    r"""Undo `escaped`.

    >>> unescaped(r'a\nb') == 'a\nb'
    True
    """
    return _ESCAPE.sub(lambda found: _sign(found[0]), text) if '\\' in text else text


def in_json(text: str) -> str:
    r"""Escape in the text of a JSON object what a terminal may obey, but for ends of lines.

    >>> print(in_json('{"name": "\x9b2J"}'))
    {"name": "\u009b2J"}
    """
    return _UNSEEN.sub(
        lambda found: found[0] if found[0] == '\n' else f'\\u{ord(found[0]):04x}', text
    )


def without_folders(text: str, *folders: PurePath) -> str:
    """Take absolute paths out of a message, such as a library's; names of files stay.

    Where people keep their data is nobody else's business, and names of folders tell who they are.

    Parameters
    ----------
    folders : PurePath
        Of files that the message may be about: their names may hold blanks.

    >>> without_folders("cannot read '/home/jane doe/ds/sub-01/x.nii': cut", PurePath('/data'))
    "cannot read 'x.nii': cut"
    >>> without_folders('Error reading /home/jane/x.nii, 3/4 of sub-01/y.nii')
    'Error reading x.nii, 3/4 of sub-01/y.nii'
    """
    for folder in sorted(map(str, folders), key=len, reverse=True):
        if len(folder) > 1:
            text = text.replace(f'{folder}/', '').replace(folder, PurePath(folder).name)
    return _BARE.sub('', _QUOTED.sub(r'\1\2\1', text))


def _escape(sign: str) -> str:
    number = ord(sign)
    # a byte of a name that is not UTF-8 is a lone surrogate of 0xdc00 and itself to Python
    return _SHORT.get(sign) or (f'\\x{number:02x}' if number < 256 else f'\\u{number:04x}')


def _sign(escape: str) -> str:
    return _LONG.get(escape) or chr(int(escape[2:], 16))
