"""The results of steps that run apart: left in files, and merged by key, each there once."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, TypeVar

from bids_reid.errors import ReidError

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable
    from pathlib import Path

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


def write_result(target: Path, value: object) -> None:
    """Leave a value of ours in the work folder, for the main process."""
    target.write_bytes(pickle.dumps(value))


def read_result(file: Path) -> Any:
    """Read a value that `write_result` left: a file of this run, in a private folder."""
    return pickle.loads(file.read_bytes())  # noqa: S301
