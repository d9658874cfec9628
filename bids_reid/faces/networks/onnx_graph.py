"""What building an ONNX graph takes, whatever file the network comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_OPSET, _IR_VERSION = 17, 8


class WeightsError(ValueError):
    """A file does not hold the network that its reader reads."""


class OnnxGraph:
    """Nodes and constants of a graph under construction; their names count up."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, values: NDArray[Any]) -> str:
        """Append a constant; return its name."""
        from onnx import numpy_helper

        name = f'constant_{len(self.constants)}'
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Append a node of one output; return the output's name."""
        from onnx import helper

        name = f'{kind}_{len(self.nodes)}'
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def model(
        self, name: str, images: tuple[str, str, Sequence[int | str]], features: str
    ) -> bytes:
        """Serialise a model that makes one vector of each image.

        Parameters
        ----------
        name : str
            Of the graph.
        images : (name, type, shape)
            The input: its type as ONNX calls it; a size without a number has a name.
        features : str
            Name of the output, (n, d) float32.
        """
        from onnx import TensorProto, helper

        called, kind, shape = images
        given = helper.make_tensor_value_info(called, TensorProto.DataType.Value(kind), shape)
        output = helper.make_tensor_value_info(features, TensorProto.FLOAT, ['n', None])
        model = helper.make_model(
            helper.make_graph(self.nodes, name, [given], [output], self.constants),
            opset_imports=[helper.make_opsetid('', _OPSET)],
            ir_version=_IR_VERSION,
        )
        return bytes(model.SerializeToString())


def count_windows(size: int, window: int, stride: int, padding: int = 0) -> int:
    """Rows or columns that windows leave; ``padding`` is that of both sides together."""
    return 1 + (size + padding - window) // stride
