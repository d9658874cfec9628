"""Build an ONNX model of a TensorFlow network that makes vectors of images, for grey images.

Grey images let the first convolution take one channel instead of three. What only multiplies and
adds, channel by channel (biases, batch normalisation, the scale of a residual), disappears in the
convolution or dense layer before it. All else is as in the file, operation by operation.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bids_reid.faces.networks.onnx_graph import OnnxGraph, WeightsError, count_windows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from bids_reid.faces.networks.tensorflow_graph import Node

Shape = tuple[int, ...]
"""Of one image: channels, rows, columns; of one vector: its length."""


def grey_model(nodes: Sequence[Node]) -> bytes:
    """Build an ONNX model for images whose three channels are the same.

    Its input ``faces`` is (n, 1, rows, columns) float32, its output (n, d) float32: that of the
    one operation whose result no other takes.

    Raises
    ------
    WeightsError
        There is an operation that is not known, or one used in a way that is not.
    """
    builder = _Builder()
    for node in nodes:
        try:
            builder.append(node)
        except (LookupError, TypeError, ValueError) as error:
            raise WeightsError(f'operation {node.name!r} ({node.kind}): {error}') from error
    taken = {name for node in nodes for name in node.inputs}
    results = [node.name for node in nodes if node.name not in taken]
    if len(results) != 1:
        raise WeightsError(f'a graph of {len(results)} results')
    return builder.model(results[0])


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A tensor of the graph: its name, and the shape of what it has of each image."""

    name: str
    shape: Shape


@dataclass(slots=True)
class _Linear:
    """A convolution or dense layer that is not yet in the graph: more may be folded into it.

    Attributes
    ----------
    weights
        (outputs, inputs, rows, columns) of a convolution, (outputs, inputs) of a dense layer.
    scale, shift
        (outputs,) What its result is multiplied by, and what is then added.
    name
        Of the tensor that it has become, if it has.
    """

    kind: Literal['Conv', 'Gemm']
    source: _Tensor
    shape: Shape
    weights: NDArray[np.float32]
    scale: NDArray[np.float64]
    shift: NDArray[np.float64]
    attributes: dict[str, Any]
    name: str = field(default='', compare=False)

    def scaled(self) -> NDArray[np.float32]:
        """Weights with the scale in them."""
        if np.all(self.scale == 1):
            return self.weights
        wide = self.scale.reshape(-1, *[1] * (self.weights.ndim - 1))
        scaled = np.empty(self.weights.shape, np.float32)
        return np.multiply(self.weights, wide, out=scaled, casting='same_kind')

    def times(self, factor: NDArray[Any]) -> _Linear:
        """Multiply the result, as a whole or channel by channel."""
        wide = factor.astype(np.float64)
        return replace(self, scale=self.scale * wide, shift=self.shift * wide, name='')

    def plus(self, summand: NDArray[Any]) -> _Linear:
        """Add to the result, channel by channel."""
        return replace(self, shift=self.shift + summand.astype(np.float64), name='')


_Value = _Tensor | _Linear


class _Builder:
    """What the operations so far have made, by name: constants apart from all else."""

    def __init__(self) -> None:
        self._graph = OnnxGraph()
        self._constants: dict[str, NDArray[Any]] = {}
        self._values: dict[str, _Value] = {}
        self._input: _Tensor | None = None

    def append(self, node: Node) -> None:
        """Append an operation whose inputs are there."""
        if node.attributes.get('data_format', 'NHWC') != 'NHWC':
            raise ValueError('channels before rows')
        if node.kind == 'Const':
            self._constants[node.name] = node.attributes['value']
        elif node.kind in _KINDS:
            self._values[node.name] = _KINDS[node.kind](self, node)
        else:
            raise ValueError('an operation that is not known')

    def model(self, output: str) -> bytes:
        """Serialise what makes a vector of each image."""
        if self._input is None or output not in self._values:
            raise WeightsError('a graph without images or without a result')
        features = self._tensor(output)
        if len(features.shape) != 1:
            raise WeightsError('a graph whose result is no vector')
        shape: list[int | str] = ['n', *self._input.shape]
        return self._graph.model('tensorflow', (self._input.name, 'FLOAT', shape), features.name)

    def _tensor(self, name: str) -> _Tensor:
        """Return a value as it is in the graph; append what was not there yet."""
        value = self._values[name]
        if isinstance(value, _Tensor):
            return value
        if not value.name:
            value.name = self._graph.node(
                value.kind,
                value.source.name,
                self._graph.constant(value.scaled()),
                self._graph.constant(value.shift.astype(np.float32)),
                **value.attributes,
            )
        return _Tensor(value.name, value.shape)

    def _linear(self, name: str) -> _Linear:
        value = self._values[name]
        if not isinstance(value, _Linear):
            raise ValueError('it follows neither a convolution nor a dense layer')
        return value

    def _each(self, kind: str, node: Node, *more: str) -> _Tensor:
        """Do the same with every number."""
        value = self._tensor(node.inputs[0])
        return _Tensor(self._graph.node(kind, value.name, *more), value.shape)

    def _placeholder(self, node: Node) -> _Tensor:
        _, rows, columns, channels = node.attributes['shape']
        if self._input or channels != 3 or min(rows, columns) < 1:
            raise ValueError('an input other than colour images of one size')
        self._input = _Tensor('faces', (1, rows, columns))
        return self._input

    def _convolution(self, node: Node) -> _Linear:
        source, filters = self._tensor(node.inputs[0]), self._constants[node.inputs[1]]
        if set(node.attributes.get('dilations', ())) - {1}:
            raise ValueError('a convolution with gaps')
        weights = filters.transpose(3, 2, 0, 1)
        if source is self._input:
            # the three channels are the same: their filters can be added first
            weights = weights.sum(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
        outputs, inputs, *window = weights.shape
        if inputs != source.shape[0]:
            raise ValueError(f'{source.shape[0]} channels, not {inputs}')
        shape, attributes = _windows(node, source.shape, window)
        scale, shift = np.ones(outputs), np.zeros(outputs)
        return _Linear('Conv', source, (outputs, *shape), weights, scale, shift, attributes)

    def _dense(self, node: Node) -> _Linear:
        source, weights = self._tensor(node.inputs[0]), self._constants[node.inputs[1]].T
        if node.attributes.get('transpose_a') or node.attributes.get('transpose_b'):
            raise ValueError('a product of transposed matrices')
        outputs, inputs = weights.shape
        if source.shape != (inputs,):
            raise ValueError(f'not vectors of {inputs} numbers')
        scale, shift = np.ones(outputs), np.zeros(outputs)
        return _Linear('Gemm', source, (outputs,), weights, scale, shift, {'transB': 1})

    def _biased(self, node: Node) -> _Linear:
        return self._linear(node.inputs[0]).plus(self._constants[node.inputs[1]])

    def _normalised(self, node: Node) -> _Linear:
        if node.attributes.get('is_training', True):
            raise ValueError('a network that is still trained')
        factor, offset, mean, variance = (
            self._constants[name].astype(np.float64) for name in node.inputs[1:]
        )
        scale = factor / np.sqrt(variance + node.attributes['epsilon'])
        return self._linear(node.inputs[0]).times(scale).plus(offset - mean * scale)

    def _product(self, node: Node) -> _Value:
        for factor, value in (node.inputs, node.inputs[::-1]):
            if factor in self._constants:
                return self._linear(value).times(self._constants[factor])
        one, other = map(self._tensor, node.inputs)
        if (1,) not in {one.shape, other.shape} and one.shape != other.shape:
            raise ValueError('a product of different shapes')
        shape = max(one.shape, other.shape)
        return _Tensor(self._graph.node('Mul', one.name, other.name), shape)

    def _sum(self, node: Node) -> _Tensor:
        one, other = map(self._tensor, node.inputs)
        if one.shape != other.shape:
            raise ValueError('a sum of different shapes')
        return _Tensor(self._graph.node('Add', one.name, other.name), one.shape)

    def _reshaped(self, node: Node) -> _Value:
        """Vectors written as images of one pixel, and back, are vectors here all along.

        The number of images that the file asks for, which may be 1, is not looked at.
        """
        value, sizes = self._values[node.inputs[0]], self._constants[node.inputs[1]][1:]
        length = value.shape[0]
        if value.shape not in {(length,), (length, 1, 1)} or set(sizes.tolist()) - {1, -1, length}:
            raise ValueError('other than vectors')
        if value.shape == (length,):
            return value
        return _Tensor(self._graph.node('Flatten', self._tensor(node.inputs[0]).name), (length,))

    def _pooled(self, node: Node) -> _Tensor:
        value = self._tensor(node.inputs[0])
        images, *window, channels = node.attributes['ksize']
        if (images, channels, node.attributes['padding']) != (1, 1, 'VALID'):
            raise ValueError('a pool over images, channels or the border')
        shape, attributes = _windows(node, value.shape, window)
        kind = 'MaxPool' if node.kind == 'MaxPool' else 'AveragePool'
        name = self._graph.node(kind, value.name, kernel_shape=window, **attributes)
        return _Tensor(name, (value.shape[0], *shape))

    def _joined(self, node: Node) -> _Tensor:
        *names, axis = node.inputs
        values = [self._tensor(name) for name in names]
        sizes = {value.shape[1:] for value in values}
        if int(self._constants[axis]) not in {3, -1} or len(sizes) != 1:
            raise ValueError('joined along other than channels')
        name = self._graph.node('Concat', *(value.name for value in values), axis=1)
        return _Tensor(name, (sum(value.shape[0] for value in values), *values[0].shape[1:]))

    def _square(self, node: Node) -> _Tensor:
        return self._each('Mul', node, self._tensor(node.inputs[0]).name)

    def _total(self, node: Node) -> _Tensor:
        value, axis = self._tensor(node.inputs[0]), int(self._constants[node.inputs[1]])
        if axis not in {1, -1} or len(value.shape) != 1 or not node.attributes.get('keep_dims'):
            raise ValueError('other than the sum of a vector')
        axes = self._graph.constant(np.array([1]))
        return _Tensor(self._graph.node('ReduceSum', value.name, axes, keepdims=1), (1,))

    def _larger(self, node: Node) -> _Tensor:
        return self._each('Max', node, self._graph.constant(self._constants[node.inputs[1]]))

    def _inverse_root(self, node: Node) -> _Tensor:
        value = self._each('Sqrt', node)
        return _Tensor(self._graph.node('Reciprocal', value.name), value.shape)


_KINDS: dict[str, Callable[[_Builder, Node], _Value]] = {
    'Placeholder': _Builder._placeholder,
    'Conv2D': _Builder._convolution,
    'MatMul': _Builder._dense,
    'BiasAdd': _Builder._biased,
    'FusedBatchNorm': _Builder._normalised,
    'Mul': _Builder._product,
    'Add': _Builder._sum,
    'Reshape': _Builder._reshaped,
    'MaxPool': _Builder._pooled,
    'AvgPool': _Builder._pooled,
    'ConcatV2': _Builder._joined,
    'Relu': lambda builder, node: builder._each('Relu', node),
    'Square': _Builder._square,
    'Sum': _Builder._total,
    'Maximum': _Builder._larger,
    'Rsqrt': _Builder._inverse_root,
}
"""What makes a value of an operation. Were it a part of the builder, that would refer to itself,
and so keep all weights in memory."""


def _windows(
    node: Node, shape: Shape, window: Sequence[int]
) -> tuple[list[int], dict[str, tuple[int, ...]]]:
    """Rows and columns that windows over an image leave, and where ONNX is to put them.

    TensorFlow's ``SAME`` leaves as many as there are strides, with zeros around the image; if
    their number is odd, one more at its end.
    """
    images, *strides, channels = node.attributes['strides']
    if (images, channels) != (1, 1) or node.attributes['padding'] not in {'SAME', 'VALID'}:
        raise ValueError('windows that are not known')
    left, before, after = [], [], []
    for size, width, stride in zip(shape[1:], window, strides, strict=True):
        zeros = 0
        if node.attributes['padding'] == 'SAME':
            zeros = max((-(-size // stride) - 1) * stride + width - size, 0)
        left.append(count_windows(size, width, stride, zeros))
        before.append(zeros // 2)
        after.append(zeros - zeros // 2)
    return left, {'strides': tuple(strides), 'pads': (*before, *after)}
