"""The 81 views are a contract: tables, templates and renders name them by number."""

from __future__ import annotations

from bids_reid.records import View
from bids_reid.views.cameras import (
    all_views,
    alternate_views,
    soft_views,
    standard_views,
    style_numbers,
)


def test_81_different_views_numbered_in_order() -> None:
    """Otherwise some attacks are tried twice and others never."""
    views = standard_views()
    assert [view.index for view in views] == list(range(81))
    angles = {(v.camera_yaw, v.camera_pitch, v.light_azimuth, v.light_elevation) for v in views}
    assert len(angles) == 81


def test_lights_of_a_camera_stand_together() -> None:
    """The renderer makes one picture per camera; nine cameras, nine lights each."""
    views = standard_views()
    cameras = [(view.camera_yaw, view.camera_pitch) for view in views]
    assert cameras == [camera for camera in dict.fromkeys(cameras) for _ in range(9)]
    lights = {(view.light_azimuth, view.light_elevation) for view in views}
    assert len(set(cameras)) == len(lights) == 9


def test_known_numbers() -> None:
    """Results of earlier runs stay readable: a number keeps its meaning."""
    views = standard_views()
    assert views[0] == View(0, -20, -15, -40, 0)
    assert views[1] == View(1, -20, -15, 0, 0)
    assert views[9] == View(9, 0, -15, -40, 0)
    assert views[40] == View(40, 0, 0, 0, 30)
    assert views[80] == View(80, 20, 15, 40, 60)


def test_views_are_balanced() -> None:
    """Left and right are tried alike, or one half of the face counts more."""
    views = standard_views()
    mirrored = {
        (-v.camera_yaw, v.camera_pitch, -v.light_azimuth, v.light_elevation) for v in views
    }
    assert mirrored == {
        (v.camera_yaw, v.camera_pitch, v.light_azimuth, v.light_elevation) for v in views
    }


def test_soft_views_follow_those_of_the_study() -> None:
    """Otherwise the study's rows get renders that it did not have."""
    views = all_views()
    assert [view.index for view in views] == list(range(90))
    assert views[:81] == standard_views()
    assert [view.style for view in soft_views()] == ['soft'] * 9
    cameras = list(dict.fromkeys(view.camera for view in standard_views()))
    assert [view.camera for view in soft_views()] == cameras
    assert style_numbers('plain') == range(81)
    assert style_numbers('soft') == range(81, 90)


def test_every_other_view_leaves_out_none_that_has_no_neighbour() -> None:
    """Otherwise a camera or a light is missing, and who looks like that is not found."""

    def angles(view: View) -> list[float | None]:
        return [view.camera_yaw, view.camera_pitch, view.light_azimuth, view.light_elevation]

    def differences(one: View, other: View) -> int:
        return sum(a != b for a, b in zip(angles(one), angles(other), strict=True))

    some = alternate_views()
    assert len(some) == 41
    for view in standard_views():
        near = sum(differences(view, other) == 1 for other in some)
        # in each direction there is one neighbour, or two
        assert near >= 4 if view not in some else near <= 4
        assert sum(view.camera == other.camera for other in some) in (4, 5)
        assert sum(view.light == other.light for other in some) in (4, 5)
