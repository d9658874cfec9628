"""The fast network finds the faces that dlib's own finds."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bids_reid.faces.networks import dlib_mmod
from bids_reid.faces.networks.dlib_mmod import (
    DlibFaceNetwork,
    Face,
    OnnxFaceNetwork,
    drawn_face,
    load_face_network,
    tile_sizes,
    tiled,
)
from bids_reid.faces.networks.dlib_weights import read_detector
from bids_reid.faces.networks.onnx_graph import WeightsError
from bids_reid.faces.weights import models_folder


@pytest.fixture(scope='module')
def weights() -> Path:
    return models_folder() / 'mmod_human_face_detector.dat'


@pytest.fixture(scope='module')
def fast(weights: Path) -> OnnxFaceNetwork:
    return OnnxFaceNetwork(weights.read_bytes())


@pytest.fixture(scope='module')
def reference(weights: Path) -> DlibFaceNetwork:
    return DlibFaceNetwork(weights)


def placed(rows: int, columns: int, size: float, at: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw the face larger or smaller into a picture with some noise."""
    face = cv2.resize(drawn_face(), None, fx=size, fy=size, interpolation=cv2.INTER_LINEAR)
    picture = np.zeros((rows, columns), np.uint8)
    part = picture[at[0] : at[0] + len(face), at[1] : at[1] + face.shape[1]]
    part[:] = face[: len(part), : part.shape[1]]
    noise = np.random.default_rng(1).normal(0, 3, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    'picture',
    [
        placed(160, 160, 1.0, (10, 20)),
        placed(150, 230, 1.0, (5, 90)),
        placed(241, 133, 1.0, (100, 5)),
        placed(260, 301, 1.7, (20, 60)),
        placed(120, 160, 1.3, (0, 0)),
    ],
)
def test_the_same_face_is_found_in_the_same_place(
    fast: OnnxFaceNetwork, reference: DlibFaceNetwork, picture: NDArray[np.uint8]
) -> None:
    """A score that is off, or a box, is another verdict on the same scan."""
    expected, found = reference.surest(picture), fast.surest(picture)
    assert expected is not None
    assert found is not None
    assert found[1:] == expected[1:]
    assert found.score == pytest.approx(expected.score, abs=1e-5)


@pytest.mark.parametrize('shape', [(16, 16), (90, 37), (20, 200), (200, 20), (60, 60)])
def test_none_is_found_where_dlib_finds_none(
    fast: OnnxFaceNetwork, reference: DlibFaceNetwork, shape: tuple[int, int]
) -> None:
    """Small and narrow pictures have few sizes; they must neither fail nor be faces."""
    picture = np.random.default_rng(2).integers(0, 255, shape, np.uint8)
    assert reference.surest(picture) is None
    assert fast.surest(picture) is None


def test_no_size_covers_another() -> None:
    """What lies over a face hides it."""
    for shape in ((160, 160), (480, 360), (97, 640), (640, 97)):
        shown = tiled(np.ones(shape, np.uint8), tile_sizes(*shape))[0]
        area = sum(tile.width * tile.height for tile in tile_sizes(*shape))
        assert shown[1].sum() == area
        np.testing.assert_allclose(shown[0], shown[1], atol=1e-6)


def test_a_fast_network_that_agrees_is_used(weights: Path) -> None:
    assert isinstance(load_face_network(weights), OnnxFaceNetwork)


@pytest.mark.parametrize('wrong', ['score', 'box', 'nothing', 'error'])
def test_one_that_does_not_agree_is_not(
    monkeypatch: pytest.MonkeyPatch, weights: Path, wrong: str
) -> None:
    """A wrong kernel sees no face where there is one, and a scan passes that shows it."""
    original = OnnxFaceNetwork.surest

    def surest(self: OnnxFaceNetwork, image: NDArray[np.uint8]) -> Face | None:
        if wrong == 'error':
            raise RuntimeError('illegal instruction')
        found = original(self, image)
        assert found is not None
        if wrong == 'nothing':
            return None
        if wrong == 'box':
            return found._replace(left=found.left + 1)
        return found._replace(score=found.score + 1e-3)

    monkeypatch.setattr(dlib_mmod.OnnxFaceNetwork, 'surest', surest)
    assert isinstance(load_face_network(weights), DlibFaceNetwork)


def test_a_damaged_file_is_refused(weights: Path) -> None:
    """Half a network would find half of the faces."""
    content = weights.read_bytes()
    with pytest.raises(WeightsError, match='ends early'):
        read_detector(content[:-100])
    with pytest.raises(WeightsError, match='more than a network'):
        read_detector(content + b'\x01')
    with pytest.raises(WeightsError, match='not a dlib face network'):
        read_detector(content[50:])
