"""Read dlib's networks for faces from the files dlib wrote them to.

dlib writes objects one after the other without an index: what an object is follows from what is
read before it (``serialize`` in its ``dlib/serialize.h``, ``dlib/cuda/tensor.h``,
``dlib/dnn/core.h``, ``layers.h``, ``input.h`` and ``loss.h``). A network of nested layers starts
with the version of every layer, from the last to the first; the layers themselves follow in the
order in which an image passes through them. Tags and skips leave a version only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

import numpy as np

from bids_reid.faces.networks.onnx_graph import WeightsError

T = TypeVar('T')

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float32]


class Convolution(NamedTuple):
    """Filters (outputs, inputs, rows, columns) and biases (outputs,); zeros around the input."""

    filters: Array
    biases: Array
    stride: tuple[int, int]
    padding: tuple[int, int]


class Affine(NamedTuple):
    """Multiply each channel by ``scale`` (channels,) and add ``shift`` (channels,)."""

    scale: Array
    shift: Array


class Pool(NamedTuple):
    """Maximum or mean in windows; ``window`` (0, 0) is the whole image."""

    kind: Literal['max', 'mean']
    window: tuple[int, int]
    stride: tuple[int, int]


class Rectify(NamedTuple):
    """Set what is negative to zero."""


class AddShortcut(NamedTuple):
    """Add what entered the residual block, or the `Pool` of it that stands before this layer.

    Where sizes differ, the smaller one is filled up with zeros at its end.
    """


class Dense(NamedTuple):
    """Multiply by ``weights`` (inputs, outputs)."""

    weights: Array


Layer = Convolution | Affine | Pool | Rectify | AddShortcut | Dense


class Network(NamedTuple):
    """RGB images of ``size`` (rows, columns), less ``mean`` (3,), over 256, through ``layers``."""

    size: tuple[int, int]
    mean: NDArray[np.float64]
    layers: tuple[Layer, ...]


class Detector(NamedTuple):
    """A network that finds things of ``window`` (rows, columns) in RGB images of any size.

    An image less ``mean`` (3,), over 256, goes through ``layers`` in all sizes at once.
    """

    window: tuple[int, int]
    mean: NDArray[np.float64]
    layers: tuple[Layer, ...]


def read_network(content: bytes) -> Network:
    """Read dlib's metric network for RGB images of one size.

    Parameters
    ----------
    content : bytes
        Of ``dlib_face_recognition_resnet_model_v1.dat``.

    Raises
    ------
    WeightsError
        The file is damaged or holds another kind of network.
    """
    return _read(content, _network)


def read_detector(content: bytes) -> Detector:
    """Read dlib's detector (max-margin object detection) of one kind of thing in RGB images.

    Parameters
    ----------
    content : bytes
        Of ``mmod_human_face_detector.dat``.

    Raises
    ------
    WeightsError
        The file is damaged or holds another kind of network.
    """
    return _read(content, _detector)


def _read(content: bytes, reader: Callable[[_Source], T]) -> T:
    source = _Source(content)
    try:
        return reader(source)
    except (IndexError, UnicodeDecodeError, ValueError) as error:
        raise WeightsError(f'not a dlib face network, at byte {source.place}: {error}') from error


class _Source:
    """What dlib's ``serialize`` writes for simple types, read in order."""

    def __init__(self, content: bytes) -> None:
        self.content, self.place = content, 0

    def bytes(self, count: int) -> bytes:
        taken = self.content[self.place : self.place + count]
        if len(taken) < count:
            raise ValueError('the file ends early')
        self.place += count
        return taken

    def integer(self) -> int:
        """A byte with the sign (0x80) and the number of bytes, then these, lowest first."""
        head = self.bytes(1)[0]
        if head & 0x7F > 8:
            raise ValueError('not an integer')
        value = int.from_bytes(self.bytes(head & 0x7F), 'little')
        return -value if head & 0x80 else value

    def number(self) -> float:
        """Mantissa and exponent of two (``dlib/float_details.h``)."""
        mantissa = self.integer()
        return mantissa * 2.0 ** self.integer()

    def text(self) -> str:
        return self.bytes(self.integer()).decode('ascii')

    def flag(self) -> bool:
        return self.bytes(1) == b'1'

    def pair(self) -> tuple[int, int]:
        return self.integer(), self.integer()

    def shape(self) -> tuple[int, int, int, int]:
        """Samples, channels, rows, columns."""
        return (*self.pair(), *self.pair())

    def tensor(self) -> Array:
        self.expect_version(2)
        shape = self.shape()
        values = np.frombuffer(self.bytes(4 * int(np.prod(shape))), '<f4')
        return values.reshape(shape)

    def alias(self) -> tuple[int, int, int, int]:
        """Shape of a part of a layer's parameters."""
        self.expect_version(1)
        return self.shape()

    def expect_version(self, *known: int) -> int:
        version = self.integer()
        if version not in known:
            raise ValueError(f'version {version} of {known}')
        return version


def _network(source: _Source) -> Network:
    source.expect_version(1)
    _expect(source.text(), 'loss_metric_2')
    for _ in ('margin', 'threshold'):
        source.number()
    n_layers = _count_layers(source)
    _expect(source.text(), 'input_rgb_image_sized')
    mean = np.array([source.number() for _ in range(3)])
    size = source.pair()
    return Network(size, mean, _layers(source, n_layers))


def _detector(source: _Source) -> Detector:
    source.expect_version(1)
    _expect(source.text(), 'loss_mmod_')
    source.expect_version(1)
    columns, rows = source.pair()
    # two losses, the overlap with a true box, and twice two of boxes with each other
    for _ in range(7):
        source.number()
    n_layers = _count_layers(source)
    # of this version, images of a pyramid have 10 pixels between them, and 11 around all
    _expect(source.text(), 'input_rgb_image_pyramid')
    mean = np.array([source.number() for _ in range(3)])
    return Detector((rows, columns), mean, _layers(source, n_layers))


def _count_layers(source: _Source) -> int:
    """Read versions of layers, tags and skips; the layer next to the input has one of its own."""
    n_layers = 1
    while (version := source.expect_version(1, 2, 3)) != 3:
        n_layers += version == 2
    return n_layers


def _layers(source: _Source, n_layers: int) -> tuple[Layer, ...]:
    """Read all layers, after which there is nothing else."""
    layers = []
    for number in range(n_layers):
        layers.append(_layer(source))
        _skip_training_state(source)
        if number == 0:
            source.integer()  # images made of one image: one
    if source.place != len(source.content):
        raise ValueError('more than a network')
    return tuple(layers)


def _expect(name: str, expected: str) -> None:
    if name != expected:
        raise ValueError(f'{name!r}, not {expected!r}')


def _skip_training_state(source: _Source) -> None:
    """Three flags, and three tensors that are empty once training is over."""
    for _ in range(3):
        source.flag()
    for _ in range(3):
        source.tensor()


def _layer(source: _Source) -> Layer:
    name = source.text()
    match name:
        case 'con_4':
            return _convolution(source)
        case 'affine_' | 'bn_con2':
            return _affine(source) if name == 'affine_' else _normalisation(source)
        case 'max_pool_2' | 'avg_pool_2':
            return _pool(source, 'max' if name == 'max_pool_2' else 'mean')
        case 'relu_':
            return Rectify()
        case 'add_prev_':
            return AddShortcut()
        case 'fc_2':
            return _dense(source)
    raise ValueError(f'unknown layer {name!r}')


def _convolution(source: _Source) -> Convolution:
    parameters = source.tensor().ravel()
    source.integer()  # number of filters
    source.pair()  # rows and columns, again in the shape of the filters
    stride, padding = source.pair(), source.pair()
    filters, biases = _parts(parameters, source.alias(), source.alias())
    _skip_rates(source)
    return Convolution(filters, biases.ravel(), stride, padding)


def _affine(source: _Source) -> Affine:
    parameters = source.tensor().ravel()
    scale, shift = _parts(parameters, source.alias(), source.alias())
    if source.integer() != 0:
        raise ValueError('an affine layer that is not for channels')
    return Affine(scale.ravel(), shift.ravel())


def _normalisation(source: _Source) -> Affine:
    """Read a normalisation of batches: once training is over, it is an affine layer."""
    parameters = source.tensor().ravel()
    scale, shift = _parts(parameters, source.alias(), source.alias())
    for _ in range(2):
        source.tensor()  # mean and deviation of the last batch
    mean, variance = source.tensor().ravel(), source.tensor().ravel()
    for _ in range(2):
        source.integer()  # numbers of batches
    _skip_rates(source)
    factor = scale.ravel() / np.sqrt(variance + np.float32(source.number()))
    return Affine(factor, shift.ravel() - factor * mean)


def _pool(source: _Source, kind: Literal['max', 'mean']) -> Pool:
    window, stride = source.pair(), source.pair()
    if source.pair() != (0, 0):
        raise ValueError('a pool with padding')
    return Pool(kind, window, stride)


def _dense(source: _Source) -> Dense:
    source.pair()  # outputs and inputs, again in the shape of the weights
    parameters = source.tensor()
    inputs, outputs, *_ = source.alias()
    source.alias()
    if source.integer() != 1:
        raise ValueError('a dense layer with biases')
    _skip_rates(source)
    return Dense(parameters.reshape(inputs, outputs))


def _parts(
    parameters: Array, first: tuple[int, int, int, int], second: tuple[int, int, int, int]
) -> tuple[Array, Array]:
    """Cut a layer's parameters (n,) into its two tensors."""
    cut = int(np.prod(first))
    return parameters[:cut].reshape(first), parameters[cut:].reshape(second)


def _skip_rates(source: _Source) -> None:
    """Learning rate and weight decay, and both for the biases."""
    for _ in range(4):
        source.number()
