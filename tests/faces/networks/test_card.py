"""Networks run on a graphics card only if they give there what they give on the processor.

No card is needed: ONNX Runtime's provider is stood in for by the processor.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from bids_reid import devices
from bids_reid.errors import MachineError
from bids_reid.faces import face_recognition
from bids_reid.faces.face_recognition import FaceRecognition
from bids_reid.faces.networks import dlib_resnet, engines, sessions
from bids_reid.faces.networks.dlib_resnet import CHIP_PIXELS, OnnxEngine, load_engine
from bids_reid.faces.networks.engines import Loaded, check_chips
from bids_reid.faces.networks.sessions import CARD, CARD_BATCH
from bids_reid.faces.weights import models_folder

WEIGHTS = models_folder() / face_recognition.WEIGHTS
NOISE = np.random.default_rng(0).integers(0, 255, (CARD_BATCH + 3, CHIP_PIXELS, CHIP_PIXELS))
CHIPS = NOISE.astype(np.uint8)
Real = onnxruntime.InferenceSession


class Card:
    """A card that computes as the processor does, off by some error."""

    error = 0.0
    providers = (CARD, 'CPUExecutionProvider')
    given: list[Any] = []  # noqa: RUF012
    shapes: list[tuple[int, ...]] = []  # noqa: RUF012

    def __init__(self, model: bytes, options: Any, *, providers: list[Any], **more: Any) -> None:
        self.on_card = providers[0] != 'CPUExecutionProvider'
        self.session = Real(model, options, providers=['CPUExecutionProvider'])
        Card.given.append((providers, more))

    def get_providers(self) -> list[str]:
        return list(Card.providers if self.on_card else Card.providers[1:])

    def run(self, names: Any, feed: dict[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
        (features,) = self.session.run(names, feed)
        if self.on_card:
            Card.shapes.extend(given.shape for given in feed.values())
            features = features + np.float32(Card.error / features.shape[1] ** 0.5)
        return [features]


@pytest.fixture(autouse=True)
def card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: [CARD])
    monkeypatch.setattr(onnxruntime, 'InferenceSession', Card)
    monkeypatch.setattr(devices, 'card_names', lambda: ('NVIDIA A100', 'NVIDIA A100'))
    monkeypatch.setattr(sessions, 'card_names', lambda: ('NVIDIA A100', 'NVIDIA A100'))
    monkeypatch.setattr(Card, 'error', 0.0)
    monkeypatch.setattr(Card, 'given', [])
    monkeypatch.setattr(Card, 'shapes', [])
    monkeypatch.setenv(devices.NETWORKS, 'auto')


def reference_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the processor's engine stand for dlib's: that takes a second each time."""
    monkeypatch.setattr(
        dlib_resnet, 'DlibEngine', lambda weights: OnnxEngine(weights.read_bytes())
    )


def loaded(monkeypatch: pytest.MonkeyPatch) -> Loaded:
    reference_once(monkeypatch)
    return load_engine(WEIGHTS)


def test_a_card_that_agrees_is_used_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of a scan say what computed its features."""
    reference_once(monkeypatch)
    said = FaceRecognition().provenance()
    assert said['Engine'] == f'onnxruntime {onnxruntime.__version__} {CARD} (NVIDIA A100)'
    assert 'EngineReason' not in said
    # two templates, one of each, can be compared
    assert 'Engine' not in FaceRecognition().identity()


def test_features_do_not_depend_on_the_number_of_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A card chooses its kernels by that; and padding must not come out as features."""
    engine = loaded(monkeypatch).engine
    Card.shapes.clear()
    features = engine.embed(CHIPS)
    assert features.shape == (CARD_BATCH + 3, dlib_resnet.DIMENSION)
    assert {shape[0] for shape in Card.shapes} == {CARD_BATCH}
    expected = OnnxEngine(WEIGHTS.read_bytes()).embed(CHIPS)
    assert np.abs(features - expected).max() < 1e-6
    assert engine.embed(CHIPS[:0]).shape == (0, dlib_resnet.DIMENSION)


def test_arithmetic_of_low_precision_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """TF32, which cards use unless told otherwise, moves features by more than 1e-4."""
    loaded(monkeypatch)
    (providers, more) = next(given for given in Card.given if given[0][0] != sessions.PROCESSOR)
    name, options = providers[0]
    assert name == CARD
    assert options['use_tf32'] == '0'
    assert options['cudnn_conv_algo_search'] == 'DEFAULT'
    assert all(isinstance(value, str) for value in options.values())
    # or a fault is told on standard output, and the session goes on elsewhere under a wrong name
    assert more == {'enable_fallback': 0}


@pytest.mark.parametrize('error', [2e-4, -0.1, np.nan, np.inf])
def test_a_card_that_does_not_agree_is_not_used(
    error: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong kernel gives faces that nobody has, and a risk that is too low."""
    monkeypatch.setattr(Card, 'error', error)
    engine, _, reason = loaded(monkeypatch)
    assert engine.name == f'onnxruntime {onnxruntime.__version__}'
    assert reason.startswith('not on the graphics card: onnxruntime differs from onnxruntime by ')
    assert not np.isnan(engine.embed(CHIPS[:1])).any()


def test_a_provider_that_does_not_start_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime then goes on with the processor, and says nothing."""
    monkeypatch.setattr(Card, 'providers', ('CPUExecutionProvider', 'CPUExecutionProvider'))
    engine, _, reason = loaded(monkeypatch)
    assert CARD not in engine.name
    assert reason.startswith('not on the graphics card: onnxruntime cannot use CUDA')


def test_memory_that_a_card_lacks_is_no_scans_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise RuntimeError('CUDA failure 2: out of memory')

    monkeypatch.setattr(dlib_resnet, 'filled', full)
    engine, _, reason = loaded(monkeypatch)
    assert CARD not in engine.name
    assert reason.endswith('CUDA failure 2: out of memory')


def test_the_processor_is_used_if_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(devices.NETWORKS, 'cpu')
    engine, _, reason = loaded(monkeypatch)
    assert CARD not in engine.name
    assert not reason
    assert Card.shapes == []


def test_an_ordinary_machine_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most have no card: that is no reason to write into every file."""
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: [sessions.PROCESSOR])
    assert loaded(monkeypatch).reason == ''


@pytest.mark.parametrize('fault', ['no provider', 'differs'])
def test_a_card_that_must_be_used_and_cannot_ends_the_run(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Days on a processor are not what somebody wanted who asked for a card."""
    monkeypatch.setenv(devices.NETWORKS, 'gpu')
    if fault == 'no provider':
        monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: [sessions.PROCESSOR])
    monkeypatch.setattr(Card, 'error', 1.0)
    with pytest.raises(MachineError, match=r'^--device gpu: the graphics card cannot be used: '):
        loaded(monkeypatch)


def test_cards_of_two_kinds_are_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows on which of them it was."""
    monkeypatch.setattr(sessions, 'card_names', lambda: ('NVIDIA A100', 'NVIDIA T4'))
    assert sessions.engine_name(on_card=True).endswith(CARD)


def test_the_check_fills_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault in one place of a batch would otherwise be found in the results only."""
    loaded(monkeypatch)
    assert Card.shapes[0] == (CARD_BATCH, CHIP_PIXELS, CHIP_PIXELS)
    assert engines.CARD_TOLERANCE == 1e-4
    assert check_chips(CHIP_PIXELS).shape[0] == 1


def test_cuda_is_loaded_from_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says while it does that is not for standard output, which has the results."""
    called = []

    def load() -> None:
        called.append(True)
        sys.stdout.write('Failed to load libcudnn.so.9')

    monkeypatch.setattr(onnxruntime, 'preload_dlls', load)
    loaded(monkeypatch)
    assert called == [True]
