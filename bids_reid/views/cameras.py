"""The views: nine cameras, each with nine lights."""

from __future__ import annotations

from itertools import product

from bids_reid.records import View

CAMERA_YAWS = (-20.0, 0.0, 20.0)
CAMERA_PITCHES = (-15.0, 0.0, 15.0)
LIGHT_AZIMUTHS = (-40.0, 0.0, 40.0)
LIGHT_ELEVATIONS = (0.0, 30.0, 60.0)


def standard_views() -> tuple[View, ...]:
    """Return the 81 views, in the order of their numbers: all lights of a camera together."""
    cameras = product(CAMERA_PITCHES, CAMERA_YAWS)
    lights = tuple(product(LIGHT_ELEVATIONS, LIGHT_AZIMUTHS))
    placed = ((yaw, pitch, *light) for pitch, yaw in cameras for light in lights)
    return tuple(
        View(number, yaw, pitch, azimuth, elevation)
        for number, (yaw, pitch, elevation, azimuth) in enumerate(placed)
    )
