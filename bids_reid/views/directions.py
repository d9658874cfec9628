"""Where cameras and lights stand, in words."""

from __future__ import annotations


def direction(upwards: float, leftwards: float) -> str:
    """Say where a camera or light stands, seen from the participant.

    >>> direction(15.0, -20.0), direction(0.0, 0.0), direction(-15.0, 0.0)
    ('15° up, 20° right', 'front', '15° down')
    """
    parts = [
        f'{abs(angle):g}° {positive if angle > 0 else negative}'
        for angle, positive, negative in (
            (upwards, 'up', 'down'),
            (leftwards, 'left', 'right'),
        )
        if angle
    ]
    return ', '.join(parts) or 'front'
