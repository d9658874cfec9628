"""The views: nine cameras, each with nine lights, and once in the light of all nine."""

from __future__ import annotations

from functools import cache
from itertools import product

from bids_reid.records import Style, View

CAMERA_YAWS = (-20.0, 0.0, 20.0)
CAMERA_PITCHES = (-15.0, 0.0, 15.0)
LIGHT_AZIMUTHS = (-40.0, 0.0, 40.0)
LIGHT_ELEVATIONS = (0.0, 30.0, 60.0)
N_LIGHTS = len(LIGHT_AZIMUTHS) * len(LIGHT_ELEVATIONS)
N_CAMERAS = len(CAMERA_YAWS) * len(CAMERA_PITCHES)
N_STANDARD = N_CAMERAS * N_LIGHTS
"""Views of the study; the numbers of soft views follow theirs."""
N_VIEWS = N_STANDARD + N_CAMERAS


def standard_views() -> tuple[View, ...]:
    """Return the 81 views, in the order of their numbers: all lights of a camera together."""
    cameras = product(CAMERA_PITCHES, CAMERA_YAWS)
    lights = tuple(product(LIGHT_ELEVATIONS, LIGHT_AZIMUTHS))
    placed = ((yaw, pitch, *light) for pitch, yaw in cameras for light in lights)
    return tuple(
        View(number, yaw, pitch, azimuth, elevation)
        for number, (yaw, pitch, elevation, azimuth) in enumerate(placed)
    )


def alternate_views() -> tuple[View, ...]:
    """Return every other standard view, 41 of them.

    A step moves the camera or the light to its next place. None of these views is one step from
    another, and each view that is left out is one step from several of them.
    """
    angles = (CAMERA_PITCHES, CAMERA_YAWS, LIGHT_ELEVATIONS, LIGHT_AZIMUTHS)
    places = product(*(range(len(some)) for some in angles))
    return tuple(
        view for view, place in zip(standard_views(), places, strict=True) if sum(place) % 2 == 0
    )


def soft_views() -> tuple[View, ...]:
    """Return one view of each camera in the light of all its lights, numbered from 81 on."""
    placed = product(CAMERA_PITCHES, CAMERA_YAWS)
    return tuple(
        View(number, yaw, pitch, None, None, 'soft')
        for number, (pitch, yaw) in enumerate(placed, start=N_STANDARD)
    )


def all_views() -> tuple[View, ...]:
    """Return the standard views and the soft ones."""
    return standard_views() + soft_views()


@cache
def style_numbers(style: Style) -> range:
    """Return the numbers of the views of a style."""
    numbers = [view.index for view in all_views() if view.style == style]
    return range(numbers[0], numbers[-1] + 1)
