"""Frozen dataclasses as JSON objects with CamelCase keys, as BIDS spells them, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    NamedTuple,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar('T')
MOST = 2**53
"""No count or measure is larger; to this number JSON tells whole numbers apart everywhere."""

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
        A field is missing, or is not what `as_field` takes.
    """
    if not isinstance(content, Mapping):
        raise TypeError(f'{content!r:.40} is no {kind.__name__}')
    hints = _hints(kind)  # type: ignore[arg-type]
    return kind(**{name: as_field(hint, content[key(name)]) for name, hint in hints.items()})


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def as_field(hint: Any, value: Any) -> Any:
    """Take a value of JSON as one of a type, which may be a dataclass, a tuple or a mapping.

    Raises
    ------
    KeyError, TypeError
        It is none. A number has to be finite, and a whole one not below 0: it counts something.
    """
    if isinstance(hint, UnionType):
        if value is None:
            return None
        (hint,) = (part for part in get_args(hint) if part is not type(None))
    if is_dataclass(hint):
        return from_object(hint, value)  # type: ignore[arg-type]
    origin, parts = get_origin(hint), get_args(hint)
    if not _is_of(hint, origin, parts, value):
        raise TypeError(f'{value!r:.40} is no {hint}')
    if origin is tuple:
        return tuple(as_field(_Place if parts[0] is int else parts[0], one) for one in value)
    return value


class _Place(int):
    """A number within a list, which may be a place in a picture: also below 0."""


def _is_of(hint: Any, origin: Any, parts: tuple[Any, ...], value: Any) -> bool:
    """Whether a value of JSON can be one of a type that is no dataclass."""
    if origin is Literal:
        return value in parts and isinstance(value, str)
    if origin is Mapping:
        return isinstance(value, dict) and all(
            _is_of(kind, None, (), one)
            for pair in value.items()
            for kind, one in zip(parts, pair, strict=True)
        )
    if origin is tuple:
        return isinstance(value, list)
    if hint in (int, float, _Place):
        return _is_number(value, whole=hint is not float) and (hint is not int or value >= 0)
    return isinstance(value, hint)


def _is_number(value: Any, *, whole: bool) -> bool:
    # true and false are numbers to Python, and so are NaN and Infinity to its reader of JSON
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        return False
    return abs(value) <= MOST
