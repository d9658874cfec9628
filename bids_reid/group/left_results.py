"""Values of this package in files: JSON that names the dataclass of each object, and no code.

Whatever a file holds, reading it runs nothing: a pickle in its place is no JSON.
"""

from __future__ import annotations

import json
import sys
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGE = 'bids_reid.'
_PLAIN = (str, int, float, bool)
_TUPLE, _LIST, _MAPPING = 'tuple', 'list', 'mapping'


def dumps(value: object) -> str:
    """Write dataclasses and named tuples of this package, tuples, lists, mappings and numbers.

    Raises
    ------
    TypeError
        There is anything else in it.
    """
    return json.dumps(_told(value))


def _told(value: object) -> Any:
    if value is None or type(value) in _PLAIN:
        return value
    if isinstance(value, np.generic):
        return value.item()
    kind = type(value)
    if kind is tuple:
        return [_TUPLE, *map(_told, value)]  # type: ignore[call-overload]
    if kind is list:
        return [_LIST, *map(_told, value)]  # type: ignore[call-overload]
    if kind is dict:
        return [_MAPPING, *([_told(key), _told(one)] for key, one in value.items())]  # type: ignore[attr-defined]
    names = _names(kind)
    if names is None:
        raise TypeError(f'{kind.__qualname__} cannot be left for the main process')
    return [f'{kind.__module__}:{kind.__qualname__}', *(_told(getattr(value, n)) for n in names)]


def loads(text: str) -> Any:
    """Read what `dumps` wrote.

    Raises
    ------
    ValueError
        It did not write that.
    """
    try:
        return _read(json.loads(text))
    except (TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise ValueError(f'{type(error).__name__}: {error}') from error


def _read(content: Any) -> Any:
    if not isinstance(content, list):
        if isinstance(content, dict):
            raise ValueError('it has an object')
        return content
    kind, *rest = content
    if kind == _MAPPING:
        return {_read(key): _read(value) for key, value in rest}
    values = map(_read, rest)
    if kind in (_TUPLE, _LIST):
        return tuple(values) if kind == _TUPLE else list(values)
    made = _class(kind)
    names = _names(made)
    if names is None or len(names) != len(rest):
        raise ValueError(f'{kind} has other fields')
    return made(**dict(zip(names, values, strict=True)))


def _class(name: str) -> Any:
    """Return a class of this package, by its module, which is imported already, and its name."""
    module, _, qualified = name.partition(':')
    if not module.startswith(PACKAGE) or not qualified.isidentifier():
        raise ValueError(f'{name} is no class of {PACKAGE}')
    found = vars(sys.modules[module])[qualified]
    if not isinstance(found, type) or found.__module__ != module:
        raise ValueError(f'{name} is no class')
    return found


def _names(kind: type) -> Mapping[str, Any] | list[str] | None:
    """Names of the fields of a dataclass or named tuple of this package; ``None`` of others."""
    if not kind.__module__.startswith(PACKAGE):
        return None
    if is_dataclass(kind):
        return [field.name for field in fields(kind) if field.init]
    if issubclass(kind, tuple) and hasattr(kind, '_fields'):
        return list(kind._fields)
    return None
