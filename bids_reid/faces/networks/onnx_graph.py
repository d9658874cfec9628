"""What building an ONNX graph takes, whatever file the network comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_OPSET, _IR_VERSION = 17, 8


class WeightsError(ValueError):
    """A file does not hold the network that its reader reads."""


class OnnxGraph:
    """A model under construction; names of nodes and of constants count up.

    What is added is written into the model at once: weights are large, and copies take time.
    """

    def __init__(self) -> None:
        from onnx import ModelProto

        self._model = ModelProto(ir_version=_IR_VERSION)

    def constant(self, values: NDArray[Any]) -> str:
        """Append a constant; return its name."""
        from onnx import helper

        constants = self._model.graph.initializer
        name = f'constant_{len(constants)}'
        constants.add(
            name=name,
            dims=values.shape,
            data_type=helper.np_dtype_to_tensor_dtype(values.dtype),
            raw_data=values.tobytes(),
        )
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
        return bytes(self._model.SerializeToString())


def count_windows(size: int, window: int, stride: int, padding: int = 0) -> int:
    """Rows or columns that windows leave; ``padding`` is that of both sides together."""
    return 1 + (size + padding - window) // stride
