"""Renders show the surface from the camera and under the light that the view says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import pyvista as pv
from numpy.typing import NDArray

from bids_reid.records import View
from bids_reid.views.cameras import standard_views
from bids_reid.views.render import (
    AMBIENT,
    CAMERA_MM,
    FIELD_MM,
    GAMMA,
    Renders,
    render_views,
    soft_renders,
)

PIXELS = 96
VIEWS = standard_views()


def look(
    head: Any, *, yaw: float = 0, pitch: float = 0, azimuth: float = 0, elevation: float = 0
) -> NDArray[np.int64]:
    view = View(0, yaw, pitch, azimuth, elevation)
    return render_views(*head, [view], pixels=PIXELS).images[0].astype(int)


@pytest.fixture(scope='module')
def renders(head: Any) -> Renders:
    return render_views(*head, VIEWS, pixels=PIXELS)


def test_every_view_gives_another_picture(renders: Renders) -> None:
    """Otherwise lights or cameras do not move, and 81 attacks are a few."""
    images = renders.images
    assert images.shape == (81, PIXELS, PIXELS)
    assert images.dtype == np.uint8
    flat = images.reshape(81, -1).astype(np.int16)
    for number in range(81):
        difference = np.abs(flat - flat[number]).mean(axis=1)
        assert np.flatnonzero(difference < 0.5).tolist() == [number]


def test_the_renderer_is_named(renders: Renders) -> None:
    """Pixels may differ between drivers; a report has to say which it was."""
    assert renders.renderer not in ('', 'unknown')


def test_a_light_from_the_left_brightens_the_left(head: Any) -> None:
    """The participant's left is on the viewer's right; mirrored lights match nobody."""
    half = PIXELS // 2
    for azimuth, bright, dark in (
        (40, slice(half, None), slice(half)),
        (-40, slice(half), slice(half, None)),
    ):
        picture = look(head, azimuth=azimuth)
        assert picture[:, bright].sum() > 1.2 * picture[:, dark].sum()


def test_a_light_from_above_brightens_the_forehead(head: Any) -> None:
    picture = look(head, elevation=60)
    assert picture[20:40, 40:56].mean() > 1.3 * picture[60:80, 40:56].mean()


def test_the_picture_is_not_mirrored_nor_upside_down(head: Any) -> None:
    """A bump on the left cheek, low on the face, is in the lower right of the picture."""
    smooth = head._replace(points=head.points.copy())
    cheek = (head.points[:, 0] < head.frame.origin[0] - 20) & (head.points[:, 2] < 25)
    smooth.points[cheek] = (head.points[cheek] - head.frame.origin) * 0.97 + head.frame.origin
    rows, columns = np.nonzero(np.abs(look(head) - look(smooth)) > 3)
    assert rows.size > 50
    assert columns.min() > PIXELS // 2
    assert rows.min() > PIXELS // 2 - 8


def test_the_camera_goes_where_the_view_says(head: Any) -> None:
    """From the left the nose points to the viewer's left; from above it hangs lower."""
    nose = head.points[head.points[:, 1].argmax()]
    right = -head.frame.left
    for yaw, pitch in ((20, 0), (-20, 0), (0, 15), (0, -15), (20, 15)):
        ahead = head.frame.direction(yaw, pitch)
        across = np.cross(head.frame.up, ahead)
        across /= np.linalg.norm(across)
        # as seen from the camera: x to the viewer's right, y up, by similar triangles
        away = nose - head.frame.origin
        scale = PIXELS / FIELD_MM * CAMERA_MM / (CAMERA_MM - away @ ahead)
        x = PIXELS / 2 + scale * (away @ across)
        y = PIXELS / 2 - scale * (away @ np.cross(ahead, across))
        blunt = head._replace(points=head.points.copy())
        tip = np.linalg.norm(blunt.points - nose, axis=1) < 12
        blunt.points[tip] += np.float32(4) * head.frame.forward.astype(np.float32)
        change = np.abs(
            look(head, yaw=yaw, pitch=pitch) - look(blunt, yaw=yaw, pitch=pitch)
        ).astype(float)
        rows, columns = np.indices(change.shape)
        assert abs((columns * change).sum() / change.sum() + 0.5 - x) < 4
        assert abs((rows * change).sum() / change.sum() + 0.5 - y) < 4
    assert right[0] == 1


def lambert(head: Any, view: View) -> NDArray[np.int64]:
    """What PyVista's own lighting gives: one directional light, no highlights."""
    mesh = pv.PolyData.from_regular_faces(head.points, head.triangles).compute_normals(
        cell_normals=False, split_vertices=False, consistent_normals=False
    )
    origin = head.frame.origin
    plotter = pv.Plotter(off_screen=True, window_size=[PIXELS, PIXELS], lighting='none')
    plotter.set_background('black')
    plotter.add_mesh(
        mesh,
        color='white',
        ambient=AMBIENT,
        diffuse=1 - AMBIENT,
        specular=0,
        smooth_shading=True,
    )
    toward = head.frame.direction(view.light_azimuth, view.light_elevation)
    light = pv.Light(
        position=tuple(origin + 1000 * toward), focal_point=tuple(origin), light_type='scene light'
    )
    light.positional = False
    plotter.add_light(light)
    camera = plotter.camera
    camera.view_angle = 2 * np.degrees(np.arctan(FIELD_MM / 2 / CAMERA_MM))
    camera.focal_point = tuple(origin)
    toward = head.frame.direction(view.camera_yaw, view.camera_pitch)
    camera.position = tuple(origin + CAMERA_MM * toward)
    camera.up = tuple(head.frame.up)
    plotter.renderer.ResetCameraClippingRange()
    plotter.render()
    picture = np.asarray(plotter.screenshot(return_img=True))[..., 0].astype(int)
    plotter.close()
    return picture


@pytest.mark.parametrize('number', [0, 8, 24, 40, 56, 72, 80])
def test_renders_are_what_a_renderer_gives(head: Any, renders: Renders, number: int) -> None:
    """Shading by arithmetic is a short cut; it must not change what is recognised.

    Measured: 0.4 to 0.55 grey levels of mean difference, all of it on the outline.
    """
    difference = np.abs(renders.images[number].astype(int) - lambert(head, VIEWS[number]))
    assert difference.mean() <= 1
    assert np.percentile(difference, 97) <= 2


def test_the_head_is_in_the_picture_and_its_back_is_not_needed(
    head: Any, renders: Renders
) -> None:
    """A head that is cut off, or a hole in the outline, is a face that is not found."""
    seen = renders.images > 0
    assert 0.3 < seen.mean() < 0.7
    assert not seen[:, 0].any()
    assert not seen[:, :, [0, -1]].any()
    for number in range(0, 81, 9):
        whole = lambert(head, VIEWS[number]) > 0
        assert (whole ^ seen[number]).sum() < 0.02 * whole.sum()


def test_a_surface_inside_out_is_not_the_same(head: Any) -> None:
    """The orientation of the triangles is what tells front from back."""
    turned = head._replace(triangles=head.triangles[:, ::-1].copy())
    assert look(turned).mean() < 0.3 * look(head).mean()


def test_twice_gives_the_same_bytes(head: Any, renders: Renders) -> None:
    """Otherwise a repeated audit gives another risk."""
    again = render_views(*head, VIEWS, pixels=PIXELS)
    assert again.images.tobytes() == renders.images.tobytes()


def test_views_do_not_depend_on_what_is_rendered_with_them(head: Any, renders: Renders) -> None:
    """PyVista likes to return the picture before; a few views alone must be the same."""
    some = [VIEWS[number] for number in (80, 3, 4, 40)]
    alone = render_views(*head, some, pixels=PIXELS).images
    for picture, view in zip(alone, some, strict=True):
        assert np.array_equal(picture, renders.images[view.index])


def test_where_the_scanner_stood_does_not_matter(head: Any, renders: Renders) -> None:
    """The frame moves with the head."""
    shift = np.array([40, -30, 500])
    frame = type(head.frame)(head.frame.origin + shift, head.frame.forward, head.frame.up)
    moved = render_views(
        (head.points + shift).astype(np.float32),
        head.triangles,
        frame,
        VIEWS[36:45],
        pixels=PIXELS,
    )
    difference = np.abs(moved.images.astype(int) - renders.images[36:45])
    assert difference.mean() < 0.5


def test_a_small_head_fills_the_picture_as_a_large_one_does(head: Any, renders: Renders) -> None:
    """Otherwise a child's face is rendered with fewer pixels than its parents'."""
    frame = type(head.frame)(0.75 * head.frame.origin, head.frame.forward, head.frame.up, 0.75)
    points = (0.75 * head.points).astype(np.float32)
    small = render_views(points, head.triangles, frame, VIEWS[:9], pixels=PIXELS)
    difference = np.abs(small.images.astype(int) - renders.images[:9])
    assert difference.mean() < 0.5


def test_what_no_camera_sees_is_black(head: Any) -> None:
    """Under a frame that is wrong a skin may lie aside: it fails later, and not here."""
    aside = head.points + 600 * head.frame.left
    images = render_views(aside.astype(np.float32), *head[1:], VIEWS[:18], pixels=PIXELS).images
    assert images.shape == (18, PIXELS, PIXELS)
    assert not images.any()


def test_what_reaches_the_border_is_shown_there(head: Any, renders: Renders) -> None:
    """Only the part of a picture that shows something is shaded: all of it has to be."""
    near = head.frame.origin + 2.5 * (head.points - head.frame.origin)
    images = render_views(near.astype(np.float32), *head[1:], VIEWS[36:45], pixels=PIXELS).images
    assert images[:, 0].any(axis=1).all()
    assert images[:, :, 0].any(axis=1).all()
    assert images[:, :, -1].any(axis=1).all()


def test_soft_light_is_that_of_all_lights_as_bright_as_in_a_photograph(renders: Renders) -> None:
    """The table that it is taken from has to be what it stands for."""
    soft = soft_renders(renders.images, VIEWS)
    light = renders.images.reshape(9, 9, PIXELS, PIXELS).mean(axis=1) / 255
    np.testing.assert_array_equal(soft, np.round(255 * light ** (1 / GAMMA)))
