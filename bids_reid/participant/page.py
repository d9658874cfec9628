"""The content of a participant's page, from the files of the participant level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bids_reid.bids.derivatives import picture_name, read_template
from bids_reid.bids.tables import read_table
from bids_reid.participant.content import (
    FacePicture,
    ParticipantReport,
    ScanReport,
    TemplateLine,
    ViewLine,
)
from bids_reid.participant.library import EnrolledScan, provenance_of, read_scans
from bids_reid.records import View
from bids_reid.views.cameras import standard_views

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SHOWN_VIEWS = (0, 4, 8, 40, 36, 44, 72, 76, 80)
"""Renders shown with --report-faces: the outermost and the middle cameras and lights."""


def participant_report(
    output_dir: Path, participant: str, *, dataset: str, command: str, show_faces: bool
) -> ParticipantReport:
    """Read the content of a participant's page from the files of the participant level."""
    scans = read_scans(output_dir, [participant])
    extractors = sorted({name for scan in scans for name in scan.record.get('Extractors', ())})
    return ParticipantReport(
        dataset=dataset,
        participant=participant,
        scans=tuple(_scan_report(scan, extractors, show_faces=show_faces) for scan in scans),
        provenance=provenance_of(scans, extractors, command),
    )


def _scan_report(scan: EnrolledScan, extractors: Sequence[str], *, show_faces: bool) -> ScanReport:
    if scan.line.status == 'failed':
        return ScanReport(scan.line)
    return ScanReport(
        line=scan.line,
        surface=_surface_lines(scan),
        views=_view_lines(scan),
        templates=_template_lines(scan, extractors),
        warnings=tuple(scan.record['Notes']),
        faces=_pictures(scan) if show_faces else (),
    )


def _surface_lines(scan: EnrolledScan) -> tuple[tuple[str, str], ...]:
    record = scan.record
    quality, roughness = record['SurfaceQuality'], record['VaultRoughness']
    return (
        ('Voxel size', ' x '.join(f'{size:g}' for size in record['VoxelSize']) + ' mm'),
        ('Points of the surface', f'{record["Points"]:,}'),
        ('Volume inside it', f'{record["VolumeLitres"]:.2f} l'),
        ('Noise', f'{quality["RelativeNoise"]:.1%} of the brightness of skin'),
        ('Blur of the edge of the skin', f'{quality["EdgeBlurMm"]:.2f} mm'),
        ('Face inside the field of view', f'{quality["FaceInView"]:.0%}'),
        *_completed_line(record),
        (
            'Roughness of the vault',
            'too large for a brain' if roughness is None else f'{roughness:.1f}°',
        ),
    )


def _completed_line(record: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return what of the face was completed from an average head, if anything."""
    completed = record.get('FaceCompleted')
    if not completed:
        return ()
    parts = ', '.join(completed['Parts']) or 'its edge'
    return (('Completed from an average head', f'{completed["Share"]:.0%} of the face: {parts}'),)


def _view_lines(scan: EnrolledScan) -> tuple[ViewLine, ...]:
    return tuple(
        ViewLine(
            View(
                int(row['view']),
                *(
                    float(row[angle])
                    for angle in (
                        'camera_yaw',
                        'camera_pitch',
                        'light_azimuth',
                        'light_elevation',
                    )
                ),
            ),
            row['face_found'] == 'yes',
        )
        for row in read_table(scan.files.views)
    )


def _template_lines(scan: EnrolledScan, extractors: Sequence[str]) -> tuple[TemplateLine, ...]:
    lines = []
    for extractor in extractors:
        template = read_template(scan.files, extractor)
        if template is not None:
            lines.append(TemplateLine(extractor, *template.shape))
    return tuple(lines)


def _pictures(scan: EnrolledScan) -> tuple[FacePicture, ...]:
    views = standard_views()
    paths = {number: scan.files.renders / picture_name(number) for number in SHOWN_VIEWS}
    return tuple(
        FacePicture(path.read_bytes(), _caption(views[number]))
        for number, path in paths.items()
        if path.exists()
    )


def _caption(view: View) -> str:
    return (
        f'camera {view.camera_yaw:+g}°, {view.camera_pitch:+g}°; '
        f'light {view.light_azimuth:+g}°, {view.light_elevation:+g}°'
    )
