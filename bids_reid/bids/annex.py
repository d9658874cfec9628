"""Keys of git-annex and pointers of Git LFS: what they say about content that is not here."""

from __future__ import annotations

import re
from dataclasses import dataclass

_KEY = re.compile(r'(?P<backend>[A-Z][A-Z0-9_]*)(?P<fields>(-[a-zA-Z][^-]*)*)--(?P<name>.+)', re.S)
_OBJECTS = re.compile(r'(^|/)annex/objects/(.*/)?(?P<key>[^/]+)$', re.S)


@dataclass(frozen=True, slots=True)
class AnnexKey:
    """A key, taken apart.

    Attributes
    ----------
    backend : str
        Such as ``SHA256E``.
    size : int or None
        Of the content in bytes.
    checksum : str
        What the backend made of the content, without a suffix.
    suffix : str
        ``.nii.gz``, of backends that end on ``E``; else nothing.
    """

    backend: str
    size: int | None
    checksum: str
    suffix: str

    @property
    def sha256(self) -> str | None:
        """Hash of the content, if the key is made of that."""
        whole = self.backend in ('SHA256', 'SHA256E')
        return self.checksum if whole and re.fullmatch('[0-9a-f]{64}', self.checksum) else None


def parse_key(key: str) -> AnnexKey | None:
    """Take a key apart; ``None`` if it is none."""
    match = _KEY.fullmatch(key)
    if match is None:
        return None
    size = re.search(r'-s(\d+)', match['fields'])
    checksum, dot, suffix = match['name'].partition('.')
    if not match['backend'].endswith('E'):
        checksum, dot, suffix = match['name'], '', ''
    return AnnexKey(match['backend'], int(size[1]) if size else None, checksum, dot + suffix)


def key_of_link(target: str) -> str | None:
    """Return the key of git-annex that a link leads to, whether or not it is there."""
    match = _OBJECTS.search(target)
    return match['key'] if match and parse_key(match['key']) else None


def absence(key: AnnexKey, store: str) -> str:
    """Say in words that the content of a key is not here."""
    return (
        f'the content is not on this machine ({store}: {key.backend} {key.checksum}): get it first'
    )
