"""Read a frozen TensorFlow graph (GraphDef) from the bytes of its file, without TensorFlow.

The file is protocol buffers' wire format: fields, each a key (its number times eight, plus how it
is written) and a value. What fields mean is in TensorFlow's ``graph.proto``, ``node_def.proto``,
``attr_value.proto``, ``tensor.proto`` and ``tensor_shape.proto``; what is read is what a network
that was frozen for inference has.
"""

from __future__ import annotations

import struct
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bids_reid.faces.networks.onnx_graph import WeightsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    Field = tuple[int, int | memoryview]

_DTYPES = {1: '<f4', 3: '<i4'}
"""TensorFlow's numbers of the types of tensors: float32 and int32."""
_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5


class Node(NamedTuple):
    """One operation: its name, its kind, the names of its inputs, and its attributes by name.

    Inputs that only order operations are left out. An attribute is text, a number, a flag, a list
    of integers, the shape of a tensor (sizes; -1 is any) or a tensor.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, Any]


def read_graph(content: bytes) -> tuple[Node, ...]:
    """Read the operations of a GraphDef, each after those whose results it takes.

    Raises
    ------
    WeightsError
        The file is damaged, or has what frozen networks do not have.
    """
    nodes = []
    try:
        for number, value in _fields(memoryview(content)):
            match number:
                case 1:
                    nodes.append(_node(_message(value)))
                case 2 if len(_message(value)):
                    raise ValueError('functions of its own')
                case 2 | 3 | 4:  # an empty library of functions; versions
                    pass
                case _:
                    raise ValueError(f'field {number} of a graph')
        if not nodes:
            raise ValueError('no operations')
        return tuple(_in_order(nodes))
    except (IndexError, KeyError, UnicodeDecodeError, ValueError, struct.error) as error:
        raise WeightsError(f'not a TensorFlow graph: {error}') from error


def _in_order(nodes: Sequence[Node]) -> list[Node]:
    """Put operations after their inputs: a file may have them in any order."""
    by_name = {node.name: node for node in nodes}
    if len(by_name) < len(nodes):
        raise ValueError('two operations of one name')
    order = TopologicalSorter({node.name: node.inputs for node in nodes}).static_order()
    return [by_name[name] for name in order]


def _fields(message: memoryview) -> Iterator[Field]:
    """Number and value of each field: an integer, or the bytes of whatever else it is."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        kind = key & 7
        if kind == _VARINT:
            value, place = _varint(message, place)
            yield key >> 3, value
            continue
        if kind == _LENGTH:
            length, place = _varint(message, place)
        elif kind in {_EIGHT_BYTES, _FOUR_BYTES}:
            length = 8 if kind == _EIGHT_BYTES else 4
        else:
            raise ValueError(f'a field written as {kind}')
        if place + length > len(message):
            raise ValueError('the file ends early')
        yield key >> 3, message[place : place + length]
        place += length


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """Seven bits a byte, lowest first; the eighth says that more follow. Also the place after."""
    value = 0
    for shift in range(0, 70, 7):
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError('not an integer')


def _node(message: memoryview) -> Node:
    name = kind = ''
    inputs: list[str] = []
    attributes: dict[str, Any] = {}
    for number, value in _fields(message):
        match number:
            case 1:
                name = _text(value)
            case 2:
                kind = _text(value)
            case 3:
                inputs.append(_text(value))
            case 4:  # the device that it should run on
                pass
            case 5:
                entry = dict(_fields(_message(value)))
                attributes[_text(entry[1])] = _attribute(_message(entry[2]))
            case _:
                raise ValueError(f'field {number} of operation {name!r}')
    return Node(name, kind, tuple(map(_output, _ordinary(inputs))), attributes)


def _ordinary(inputs: list[str]) -> Iterator[str]:
    """Leave out what must only run before: ``^name``."""
    return (name for name in inputs if not name.startswith('^'))


def _output(name: str) -> str:
    """Name of the operation whose first output an input is: ``name`` or ``name:0``."""
    operation, _, output = name.partition(':')
    if output not in {'', '0'}:
        raise ValueError(f'the second output of {operation!r}')
    return operation


def _attribute(message: memoryview) -> Any:
    fields = list(_fields(message))
    if len(fields) != 1:
        raise ValueError(f'an attribute of {len(fields)} values')
    ((number, value),) = fields
    if number not in _ATTRIBUTES:
        raise ValueError(f'an attribute of kind {number}')
    return _ATTRIBUTES[number](value)


def _list(value: int | memoryview) -> tuple[int, ...]:
    """Integers, packed or one by one."""
    integers: list[int] = []
    for number, part in _fields(_message(value)):
        if number != 3:
            raise ValueError(f'a list of kind {number}')
        integers += [part] if isinstance(part, int) else _packed(part)
    return tuple(map(_signed, integers))


def _shape(value: int | memoryview) -> tuple[int, ...]:
    sizes = []
    for number, dimension in _fields(_message(value)):
        if number != 2:
            raise ValueError('a tensor of unknown shape')
        sizes.append(_signed(_integer(dict(_fields(_message(dimension))).get(1, 0))))
    return tuple(sizes)


def _tensor(value: int | memoryview) -> NDArray[Any]:
    """Values that the file gives as bytes, or one by one: the last of these fills what is left."""
    dtype, content = 0, memoryview(b'')
    shape: tuple[int, ...] = ()
    values: list[float] = []
    for number, part in _fields(_message(value)):
        match number:
            case 1:
                dtype = _integer(part)
            case 2:
                shape = _shape(part)
            case 3:  # a version
                pass
            case 4:
                content = _message(part)
            case 5:
                floats = _message(part)
                values += struct.unpack(f'<{len(floats) // 4}f', floats)
            case 7:
                values += [part] if isinstance(part, int) else _packed(part)
            case _:
                raise ValueError(f'field {number} of a tensor')
    if dtype not in _DTYPES:
        raise ValueError(f'a tensor of type {dtype}')
    if len(content):
        return np.frombuffer(content, _DTYPES[dtype]).reshape(shape)
    numbers = [_signed(one) if isinstance(one, int) else one for one in values] or [0]
    size = int(np.prod(shape, dtype=int))
    filled = numbers + numbers[-1:] * (size - len(numbers))
    return np.array(filled, _DTYPES[dtype]).reshape(shape)


def _packed(part: memoryview) -> list[int]:
    integers, place = [], 0
    while place < len(part):
        value, place = _varint(part, place)
        integers.append(value)
    return integers


def _signed(value: int) -> int:
    """Integers below zero are written as what they are modulo 2**64."""
    return value - 2**64 if value >= 2**63 else value


def _integer(value: int | memoryview) -> int:
    if not isinstance(value, int):
        raise ValueError('bytes, not an integer')
    return value


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError('an integer, not bytes')
    return value


def _text(value: int | memoryview) -> str:
    return bytes(_message(value)).decode('utf-8')


def _float(value: int | memoryview) -> float:
    (number,) = struct.unpack('<f', _message(value))
    return number


_ATTRIBUTES: dict[int, Callable[[int | memoryview], Any]] = {
    1: _list,
    2: _text,
    3: lambda value: _signed(_integer(value)),
    4: _float,
    5: lambda value: bool(_integer(value)),
    6: _integer,
    7: _shape,
    8: _tensor,
}
