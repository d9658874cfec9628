"""A network that is read or built wrongly gives features, too, of faces that nobody has."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bids_reid.faces.networks.onnx_graph import WeightsError
from bids_reid.faces.networks.sessions import open_session
from bids_reid.faces.networks.tensorflow_graph import Node, _tensor, read_graph
from bids_reid.faces.networks.tensorflow_onnx import grey_model
from tests.support.graph_def import constant, field, node, shape, small_network, whole

ROWS, COLUMNS = 19, 17


def built(parts: list[bytes]) -> Any:
    return open_session(grey_model(read_graph(b''.join(parts))))


def read(parts: list[bytes], faces: NDArray[np.float32]) -> NDArray[np.float32]:
    """What OpenCV makes of the same file, image after image."""
    network = cv2.dnn.readNetFromTensorflow(np.frombuffer(b''.join(parts), np.uint8))
    rows = []
    for face in faces:
        network.setInput(np.repeat(face[None], 3, axis=1))
        rows.append(network.forward().ravel())
    return np.array(rows)


@pytest.mark.parametrize('seed', range(3))
def test_a_network_gives_what_opencv_makes_of_the_same_file(seed: int) -> None:
    """Every kind of operation, zeros at one end and at both, and whatever is folded."""
    parts = small_network(seed)
    faces = np.random.default_rng(seed).normal(size=(7, 1, ROWS, COLUMNS)).astype(np.float32)
    (features,) = built(parts).run(None, {'faces': faces})
    expected = read(parts, faces)
    assert np.linalg.norm(features - expected, axis=1).max() < 1e-5
    # and these are different vectors of length 1
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-5)
    assert np.linalg.norm(features[1:] - features[:-1], axis=1).min() > 1e-3


def test_only_what_has_to_be_is_left_of_a_network() -> None:
    """Biases, normalisation and scales of their own would cost a pass through memory each."""
    import onnx

    model = onnx.load_from_string(grey_model(read_graph(b''.join(small_network()))))
    kinds = [one.op_type for one in model.graph.node]
    assert kinds.count('Conv') == 5
    assert kinds.count('Gemm') == 1
    # one residual, and the two factors of the length
    assert kinds.count('Add') == 1
    assert kinds.count('Mul') == 2
    assert not {'BatchNormalization', 'Reshape', 'Transpose', 'Pad'} & set(kinds)
    # the first convolution takes one channel
    assert list(model.graph.initializer[0].dims) == [4, 1, 3, 3]


def test_the_same_file_is_the_same_model() -> None:
    """Otherwise a rerun writes other templates."""
    content = b''.join(small_network())
    assert grey_model(read_graph(content)) == grey_model(read_graph(content))


def test_what_two_operations_take_is_folded_for_neither_of_them_wrongly() -> None:
    """A convolution whose result is scaled in one place and taken as it is in another."""
    parts = [
        node('Placeholder', 'input', shape=field(7, shape((1, 4, 4, 3)))),
        constant('w', np.full((4, 4, 3, 2), 0.1, np.float32)),
        node('Conv2D', 'c', 'input', 'w', strides=(1, 1, 1, 1), padding='VALID'),
        constant('x', np.array([2, 3], np.float32)),
        node('Mul', 'm', 'c', 'x'),
        node('Add', 'a', 'c', 'm'),
        constant('s', np.array([1, 2], np.int32)),
        node('Reshape', 'r', 'a', 's'),
    ]
    (features,) = built(parts).run(None, {'faces': np.ones((2, 1, 4, 4), np.float32)})
    np.testing.assert_allclose(features, [[4.8 * 3, 4.8 * 4]] * 2, rtol=1e-6)


@pytest.mark.parametrize(
    ('values', 'expected'),
    [
        # one value fills the tensor, and none is zero
        (whole(1, 1) + field(2, shape((2, 2))) + field(5, b'\0\0\x80?'), [[1, 1], [1, 1]]),
        (whole(1, 1) + field(2, shape((2,))), [0, 0]),
        # integers, packed and one by one, below zero
        (whole(1, 3) + field(2, shape((2,))) + field(7, b'\x03\x04'), [3, 4]),
        (whole(1, 3) + field(2, shape((2,))) + whole(7, 3) + whole(7, -1), [3, -1]),
        (whole(1, 3) + field(2, shape((2,))) + field(4, b'\1\0\0\0\xff\xff\xff\xff'), [1, -1]),
    ],
)
def test_tensors_are_read_however_they_are_written(values: bytes, expected: list[int]) -> None:
    assert _tensor(memoryview(values)).tolist() == expected


def test_attributes_are_read() -> None:
    written: dict[str, Any] = {'text': 'SAME', 'flag': True, 'sizes': (1, 2, 300), 'e': 0.5}
    one, other = read_graph(node('Kind', 'b', 'a:0', '^a', **written) + node('Other', 'a'))
    assert one == Node('a', 'Other', (), {})
    assert other == Node('b', 'Kind', ('a',), written)


SMALL = b''.join(small_network())


@pytest.mark.parametrize(
    'content',
    [
        b'',
        SMALL[:-1],
        SMALL[:300],
        SMALL[5:],
        b'\xff' * 20,
        b'not a graph',
        SMALL + node('Relu', 'a', 'b'),  # a name again
        SMALL + node('Relu', 'z', 'nobody'),
        SMALL + node('Relu', 'z', 'a:1'),
        SMALL + node('Relu', 'z', 'y') + node('Relu', 'y', 'z'),
        SMALL + field(2, field(1, 'a function')),
        SMALL + field(9, ''),
        SMALL + node('Relu', 'z', 'a', T=field(9, '')),
        SMALL + node('Const', 'z', value=field(8, whole(1, 2))),
        SMALL + constant('z', np.zeros(4, np.float32))[:-1],
    ],
)
def test_a_damaged_file_is_refused(content: bytes) -> None:
    """Not with whatever error happens to come: the other engine is to be asked then."""
    with pytest.raises(WeightsError, match='not a TensorFlow graph'):
        read_graph(content)


def with_attribute(name: str, key: str, value: object) -> list[Node]:
    """The small network with one attribute of one operation set."""
    nodes = read_graph(SMALL)
    return [
        one._replace(attributes={**one.attributes, key: value}) if one.name == name else one
        for one in nodes
    ]


def with_kind(name: str, kind: str) -> list[Node]:
    return [one._replace(kind=kind) if one.name == name else one for one in read_graph(SMALL)]


@pytest.mark.parametrize(
    'nodes',
    [
        with_kind('h', 'Elu'),
        with_kind('c', 'BiasAdd'),
        with_kind('e/conv', 'Placeholder'),
        with_attribute('a/conv', 'data_format', 'NCHW'),
        with_attribute('a/conv', 'dilations', (1, 2, 2, 1)),
        with_attribute('a/conv', 'strides', (2, 1, 1, 1)),
        with_attribute('a/conv', 'padding', 'EXPLICIT'),
        with_attribute('m', 'padding', 'SAME'),
        with_attribute('m', 'ksize', (1, 2, 2, 2)),
        with_attribute('j', 'ksize', (1, 2, 2, 1)),
        with_attribute('l', 'transpose_b', value=True),
        with_attribute('o', 'is_training', value=True),
        with_attribute('r', 'keep_dims', value=False),
        with_attribute('r/axis', 'value', np.array(0, np.int32)),
        with_attribute('d/axis', 'value', np.array(1, np.int32)),
        with_attribute('k/shape', 'value', np.array([1, 3], np.int32)),
        with_attribute('input', 'shape', (1, 19, 17, 1)),
        with_attribute('input', 'shape', (1, -1, -1, 3)),
        with_attribute('b/weights', 'value', np.zeros((1, 1, 9, 3), np.float32)),
        with_attribute('f/x', 'value', np.zeros(3, np.float32)),
        # two results, none, and one that is no vector
        [*read_graph(SMALL), Node('z', 'Relu', ('a',), {})],
        [],
        [one for one in read_graph(SMALL) if one.name in {'input', 'a/conv', 'a/weights'}],
    ],
)
def test_a_network_that_is_not_understood_is_refused(nodes: list[Node]) -> None:
    """Otherwise it is run in another way than its author's."""
    with pytest.raises(WeightsError):
        grey_model(nodes)
