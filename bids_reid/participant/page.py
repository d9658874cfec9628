"""The content of a participant's page, from the files of the participant level."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bids_reid.bids.derivatives import read_views
from bids_reid.bids.template_files import read_template
from bids_reid.errors import NoInputError, ScanError
from bids_reid.participant.content import (
    FacePicture,
    ParticipantReport,
    ScanReport,
    TemplateLine,
    ViewLine,
)
from bids_reid.participant.library import EnrolledScan, provenance_of
from bids_reid.participant.remarks import completed_parts
from bids_reid.records import KeypointTemplate, View
from bids_reid.surface.parts import known_map
from bids_reid.views.cameras import N_STANDARD, standard_views
from bids_reid.views.directions import direction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bids_reid.records import ScanMeasures, Template

DAMAGED = '{name} is damaged: run the participant level again'
SHOWN_VIEWS = (0, 4, 8, 36, 40, 44, 72, 76, 80)
"""Renders shown with --report-faces: the outermost and the middle cameras and lights."""


def participant_report(
    participant: str,
    scans: Sequence[EnrolledScan],
    *,
    dataset: str,
    command: str,
    show_faces: bool,
) -> ParticipantReport:
    """Put the content of a participant's page together, from all scans of the participant."""
    extractors = sorted({name for scan in scans for name in scan.record.extractors})
    return ParticipantReport(
        dataset=dataset,
        participant=participant,
        scans=tuple(_scan_report(scan, extractors, show_faces=show_faces) for scan in scans),
        provenance=provenance_of(scans, extractors, command),
    )


def _scan_report(scan: EnrolledScan, extractors: Sequence[str], *, show_faces: bool) -> ScanReport:
    measures = scan.record.measures
    sha256 = scan.record.origin.source_sha256
    if measures is None:
        return ScanReport(scan.line, sha256=sha256)
    # the page of a scan that is not chosen now, and that nobody mends, is written all the same
    damaged: list[str] = []
    views, templates = _view_lines(scan, damaged), _template_lines(scan, extractors, damaged)
    return ScanReport(
        line=scan.line,
        surface=_surface_lines(measures),
        views=views,
        templates=templates,
        warnings=(*measures.notes, *damaged),
        faces=_pictures(scan) if show_faces else (),
        face_map=known_map(measures.face_map),
        sha256=sha256,
    )


def _surface_lines(measures: ScanMeasures) -> tuple[tuple[str, str], ...]:
    quality, roughness = measures.surface_quality, measures.vault_roughness
    return (
        ('Voxel size', ' x '.join(f'{size:g}' for size in measures.voxel_size) + ' mm'),
        ('Points on the surface', f'{measures.points:,}'),
        ('Volume inside the surface', f'{measures.volume_litres:.2f} l'),
        ('Noise', f'{quality.relative_noise:.1%} of the brightness of the skin'),
        ('Blur of the skin edge', f'{quality.edge_blur_mm:.2f} mm'),
        ('Share of the face in the image', f'{quality.face_in_view:.0%}'),
        *_completed_line(measures),
        (
            'Roughness of the skull vault',
            'not measured: the head is larger than a brain'
            if roughness is None
            else f'{roughness:.1f}°',
        ),
    )


def _completed_line(measures: ScanMeasures) -> tuple[tuple[str, str], ...]:
    """Return the line about the part of the face that was completed, if any was."""
    completed = measures.face_completed
    if completed is None:
        return ()
    of_face = f'{completed.share:.0%} of the face: {completed_parts(measures)}'
    return (('Taken from an average head', of_face),)


def _view_lines(scan: EnrolledScan, damaged: list[str]) -> tuple[ViewLine, ...]:
    try:
        return tuple(ViewLine(view, found) for view, found in read_views(scan.files))
    except NoInputError:
        damaged.append(DAMAGED.format(name='the table of views'))
        return ()


def _template_lines(
    scan: EnrolledScan, extractors: Sequence[str], damaged: list[str]
) -> tuple[TemplateLine, ...]:
    lines = []
    for extractor in extractors:
        try:
            template = read_template(scan.files, extractor, found_only=False)
        except ScanError:
            damaged.append(DAMAGED.format(name=f'the template of {extractor}'))
            continue
        if template is not None:
            lines.append(_template_line(extractor, template))
    return tuple(lines)


def _template_line(extractor: str, template: Template | KeypointTemplate) -> TemplateLine:
    """Count the views of a template: those of the study and those in soft light apart."""
    plain = template.views < N_STANDARD
    found = plain if template.found is None else plain & template.found
    n_vectors, n_dimensions = template.shape
    return TemplateLine(
        extractor,
        n_dimensions,
        n_views=int(plain.sum()),
        n_soft=int((~plain).sum()),
        n_found=int(found.sum()),
        n_keypoints=n_vectors if isinstance(template, KeypointTemplate) else None,
    )


def _pictures(scan: EnrolledScan) -> tuple[FacePicture, ...]:
    views = standard_views()
    paths = {number: scan.files.render(number) for number in SHOWN_VIEWS}
    return tuple(
        FacePicture(path.read_bytes(), _caption(views[number]))
        for number, path in paths.items()
        if path.exists()
    )


def _caption(view: View) -> str:
    """Say where the camera and the light stand, seen from the participant."""
    camera, light = view.camera[::-1], view.light[::-1]
    return f'camera {direction(*camera)}; light {direction(*light)}'
