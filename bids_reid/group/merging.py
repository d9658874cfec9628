"""Results of steps that run separately: stored in files and merged by key, each exactly once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from bids_reid.bids.template_files import read_arrays
from bids_reid.errors import ReidError
from bids_reid.group.left_results import dumps, loads

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray

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
    target.write_text(dumps(value), encoding='utf-8')


def read_result(file: Path) -> Any:
    """Read a value that `write_result` left.

    Raises
    ------
    MergeError
        It is damaged, or is of something else.
    """
    try:
        return loads(file.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise damaged(file) from error


def left_arrays(file: Path, *names: str) -> dict[str, NDArray[Any]]:
    """Read arrays that a step left in the work folder: those named, else all.

    Raises
    ------
    MergeError
        They are damaged.
    """
    try:
        return read_arrays(file, names, largest=None)
    except (OSError, ValueError) as error:
        raise damaged(file) from error


def damaged(file: Path) -> MergeError:
    """Return the error for a file of a step that changed after the step wrote it."""
    return MergeError(
        f'{file} was changed during the run: run again when no other program writes there'
    )
