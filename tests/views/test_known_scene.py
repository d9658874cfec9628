"""A renderer is used only if it shows what is known: near before far, and the outside."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bids_reid.errors import RenderingError
from bids_reid.views import known_scene
from bids_reid.views.egl_devices import choose_device
from bids_reid.views.known_scene import (
    AT_EDGES,
    DISTANCE,
    PIXELS,
    VIEW_ANGLE,
    check_scene,
    expected,
    scene,
    share_wrong,
)
from bids_reid.views.window import Window


def test_the_picture_is_computed_as_it_is_rendered() -> None:
    """Otherwise no machine could render, or any."""
    # a card may be the first device
    assert 'llvmpipe' in check_scene(choose_device('cpu').device)
    picture = expected()
    assert picture.shape == (PIXELS, PIXELS, 4)
    assert 0.3 < (picture[..., 3] == 255).mean() < 0.7
    assert len(np.unique(picture[..., :3].reshape(-1, 3), axis=0)) > 500


def rendered(monkeypatch: pytest.MonkeyPatch, triangles: NDArray[np.int32]) -> float:
    """Share that is wrong if other triangles are rendered."""
    points, _, colours = scene()
    with monkeypatch.context() as patch:
        patch.setattr(known_scene, 'scene', lambda: (points, triangles, colours))
        mesh = known_scene._mesh()
    window = Window(PIXELS, VIEW_ANGLE)
    try:
        window.add(mesh, colours)
        position, up = np.array([[0.0, 0.0, DISTANCE], [0.0, 1.0, 0.0]])
        return share_wrong(window.picture(position, np.zeros(3), up))
    finally:
        window.close()


def test_a_ball_that_is_not_in_front_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a test of depth, the back of a head shows through its face."""
    _, triangles, _ = scene()
    assert rendered(monkeypatch, triangles) == 0
    # the smaller one, which hides a part of the other, is the second half
    assert rendered(monkeypatch, triangles[: len(triangles) // 2]) > 2 * AT_EDGES


def test_the_inside_that_is_shown_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    _, triangles, _ = scene()
    assert rendered(monkeypatch, triangles[:, ::-1]) > 2 * AT_EDGES
    both = np.concatenate([triangles, triangles[:, ::-1]])
    assert rendered(monkeypatch, both) > 2 * AT_EDGES


@pytest.mark.parametrize(
    'change',
    [
        lambda picture: picture[::-1],
        lambda picture: picture[:, ::-1],
        lambda picture: picture[..., [2, 1, 0, 3]],
        lambda picture: np.roll(picture, 1, axis=0),
        lambda picture: np.where(picture > 40, picture - 3, picture),
        lambda picture: picture * np.array([1, 1, 1, 0], np.uint8),
    ],
    ids=['upside down', 'mirrored', 'blue for red', 'a pixel off', 'darker', 'without a mask'],
)
def test_other_faults_are_noticed(
    monkeypatch: pytest.MonkeyPatch,
    change: object,
) -> None:
    assert callable(change)
    picture = change(expected())
    monkeypatch.setattr(Window, 'picture', lambda *_: picture)
    with pytest.raises(RenderingError, match=r'^\d+% of a known picture is wrong with '):
        check_scene()


def test_other_rounding_is_no_fault() -> None:
    """Cards interpolate with other bits; that moves no feature by more than noise does."""
    picture = expected()
    shown = picture[..., 3] > 0
    picture[shown, :3] = np.clip(picture[shown, :3].astype(int) + 2, 0, 255)
    assert share_wrong(picture) == 0
