"""What building an ONNX graph takes, whatever file the network comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

_OPSET, _IR_VERSION = 17, 8
_GRAPH, _INITIALIZER, _RAW_DATA = 7, 5, 9
"""Numbers of fields in ``onnx.proto``: of a model, of its graph, of a tensor in that."""


class WeightsError(ValueError):
    """A file does not hold the network that its reader reads."""


class OnnxGraph:
    """A model under construction; names of nodes and of constants count up.

    Weights are large, and copies take time: they are put behind the rest of the model when it is
    serialised, as protocol buffers allow (what is written of one message twice is merged).
    """

    def __init__(self) -> None:
        from onnx import ModelProto

        self._model = ModelProto(ir_version=_IR_VERSION)
        self._constants: list[tuple[bytes, NDArray[Any]]] = []

    def constant(self, values: NDArray[Any]) -> str:
        """Append a constant; return its name."""
        from onnx import TensorProto, helper

        name = f'constant_{len(self._constants)}'
        kind = helper.np_dtype_to_tensor_dtype(values.dtype)
        head = TensorProto(name=name, dims=values.shape, data_type=kind).SerializeToString()
        self._constants.append((head, np.ascontiguousarray(values)))
        return name

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Append a node of one output; return the output's name."""
        from onnx import helper

        nodes = self._model.graph.node
        name = f'{kind}_{len(nodes)}'
        nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def model(
        self,
        name: str,
        images: tuple[str, str, Sequence[int | str]],
        features: str,
        shape_of_features: Sequence[int | str | None] = ('n', None),
    ) -> bytes:
        """Serialise a model that makes numbers of each image, such as one vector.

        Parameters
        ----------
        name : str
            Of the graph.
        images : (name, type, shape)
            The input: its type as ONNX calls it; a size without a number has a name.
        features : str
            Name of the output, float32.
        shape_of_features : sequence
            Its shape; a size may be unknown.
        """
        from onnx import TensorProto, helper

        called, kind, shape = images
        given = helper.make_tensor_value_info(called, TensorProto.DataType.Value(kind), shape)
        output = helper.make_tensor_value_info(features, TensorProto.FLOAT, shape_of_features)
        graph = self._model.graph
        graph.name = name
        graph.input.append(given)
        graph.output.append(output)
        self._model.opset_import.append(helper.make_opsetid('', _OPSET))
        return b''.join([self._model.SerializeToString(), *self._serialised_constants()])

    def _serialised_constants(self) -> Iterator[bytes | memoryview]:
        """Yield the parts of a second message of the graph, which has the constants."""
        tensors: list[tuple[bytes, bytes, NDArray[Any]]] = []
        for head, values in self._constants:
            start = head + _before(_RAW_DATA, values.nbytes)
            tensors.append((_before(_INITIALIZER, len(start) + values.nbytes), start, values))
        length = sum(len(key) + len(start) + values.nbytes for key, start, values in tensors)
        yield _before(_GRAPH, length)
        for key, start, values in tensors:
            yield from (key, start, values.data)


def _before(field: int, length: int) -> bytes:
    """Write what comes before the bytes of a field: its number, that it is bytes, their number."""
    written = bytearray([field << 3 | 2])
    while length > 0x7F:
        written.append(length & 0x7F | 0x80)
        length >>= 7
    written.append(length)
    return bytes(written)


def count_windows(size: int, window: int, stride: int, padding: int = 0) -> int:
    """Rows or columns that windows leave; ``padding`` is that of both sides together."""
    return 1 + (size + padding - window) // stride
