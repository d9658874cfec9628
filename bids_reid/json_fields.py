"""Frozen dataclasses as JSON objects with CamelCase keys, as BIDS spells them, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import UnionType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar('T')
_KINDS: dict[Any, type | tuple[type, ...]] = {
    **{kind: kind for kind in (bool, int, str, Mapping)},
    float: (int, float),
    tuple: list,
}
"""The type in JSON of each type."""

DIGITS = 3
"""Floats are written with so many digits after the point, unless their type says otherwise."""


class Digits(NamedTuple):
    """``Annotated[float, Digits(5)]`` is written with five digits; ``None`` means all of them."""

    number: int | None


@cache
def key(name: str) -> str:
    """Name of a field as JSON in BIDS spells it.

    >>> key('landmarks_off_mm'), key('source_sha256')
    ('LandmarksOffMm', 'SourceSHA256')
    """
    return ''.join(part.capitalize() for part in name.split('_')).replace('Sha256', 'SHA256')


def to_object(record: DataclassInstance) -> dict[str, Any]:
    """Write the fields of a dataclass, and of those within, as a JSON object."""
    precision = _precision(type(record))
    return {
        key(each.name): _written(getattr(record, each.name), precision.get(each.name, DIGITS))
        for each in fields(record)
    }


@cache
def _precision(kind: type) -> dict[str, int | None]:
    """Digits of the fields whose types say how many."""
    return {
        name: extra.number
        for name, hint in get_type_hints(kind, include_extras=True).items()
        for extra in getattr(hint, '__metadata__', ())
        if isinstance(extra, Digits)
    }


def _written(value: Any, precision: int | None) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return to_object(value)
    if isinstance(value, tuple):
        return [_written(part, precision) for part in value]
    if isinstance(value, float) and precision is not None:
        return round(value, precision)
    return dict(value) if isinstance(value, Mapping) else value


def from_object(kind: type[T], content: Mapping[str, Any]) -> T:
    """Read a dataclass from a JSON object; other keys are of no interest.

    Raises
    ------
    KeyError, TypeError
        A field is missing, or an object or a list is something else.
    """
    hints = _hints(kind)  # type: ignore[arg-type]
    return kind(**{name: _read(hint, content[key(name)]) for name, hint in hints.items()})


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _read(hint: Any, value: Any) -> Any:
    """Take a value of JSON as one of a type: a dataclass, a tuple of one type, a plain value."""
    if isinstance(hint, UnionType):
        if value is None:
            return None
        (hint,) = (part for part in get_args(hint) if part is not type(None))
    if is_dataclass(hint):
        return from_object(hint, value)  # type: ignore[arg-type]
    kind = _KINDS.get(get_origin(hint) or hint)
    if kind is not None and not isinstance(value, kind):
        raise TypeError(f'{value!r} is no {hint}')
    if get_origin(hint) is tuple:
        return tuple(_read(get_args(hint)[0], part) for part in value)
    return value
