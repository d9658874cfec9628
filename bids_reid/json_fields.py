"""Frozen dataclasses as JSON objects with CamelCase keys, as BIDS spells them, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache, partial
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
_Reader = Callable[[Any], Any]
_Test = Callable[[Any], bool]
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
    readers = _readers(kind)  # type: ignore[arg-type]
    return kind(**{name: read(content[there]) for name, there, read in readers})


@cache
def _readers(kind: type) -> tuple[tuple[str, str, _Reader], ...]:
    """Name of each field of a dataclass, its key, and what reads it."""
    return tuple((name, key(name), _reader(hint)) for name, hint in get_type_hints(kind).items())


def as_field(hint: Any, value: Any) -> Any:
    """Take a value of JSON as one of a type, which may be a dataclass, a tuple or a mapping.

    Raises
    ------
    KeyError, TypeError
        It is none. A number has to be finite, and a whole one not below 0: it counts something.
    """
    return _reader(hint)(value)


@cache
def _reader(hint: Any) -> _Reader:
    """Return what takes a value of JSON as one of a type: what that is, is found out once."""
    if isinstance(hint, UnionType):
        (part,) = (part for part in get_args(hint) if part is not type(None))
        read = _reader(part)
        return lambda value: None if value is None else read(value)
    if is_dataclass(hint):
        return partial(from_object, hint)  # type: ignore[arg-type]
    parts = get_args(hint)
    if get_origin(hint) is tuple:
        inside = _reader(_Place if parts[0] is int else parts[0])
        return lambda value: tuple(map(inside, _checked(value, _is_list, hint)))
    return partial(_checked, is_of=_test(hint, get_origin(hint), parts), hint=hint)


def _checked(value: T, is_of: _Test, hint: Any) -> T:
    if not is_of(value):
        raise TypeError(f'{value!r:.40} is no {hint}')
    return value


class _Place(int):
    """A number within a list, which may be a place in a picture: also below 0."""


def _test(hint: Any, origin: Any, parts: tuple[Any, ...]) -> _Test:
    """Return what tells whether a value of JSON can be one of a type that is no dataclass."""
    if origin is Literal:
        return lambda value: value in parts and isinstance(value, str)
    if origin is Mapping:
        names, values = (_test(part, None, ()) for part in parts)
        return lambda value: (
            isinstance(value, dict) and all(map(names, value)) and all(map(values, value.values()))
        )
    if hint is int:
        return lambda value: _is_number(value, whole=True) and value >= 0
    if hint in (float, _Place):
        return partial(_is_number, whole=hint is _Place)
    return lambda value: isinstance(value, hint)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_number(value: Any, *, whole: bool) -> bool:
    # true and false are numbers to Python, and so are NaN and Infinity to its reader of JSON
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        return False
    return abs(value) <= MOST
