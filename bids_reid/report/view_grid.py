"""Where the detector found a face: cameras and lights, told by what differs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bids_reid.report import words
from bids_reid.views.directions import direction

if TYPE_CHECKING:
    from bids_reid.participant.content import ViewLine

Angles = tuple[float, float]


@dataclass(frozen=True, slots=True)
class GridLine:
    """A camera, and whether a face was found under each light; ``None``: there is no such view."""

    camera: str
    found: tuple[bool | None, ...]


@dataclass(frozen=True, slots=True)
class ViewGrid:
    """Where a face was found.

    Attributes
    ----------
    sentence : str
        The number of views.
    always, never : tuple of str
        Cameras that showed a face in every light, and in none; empty if all cameras are alike.
    lights : tuple of str
        Columns of ``lines``.
    lines : tuple of GridLine
        The other cameras: for these the light decided.
    """

    sentence: str
    always: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    lights: tuple[str, ...] = ()
    lines: tuple[GridLine, ...] = ()


def view_grid(views: Iterable[ViewLine]) -> ViewGrid | None:
    """Lay the views out as somebody in front of the participant would: high cameras on top.

    ``None`` if nothing is known of any view.
    """
    found: dict[Angles, dict[Angles, bool]] = {}
    for line in views:
        found.setdefault(line.view.camera[::-1], {})[line.view.light[::-1]] = line.face_found
    if not found:
        return None
    answers = [answer for lights in found.values() for answer in lights.values()]
    sentence = _sentence(sum(answers), len(answers))
    if len(set(answers)) == 1:
        return ViewGrid(sentence)
    cameras = sorted(found, key=lambda camera: (-camera[0], camera[1]))
    mixed = [camera for camera in cameras if len(set(found[camera].values())) > 1]
    lights = sorted({light for camera in mixed for light in found[camera]})
    return ViewGrid(
        sentence,
        always=tuple(direction(*camera) for camera in cameras if all(found[camera].values())),
        never=tuple(direction(*camera) for camera in cameras if not any(found[camera].values())),
        lights=tuple(direction(*light) for light in lights),
        lines=tuple(
            GridLine(direction(*camera), tuple(found[camera].get(light) for light in lights))
            for camera in mixed
        ),
    )


def _sentence(n_found: int, n_views: int) -> str:
    """Say in how many views a face was found.

    >>> _sentence(81, 81)
    'The detector found a face in all 81 views.'
    """
    if not n_found:
        return f'The detector found no face in any of {words.count(n_views, "view")}.'
    if n_found == n_views:
        return f'The detector found a face in all {words.count(n_views, "view")}.'
    return f'The detector found a face in {n_found:,} of {words.count(n_views, "view")}.'
