"""The views: nine cameras, each with nine lights, and the views that look like photographs."""

from __future__ import annotations

from itertools import product

from bids_reid.records import Style, View

CAMERA_YAWS = (-20.0, 0.0, 20.0)
CAMERA_PITCHES = (-15.0, 0.0, 15.0)
LIGHT_AZIMUTHS = (-40.0, 0.0, 40.0)
LIGHT_ELEVATIONS = (0.0, 30.0, 60.0)
N_LIGHTS = len(LIGHT_AZIMUTHS) * len(LIGHT_ELEVATIONS)
N_STANDARD = len(CAMERA_YAWS) * len(CAMERA_PITCHES) * N_LIGHTS
"""Views of the study; the numbers of the others follow theirs."""
PHOTO_LIKE: tuple[Style, ...] = ('soft', 'painted')
"""Styles of the views beside those of the study, in the order of their numbers."""


def standard_views() -> tuple[View, ...]:
    """Return the 81 views, in the order of their numbers: all lights of a camera together."""
    cameras = product(CAMERA_PITCHES, CAMERA_YAWS)
    lights = tuple(product(LIGHT_ELEVATIONS, LIGHT_AZIMUTHS))
    placed = ((yaw, pitch, *light) for pitch, yaw in cameras for light in lights)
    return tuple(
        View(number, yaw, pitch, azimuth, elevation)
        for number, (yaw, pitch, elevation, azimuth) in enumerate(placed)
    )


def photo_like_views() -> tuple[View, ...]:
    """Return, for each style of `PHOTO_LIKE`, a view of each camera, numbered from 81 on."""
    placed = product(PHOTO_LIKE, CAMERA_PITCHES, CAMERA_YAWS)
    return tuple(
        View(number, yaw, pitch, None, None, style)
        for number, (style, pitch, yaw) in enumerate(placed, start=N_STANDARD)
    )


def all_views() -> tuple[View, ...]:
    """Return the standard views and those that look like photographs."""
    return standard_views() + photo_like_views()


def style_numbers(style: Style) -> range:
    """Return the numbers of the views of a style."""
    numbers = [view.index for view in all_views() if view.style == style]
    return range(numbers[0], numbers[-1] + 1)
