"""The benchmark of graphics cards, as far as a processor can tell: it counts and compares."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pytest

from benchmarks import card
from benchmarks.card import Network, compare, flops, networks, ranks, row
from bids_reid.faces.networks.onnx_graph import OnnxGraph
from bids_reid.faces.networks.sessions import CARD


def test_operations_are_counted() -> None:
    """The share of a card's peak is in proportion to them."""
    graph = OnnxGraph()
    filters = graph.constant(np.ones((4, 3, 5, 5), np.float32))
    seen = graph.node('Conv', 'images', filters, strides=(2, 2))
    mean = graph.node('Flatten', graph.node('GlobalAveragePool', seen))
    out = graph.node('MatMul', mean, graph.constant(np.ones((4, 7), np.float32)))
    model = graph.model('small', ('images', 'FLOAT', ['n', 3, 25, 15]), out)
    # 11 by 6 places of 4 filters of 3 x 5 x 5 weights, then 4 x 7 weights
    assert flops(model) == 2 * (11 * 6 * 4 * 75 + 28)


def test_the_networks_are_those_of_the_extractors() -> None:
    """dlib's network has 29 layers on small images: about half a GFLOP, not a tenth or ten."""
    found = dict(networks())
    assert 0.2e9 < flops(found['face_recognition'].model) < 2e9
    if 'facenet' in found:
        assert 1e9 < flops(found['facenet'].model) < 6e9


def test_a_rate_is_told_with_its_share_of_the_peak() -> None:
    cells = row('n', 'onnxruntime 1', 0.5, 90, 1e9, 1.8).split('\t')
    assert cells == ['n', 'onnxruntime 1', '5.56', '120', '0.18', '10%']
    assert row('n', 'e', 0.5, 90, 1e9, None).endswith('n/a')


@pytest.mark.parametrize('similarity', ['euclidean', 'cosine'])
def test_ranks_are_of_second_photographs(similarity: str) -> None:
    own = np.eye(3, dtype=np.float32)[[0, 0, 1, 1, 2, 2]]
    assert ranks(own, similarity)[:, 0].tolist() == [0, 1, 2]


class Engine:
    """Stands for a network: means of rows, off by some error."""

    def __init__(self, name: str, error: float) -> None:
        self.name, self.error = name, error

    def embed(self, chips: np.ndarray) -> np.ndarray:
        return chips.mean(axis=2).astype(np.float32) + self.error * np.arange(chips.shape[1])


@pytest.mark.parametrize(('error', 'said'), [(0.0, 'yes'), (9.0, 'NO')])
def test_a_card_that_ranks_otherwise_is_told(
    error: float, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chips = np.random.default_rng(0).integers(0, 255, (16, 8, 8), np.uint8)
    monkeypatch.setattr(card, 'chips_of_people', lambda *_: chips)
    monkeypatch.setattr(card, 'flops', lambda _: 1e9)

    def load(name: str, error: float) -> Callable[[], Engine]:
        return lambda: Engine(name, error)

    def skewed() -> Engine:
        engine = Engine(CARD, 0.0)
        engine.embed = lambda chips: Engine('', 0).embed(chips)[:, ::-1] * [1, *[error + 1] * 7]  # type: ignore[method-assign]
        return engine

    made = skewed if error else load(CARD, error)
    network = Network(b'', load('processor', 0.0), made, 8, 'euclidean', 9)
    *rows, last = compare('n', network, 8, 10.0)
    assert [one.split('\t')[1] for one in rows] == ['processor', CARD]
    assert last.endswith(f'same ranks of 8 people: {said}')


def test_a_machine_without_a_card_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The benchmarks are run together: one that cannot run must not end them."""
    monkeypatch.setattr(sys, 'argv', ['card'])
    monkeypatch.setattr('bids_reid.faces.networks.sessions.has_card_provider', lambda: False)
    card.main()
    assert capsys.readouterr().out.startswith('# no graphics card: ')
