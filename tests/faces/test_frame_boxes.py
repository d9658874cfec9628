"""Where the face frame has a face: a wrong place gives the adaptive attacker a cheek."""

from __future__ import annotations

from bids_reid.faces.detect import Box
from bids_reid.faces.frame_boxes import frame_boxes, median_boxes
from bids_reid.views.cameras import standard_views
from bids_reid.views.render import IMAGE_PIXELS


def test_every_camera_has_a_box_inside_its_render() -> None:
    boxes = frame_boxes()
    assert set(boxes) == {(view.camera_yaw, view.camera_pitch) for view in standard_views()}
    for box in boxes.values():
        assert 0 <= box.left < box.right < IMAGE_PIXELS
        assert 0 <= box.top < box.bottom < IMAGE_PIXELS


def test_boxes_lie_where_cameras_see_the_face() -> None:
    """Cameras swapped left and right, or up and down, would look beside every face."""
    boxes = frame_boxes()
    for turn, side in ((20.0, -1), (-20.0, 1)):
        assert (boxes[turn, 0.0].left - boxes[0.0, 0.0].left) * side > 20
    assert boxes[0.0, -15.0].top < boxes[0.0, 0.0].top < boxes[0.0, 15.0].top


def test_one_odd_head_does_not_move_a_box() -> None:
    usual, odd = Box(10, 20, 30, 40), Box(400, 400, 410, 410)
    heads = [{(0.0, 0.0): usual}, {(0.0, 0.0): usual, (20.0, 0.0): odd}, {(0.0, 0.0): odd}]
    assert median_boxes(heads) == {(0.0, 0.0): usual, (20.0, 0.0): odd}
