"""The participant page: what became of each scan, for whoever has to mend it."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from os import SEEK_END
from pathlib import Path

from bids_reid import __version__
from bids_reid.bids.files import write_text
from bids_reid.participant.content import FacePicture, ParticipantReport, ScanReport, ViewLine
from bids_reid.report.head_picture import view_widths
from bids_reid.report.html import render_page
from bids_reid.report.parts_left import ScanFace, scan_face


@dataclass(frozen=True, slots=True)
class GridLine:
    """One camera of the grid and whether a face was found under each light, ``None``: no view."""

    camera: str
    found: tuple[bool | None, ...]


@dataclass(frozen=True, slots=True)
class ViewGrid:
    """Where a face was found: cameras down, lights across."""

    lights: tuple[str, ...]
    lines: tuple[GridLine, ...]
    n_found: int
    n_views: int


@dataclass(frozen=True, slots=True)
class ScanSection:
    """A scan as the template shows it."""

    scan: ScanReport
    grid: ViewGrid
    faces: tuple[tuple[str, str], ...]
    face: ScanFace | None


def participant_page_path(output_dir: Path, participant: str) -> Path:
    """Where the page of a participant is."""
    return output_dir / f'sub-{participant}.html'


def write_participant_page(
    output_dir: Path, content: ParticipantReport, *, anew: bool = False
) -> Path:
    """Write the page of one participant, unless it is there with the same content.

    Painting heads takes most of the time of a run that has nothing else to do.

    Parameters
    ----------
    anew : bool
        Write it in any case.
    """
    path, mark = participant_page_path(output_dir, content.participant), _mark(content)
    if anew or not _ends_with(path, mark):
        write_text(path, participant_page(content) + mark)
    return path


def _mark(content: ParticipantReport) -> str:
    """Return a comment that tells a page of this content and version from all others."""
    text = f'{__version__} {content!r}'
    return f'<!-- {sha256(text.encode("utf-8", "surrogateescape")).hexdigest()} -->\n'


def _ends_with(path: Path, mark: str) -> bool:
    end = mark.encode()
    try:
        with path.open('rb') as file:
            file.seek(-len(end), SEEK_END)
            return file.read() == end
    # there is none, or a shorter one
    except OSError:
        return False


def participant_page(content: ParticipantReport) -> str:
    """Return the page of one participant as one self-contained HTML file.

    It holds pictures of faces only if ``content`` does; the average head's is nobody's.
    """
    sections = [
        ScanSection(
            scan,
            _grid(scan.views),
            tuple(map(_embedded, scan.faces)),
            scan_face(scan.face_map, scan.line.parts),
        )
        for scan in content.scans
    ]
    return render_page(
        'participant.html.j2',
        report=content,
        sections=sections,
        view_widths=view_widths(),
        shows_faces=any(scan.faces for scan in content.scans),
    )


def _grid(views: tuple[ViewLine, ...]) -> ViewGrid:
    """Lay the views out as somebody in front of the participant would: high cameras on top."""
    face_found = {
        (line.view.camera[::-1], line.view.light[::-1]): line.face_found for line in views
    }
    cameras = sorted(
        {camera for camera, _ in face_found}, key=lambda camera: (-camera[0], camera[1])
    )
    lights = sorted({light for _, light in face_found})
    return ViewGrid(
        lights=tuple(_direction(*light) for light in lights),
        lines=tuple(
            GridLine(
                _direction(*camera), tuple(face_found.get((camera, light)) for light in lights)
            )
            for camera in cameras
        ),
        n_found=sum(line.face_found for line in views),
        n_views=len(views),
    )


def _direction(upwards: float, leftwards: float) -> str:
    """Say where a camera or light stands, seen from the participant.

    >>> _direction(15.0, -20.0), _direction(0.0, 0.0), _direction(-15.0, 0.0)
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


def _embedded(picture: FacePicture) -> tuple[str, str]:
    """Return the picture as a data address, and its caption."""
    return 'data:image/png;base64,' + b64encode(picture.png).decode('ascii'), picture.caption
