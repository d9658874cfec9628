"""Merging by key: each result stands for a key, and is there once."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from bids_reid.errors import ReidError

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

K = TypeVar('K', bound='Hashable')
V = TypeVar('V')


class MergeError(ReidError):
    """A result is missing, comes twice, or belongs to nothing that was asked for."""


def merged(pairs: Iterable[tuple[K, V]], keys: Iterable[K], noun: str) -> dict[K, V]:
    """Put results in the order of the keys that must have one.

    Parameters
    ----------
    pairs
        Keys and results, in any order.
    keys
        All keys.
    noun
        What a key stands for, for the message.

    Raises
    ------
    MergeError
        A key has no result or two, or a result has none of the keys.
    """
    results: dict[K, V] = {}
    for key, value in pairs:
        if key in results:
            raise MergeError(f'two results for {noun} {key}')
        results[key] = value
    ordered = {}
    for key in keys:
        if key not in results:
            raise MergeError(f'no result for {noun} {key}')
        ordered[key] = results.pop(key)
    if results:
        raise MergeError(f'a result for {noun} {next(iter(results))}, which was not asked for')
    return ordered
