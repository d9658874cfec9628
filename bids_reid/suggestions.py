"""The name that a person probably meant by a word that is unknown."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

CUTOFF = 0.6
"""Words less alike than this are two names, not one with a slip."""


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like a word, or ``None`` if none is like it.

    >>> closest('t1w', ['T1w', 'FLAIR']), closest('pet', ['T1w', 'FLAIR'])
    ('T1w', None)
    """
    by_case = {name.casefold(): name for name in known}
    found = get_close_matches(word.casefold(), by_case, n=1, cutoff=CUTOFF)
    return by_case[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the end of an error message: a question, or nothing if no known name is like it.

    >>> did_you_mean('refacd', ['raw', 'refaced'])
    ': did you mean refaced?'
    """
    found = closest(word, known)
    return '' if found is None else f': did you mean {found}?'
