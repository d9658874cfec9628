"""Build an ONNX model of dlib's residual network for faces, for grey images.

Grey images let the first convolution take one channel instead of three; affine layers and the
input's normalisation disappear in the convolutions. All else is as in dlib, layer by layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bids_reid.faces.networks.dlib_weights import (
    AddShortcut,
    Affine,
    Convolution,
    Dense,
    Layer,
    Network,
    Pool,
    Rectify,
)
from bids_reid.faces.networks.onnx_graph import OnnxGraph, WeightsError, count_windows

if TYPE_CHECKING:
    from collections.abc import Sequence


def grey_model(network: Network) -> bytes:
    """Build an ONNX model of a dlib residual network, for images whose channels are the same.

    Its input ``chips`` is (n, rows, columns) uint8, its output (n, d) float32.

    Raises
    ------
    WeightsError
        The layers are not those of a residual network.
    """
    graph = _Graph(network.size)
    features = graph.through(_folded(network))
    return graph.model('dlib_resnet', ('chips', 'UINT8', ['n', *network.size]), features)


def _folded(network: Network) -> list[Layer]:
    """Fold affine layers and the input's normalisation into the convolutions before and after.

    With a grey image x in all channels c, the first convolution's sum over c of
    w_c (x - mean_c) / 256 is (sum of w_c) / 256 x - sum of (w_c mean_c) / 256; it has no padding,
    so this holds at the border too.
    """
    folded: list[Layer] = []
    remaining = iter(network.layers)
    for layer in remaining:
        if not isinstance(layer, Convolution):
            folded.append(layer)
            continue
        affine = next(remaining, None)
        if not isinstance(affine, Affine):
            raise WeightsError('a convolution without an affine layer')
        filters, biases = layer.filters.astype(np.float64), layer.biases.astype(np.float64)
        if not folded:
            if layer.padding != (0, 0):
                raise WeightsError('a first convolution with padding')
            biases -= filters.sum(axis=(2, 3)) @ network.mean / 256
            filters = filters.sum(axis=1, keepdims=True) / 256
        filters *= affine.scale[:, None, None, None]
        biases = biases * affine.scale + affine.shift
        folded.append(
            layer._replace(filters=filters.astype(np.float32), biases=biases.astype(np.float32))
        )
    return folded


class _Value(NamedTuple):
    """A tensor of the graph: its name, and channels, rows, columns of each image."""

    name: str
    shape: tuple[int, int, int]


class _Graph(OnnxGraph):
    """A residual network under construction."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        pixels = self.node('Cast', 'chips', to=1)  # 1 is float32
        pixels = self.node('Unsqueeze', pixels, self.constant(np.array([1])))
        self._value = _Value(pixels, (1, *size))
        self._shortcut: _Value | None = None

    def through(self, layers: Sequence[Layer]) -> str:
        """Append all layers; return the name of the output.

        A residual block begins with the first convolution after the end of the one before.
        """
        for layer in layers:
            match layer:
                case Convolution():
                    self._shortcut = self._shortcut or self._value
                    self._value = self._convolved(self._value, layer)
                case Pool(kind='mean', window=(0, 0)):
                    name = self.node('GlobalAveragePool', self._value.name)
                    self._value = _Value(self.node('Flatten', name), self._value.shape)
                case Pool(kind='mean') if self._shortcut:
                    self._shortcut = self._pooled(self._shortcut, layer)
                case Pool():
                    self._value, self._shortcut = self._pooled(self._value, layer), None
                case AddShortcut() if self._shortcut:
                    self._value, self._shortcut = self._sum(self._value, self._shortcut), None
                case Rectify():
                    self._value = self._value._replace(name=self.node('Relu', self._value.name))
                case Dense():
                    return self.node('MatMul', self._value.name, self.constant(layer.weights))
                case _:
                    break
        raise WeightsError('not the layers of a residual network')

    def _convolved(self, value: _Value, layer: Convolution) -> _Value:
        name = self.node(
            'Conv',
            value.name,
            self.constant(layer.filters),
            self.constant(layer.biases),
            strides=layer.stride,
            pads=layer.padding * 2,
        )
        channels, _, *window = layer.filters.shape
        rows, columns = (
            count_windows(size, width, stride, 2 * padding)
            for size, padding, width, stride in zip(
                value.shape[1:], layer.padding, window, layer.stride, strict=True
            )
        )
        return _Value(name, (channels, rows, columns))

    def _pooled(self, value: _Value, layer: Pool) -> _Value:
        kind = 'MaxPool' if layer.kind == 'max' else 'AveragePool'
        name = self.node(kind, value.name, kernel_shape=layer.window, strides=layer.stride)
        rows, columns = (
            count_windows(size, width, stride)
            for size, width, stride in zip(
                value.shape[1:], layer.window, layer.stride, strict=True
            )
        )
        return _Value(name, (value.shape[0], rows, columns))

    def _sum(self, one: _Value, other: _Value) -> _Value:
        """Add, after zeros at the end of what is smaller (``add`` in ``cuda/cpu_dlib.cpp``)."""
        channels, rows, columns = map(max, one.shape, other.shape)
        shape = (channels, rows, columns)
        names = [self._filled(value, shape) for value in (one, other)]
        return _Value(self.node('Add', *names), shape)

    def _filled(self, value: _Value, shape: tuple[int, int, int]) -> str:
        if value.shape == shape:
            return value.name
        missing = np.subtract(shape, value.shape)
        # before and after each dimension: images, channels, rows, columns
        widths = self.constant(np.array([0, 0, 0, 0, 0, *missing]))
        return self.node('Pad', value.name, widths)
