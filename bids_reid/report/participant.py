"""The participant page: what became of each scan, for whoever has to mend it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from os import SEEK_END
from typing import TYPE_CHECKING

from markupsafe import Markup

from bids_reid import __version__
from bids_reid.bids.files import write_text
from bids_reid.report import words
from bids_reid.report.head_picture import CLASSES, Key, base_address, view_widths
from bids_reid.report.html import render_page
from bids_reid.report.overview import (
    Version,
    as_slots,
    filled,
    page_slots,
    slot_contents,
    slots_of,
    version_of,
)
from bids_reid.report.parts_left import ScanFace, scan_face
from bids_reid.report.view_grid import ViewGrid, view_grid
from bids_reid.risk.gate import NO_FINDINGS

if TYPE_CHECKING:
    from pathlib import Path

    from bids_reid.participant.content import (
        FacePicture,
        ParticipantReport,
        ScanReport,
        TemplateLine,
    )


@dataclass(frozen=True, slots=True)
class VersionColumn:
    """A version of a scan as the template shows it; ``version`` is its verdict and next step."""

    scan: ScanReport
    version: Version
    grid: ViewGrid | None
    faces: tuple[tuple[str, str], ...]
    face: ScanFace | None

    @property
    def key(self) -> str:
        """Name of the version in the page."""
        return self.version.key

    @property
    def detector_alone(self) -> bool:
        """Whether the detector reports a face on a scan without a finding."""
        seen = any(view.face_found for view in self.scan.views)
        return seen and self.scan.line.verdict == NO_FINDINGS


@dataclass(frozen=True, slots=True)
class Series:
    """The versions of one scan, or of several of a session and modality: one column each.

    ``facts`` are rows: what was measured, and the value of each column.
    """

    title: str
    columns: tuple[VersionColumn, ...]
    facts: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def legend(self) -> tuple[Key, ...]:
        """The colours of all pictures in it."""
        figures = [one.face.figure for one in self.columns if one.face is not None]
        keys = [key for figure in figures if figure is not None for key in figure.legend]
        order = [*CLASSES.values()]
        known = sorted((key for key in dict.fromkeys(keys) if key in order), key=order.index)
        return (*known, *(key for key in dict.fromkeys(keys) if key not in order))


def participant_page_path(output_dir: Path, participant: str) -> Path:
    """Where the page of a participant is."""
    return output_dir / f'sub-{participant}.html'


def write_participant_page(
    output_dir: Path, content: ParticipantReport, *, anew: bool = False
) -> Path:
    """Write the page of one participant, unless it is there with the same content.

    Painting heads takes most of the time of a run that has nothing else to do. What the group
    level said stays if no scan and no verdict has changed: after ``bids-reid-purge`` only the
    counts of templates have.

    Parameters
    ----------
    anew : bool
        Write it in any case.

    Raises
    ------
    CannotWriteError
        The page cannot be written.
    """
    path, mark = participant_page_path(output_dir, content.participant), _mark(content)
    if anew or not _ends_with(path, mark):
        scans = _scans_mark(content)
        page = _with_slots_of(path, participant_page(content) + scans, scans)
        write_text(path, page + mark)
    return path


def _with_slots_of(path: Path, page: str, mark: str) -> str:
    """Fill the slots of a page from an earlier one with the same mark of its scans."""
    try:
        earlier = path.read_text(encoding='utf-8')
    # there is none, or a damaged one, which is written anew
    except (OSError, UnicodeDecodeError):
        return page
    return filled(page, slot_contents(earlier)) if mark in earlier else page


def _scans_mark(content: ParticipantReport) -> str:
    """Return a comment that tells these scans, verdicts and version from all others."""
    return _comment('scans ', [(scan.line, scan.sha256) for scan in content.scans])


def _mark(content: ParticipantReport) -> str:
    """Return a comment that tells a page of this content and version from all others.

    The command is left out: other options alone are no reason to write a page again, which would
    lose what the group level and people said about its scans.
    """
    said = replace(content, provenance=replace(content.provenance, command=''))
    return _comment('', said)


def _comment(name: str, said: object) -> str:
    text = f'{__version__} {said!r}'.encode('utf-8', 'surrogateescape')
    return f'<!-- {name}{sha256(text).hexdigest()} -->\n'


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
    series = _series(content.scans)
    columns = [column for one in series for column in one.columns]
    versions = [column.version for column in columns]
    contents = page_slots(versions, group_page=False)
    for version in versions:
        contents |= slots_of(version)
    has_maps = any(one.legend for one in series)
    return render_page(
        'participant.html.j2',
        scripts=('rating.js',),
        report=content,
        series=series,
        slots=as_slots(contents),
        view_widths=view_widths(),
        # Markup is right: it is made of letters and digits
        head_base=Markup(base_address()) if has_maps else '',  # noqa: S704
        shows_faces=any(column.faces for column in columns),
    )


def _series(scans: Iterable[ScanReport]) -> list[Series]:
    """Put versions of the same session and modality side by side, in the order of the scans."""
    together: dict[str, list[VersionColumn]] = {}
    for scan in scans:
        line = scan.line
        title = f'ses-{line.session} · {line.modality}' if line.session else line.modality
        together.setdefault(title, []).append(_column(scan))
    return [Series(title, tuple(some), _facts(some)) for title, some in together.items()]


def _column(scan: ScanReport) -> VersionColumn:
    return VersionColumn(
        scan,
        version_of(scan.line, scan.line.source, scan.sha256),
        view_grid(scan.views),
        tuple(map(_embedded, scan.faces)),
        scan_face(scan.face_map, scan.line.parts),
    )


def _facts(columns: Sequence[VersionColumn]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the technical facts, a row each."""
    facts = [dict(_facts_of(column.scan)) for column in columns]
    names = dict.fromkeys(name for some in facts for name in some)
    return tuple((name, tuple(some.get(name, 'n/a') for some in facts)) for name in names)


def _facts_of(scan: ScanReport) -> Iterator[tuple[str, str]]:
    status = scan.line.status
    yield 'File', scan.line.source
    yield 'SHA-256', scan.sha256 or 'n/a'
    yield 'Result', words.captions()['scan_status'].get(status, status)
    yield from scan.surface
    for template in scan.templates:
        yield f'Template of {template.extractor}', _counted(template)


def _counted(template: TemplateLine) -> str:
    """Say what a template holds: views of the study and those in soft light apart."""
    views = f'{words.count(template.n_views, "view")} of the study'
    if template.n_soft:
        views += f' and {template.n_soft:,} in soft light'
    if template.n_keypoints is None:
        text = f'{views}; {words.count(template.n_dimensions, "number")} each'
    else:
        keypoints = words.count(template.n_keypoints, 'keypoint')
        text = f'{views}; {keypoints} of {words.count(template.n_dimensions, "byte")}'
    n_placed = template.n_views - template.n_found
    if n_placed:
        text += (
            f'. The detector found the face in {template.n_found:,}; in the other {n_placed:,} '
            'the shape of the head says where it is'
        )
    return text


def _embedded(picture: FacePicture) -> tuple[str, str]:
    """Return the picture as a data address, and its caption."""
    return 'data:image/png;base64,' + b64encode(picture.png).decode('ascii'), picture.caption
