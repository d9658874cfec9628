"""TensorFlow graphs as files hold them (GraphDef), written without TensorFlow."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

FLOAT, INT32 = 1, 3
"""TensorFlow's numbers of types."""


def field(number: int, content: bytes | str) -> bytes:
    """Write a field of bytes, of text or of another message."""
    raw = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def whole(number: int, value: int) -> bytes:
    """Write an integer field; those below zero take ten bytes."""
    return varint(number << 3) + varint(value % 2**64)


def varint(value: int) -> bytes:
    """Write an integer in seven bits a byte, lowest first."""
    raw = bytearray()
    while value > 0x7F:
        raw.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*raw, value])


def shape(sizes: Sequence[int]) -> bytes:
    """Write the shape of a tensor."""
    return b''.join(field(2, whole(1, size)) for size in sizes)


def tensor(values: NDArray[Any]) -> bytes:
    """Write a tensor as bytes; a single number as a value that fills the tensor."""
    kind = FLOAT if values.dtype == np.float32 else INT32
    start = whole(1, kind) + field(2, shape(values.shape))
    if values.size > 1:
        return start + field(4, values.tobytes())
    if kind == FLOAT:
        return start + field(5, struct.pack('<f', values.item()))
    return start + field(7, varint(values.item() % 2**64))


def attribute(value: object) -> bytes:
    """Write the value of an attribute: text, flag, number, integers or tensor."""
    match value:
        case str():
            return field(2, value)
        case bool():
            return whole(5, value)
        case float():
            return varint(4 << 3 | 5) + struct.pack('<f', value)
        case tuple():
            return field(1, field(3, b''.join(map(varint, value))))
        case np.ndarray():
            return field(8, tensor(value))
    raise TypeError(value)


def node(kind: str, name: str, *inputs: str, **attributes: object) -> bytes:
    """Write an operation as a field of a graph; an attribute of bytes is written already."""
    written = {
        key: value if isinstance(value, bytes) else attribute(value)
        for key, value in attributes.items()
    }
    return field(1, _node(kind, name, inputs, written))


def _node(kind: str, name: str, inputs: Sequence[str], written: Mapping[str, bytes]) -> bytes:
    entries = (field(5, field(1, key) + field(2, value)) for key, value in written.items())
    named = field(1, name) + field(2, kind) + b''.join(field(3, one) for one in inputs)
    # as what TensorFlow writes for every operation
    return named + field(4, '') + b''.join(entries)


def constant(name: str, values: NDArray[Any]) -> bytes:
    """Write a constant."""
    kind = whole(6, FLOAT if values.dtype == np.float32 else INT32)
    return node('Const', name, value=values, dtype=kind)


def small_network(seed: int = 0) -> list[bytes]:
    """Write a network with every operation that FaceNet's has, from 19 x 17 pixels to 6 numbers.

    Operations are not in the order in which they run.
    """
    return list(_small_network(np.random.default_rng(seed)))


def _small_network(rng: np.random.Generator) -> Iterator[bytes]:
    def weights(*sizes: int) -> NDArray[np.float32]:
        scale = 1 / np.sqrt(np.prod(sizes[:-1]))
        return rng.normal(0, scale, sizes).astype(np.float32)

    def convolution(
        name: str, source: str, *sizes: int, stride: int = 1, padding: str = 'SAME', relu: bool
    ) -> Iterator[bytes]:
        strides = (1, stride, stride, 1)
        conv, bias = f'{name}/conv', f'{name}/bias' if relu else name
        known = {'strides': strides, 'padding': padding, 'data_format': 'NHWC'}
        yield node('Conv2D', conv, source, f'{name}/weights', dilations=(1, 1, 1, 1), **known)
        if relu:
            yield node('Relu', name, bias)
        yield node('BiasAdd', bias, conv, f'{name}/offset')
        yield constant(f'{name}/weights', weights(*sizes))
        yield constant(f'{name}/offset', weights(sizes[-1]))

    def pool(kind: str, name: str, source: str, size: int, stride: int) -> bytes:
        sizes, strides = (1, size, size, 1), (1, stride, stride, 1)
        return node(kind, name, source, ksize=sizes, strides=strides, padding='VALID')

    yield node('Placeholder', 'input', shape=field(7, shape((1, 19, 17, 3))))
    yield from convolution('a', 'input:0', 3, 3, 3, 4, stride=2, padding='VALID', relu=True)
    yield pool('MaxPool', 'm', 'a', 2, 1)
    # a residual block of two branches
    yield from convolution('b', 'm', 1, 1, 4, 3, relu=True)
    yield from convolution('c', 'm', 1, 3, 4, 2, relu=True)
    yield node('ConcatV2', 'd', 'b', 'c', 'd/axis')
    yield constant('d/axis', np.array(3, np.int32))
    yield from convolution('e', 'd', 1, 1, 5, 4, relu=False)
    yield constant('f/x', np.array(0.17, np.float32))
    yield node('Mul', 'f', 'f/x', 'e')
    yield node('Relu', 'h', 'g')
    yield node('Add', 'g', 'm', 'f')
    # 8 by 7 become 4 by 4: zeros at one end and at both
    yield from convolution('i', 'h', 3, 3, 4, 6, stride=2, relu=True)
    yield pool('AvgPool', 'j', 'i', 4, 1)
    yield constant('k/shape', np.array([1, -1], np.int32))
    yield node('Reshape', 'k', 'j', 'k/shape')
    yield constant('l/weights', weights(6, 6))
    yield node('MatMul', 'l', 'k', 'l/weights', transpose_a=False, transpose_b=False)
    yield constant('n/shape', np.array([-1, 1, 1, 6], np.int32))
    yield node('Reshape', 'n', 'l', 'n/shape')
    for name in ('beta', 'mean'):
        yield constant(f'o/{name}', weights(6))
    yield constant('o/variance', weights(6) ** 2 + np.float32(0.1))
    yield constant('o/gamma', np.ones(6, np.float32))
    parts = (f'o/{name}' for name in ('gamma', 'beta', 'mean', 'variance'))
    known = {'epsilon': 0.001, 'is_training': False, 'data_format': 'NHWC'}
    yield node('FusedBatchNorm', 'o', 'n', *parts, **known)
    yield constant('p/shape', np.array([1, 6], np.int32))
    yield node('Reshape', 'p', 'o', 'p/shape', '^o')
    yield node('Square', 'q', 'p')
    yield constant('r/axis', np.array(1, np.int32))
    yield node('Sum', 'r', 'q', 'r/axis', keep_dims=True)
    yield constant('s/y', np.array(1e-10, np.float32))
    yield node('Maximum', 's', 'r', 's/y')
    yield node('Rsqrt', 't', 's')
    yield node('Mul', 'embeddings', 'p', 't')
    # an empty library of functions, and versions
    yield field(2, b'')
    yield field(4, whole(1, 26))
