"""What the participant level says of a scan with a whole face, to be changed by each test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_reid.bids.derivatives import save_scan
from bids_reid.bids.layout import ScanFiles
from bids_reid.participant.content import ScanLine
from bids_reid.participant.library import EnrolledScan
from bids_reid.records import (
    BrainCut,
    Claim,
    FaceBoxes,
    FaceEvidence,
    FaceFit,
    FaceRelief,
    HalfFaces,
    Origin,
    PartTrace,
    PlacedFrame,
    Scan,
    ScanMeasures,
    ScanRecord,
    SurfaceQuality,
)
from bids_reid.surface.parts import PARTS
from bids_reid.views.cameras import all_views

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bids_reid.records import KeypointTemplate, Template
    from bids_reid.risk.presence import Verdict

FRAME = PlacedFrame((0.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), 1.0, 'face', 0.0)


def left(part: str) -> PartTrace:
    """Return traces of a part that is there."""
    return PartTrace(part, 1.0, 0.95, 0.95, 0.8, 0.85, 0.7, 0.0, 0.98, 0.0)


def removed(part: str) -> PartTrace:
    """Return traces of a part that a tool removed."""
    return PartTrace(part, 1.0, 0.02, 0.05, 0.02, 0.05, 6.0, -14.0, 0.05, 0.7)


def outside(part: str) -> PartTrace:
    """Return traces of a part that is not in the image."""
    return PartTrace(part, 0.0)


def parts(
    trace: Callable[[str], PartTrace], *others: PartTrace, ears: bool = True
) -> tuple[PartTrace, ...]:
    """Return traces of all parts, some of which are others; ears are there by default."""
    named = {one.name: one for one in others}
    kept = {name: left(name) for name in ('left ear', 'right ear') if ears}
    return tuple(named.get(name) or kept.get(name) or trace(name) for name in PARTS)


WHOLE_FACE = ScanMeasures(
    voxel_size=(1.0, 1.0, 1.0),
    notes=(),
    points=1000,
    volume_litres=4.5,
    vault_roughness=None,
    skull_stripped=False,
    surface_quality=SurfaceQuality(0.05, 0.8, 1.0, 1.0, 1.5),
    face_frame=FRAME,
    face=FaceFit(face_covered=0.97, face_behind_mm=0.5, head_loss=0.4),
    face_relief=FaceRelief(1.0, 1.0, 0.9, 1.0, 0.8, 1.1, 0.98, 0.15, 0.005),
    brain_cut=BrainCut(0.0, 0.0),
    face_parts=parts(left),
    face_map='d' * 5785,
    half_faces=HalfFaces(2.2, 0.8),
    face_evidence=FaceEvidence(3, 2.5, 3, 1.0, 5.0, 4.0),
)
NO_FACE = replace(
    WHOLE_FACE,
    face=FaceFit(face_covered=0.1, face_behind_mm=30.0, head_loss=0.4),
    face_relief=FaceRelief(1.0, 0.2, 0.0, 0.0, 0.1, 0.3, 0.6, 0.8, 0.02),
    face_frame=replace(FRAME, off_mm=6.0),
    face_parts=parts(removed),
    face_map='a' * 5785,
    half_faces=HalfFaces(-0.6, None),
    face_evidence=FaceEvidence(3, -0.5, 0, None, None, 30.0),
)


def quality(**changes: float) -> SurfaceQuality:
    """Return the quality of the surface of a good scan, with some numbers changed."""
    return replace(WHOLE_FACE.surface_quality, **changes)


def boxes(*numbers: int) -> FaceBoxes:
    """Return a box in every view, found by a detector in those of ``numbers``."""
    views = [view.index for view in all_views()]
    return FaceBoxes(((1, 2, 3, 4),) * len(views), tuple(view in numbers for view in views))


def scan_record(
    *extractors: str,
    status: str = 'ok',
    condition: str = 'raw',
    measures: ScanMeasures = WHOLE_FACE,
    **changes: Any,
) -> ScanRecord:
    """Return the record of a scan, or of one that failed."""
    processed: dict[str, Any] = {}
    if status != 'failed':
        processed = {'n_views_with_face': 81 if status == 'ok' else 0, 'measures': measures}
        processed |= {'renderer': 'llvmpipe', 'extractors': extractors}
    record = ScanRecord(
        status=status,  # type: ignore[arg-type]
        reason='broken' if status == 'failed' else None,
        deidentification=Claim(),
        origin=Origin(condition, (f'bids:{condition}:x',), None, {'bids_reid': '0'}),
        **processed,
    )
    return replace(record, **changes)


def save_results(
    scan: Scan,
    dataset: Path,
    out: Path,
    templates: Mapping[str, Template | KeypointTemplate],
    **changes: Any,
) -> Path:
    """Save a scan with a template of each extractor, whose model is ``m``."""
    surface = out.parent / 'skin.surf.gii'
    surface.write_text('<GIFTI></GIFTI>')
    results: dict[str, Any] = {
        'measures': WHOLE_FACE,
        'faces': boxes(*range(90)),
        'reason': None,
        'renderer': 'llvmpipe',
        'renders': None,
    }
    provenance = {name: {'Extractor': name, 'Model': 'm'} for name in templates}
    results['templates'] = [(provenance[name], one) for name, one in templates.items()]
    return save_scan(scan, dataset, out, surface=surface, **results | changes)


def enrolled(
    participant: str,
    *extractors: str,
    condition: str = 'raw',
    modality: str = 'T1w',
    status: str = 'ok',
    folder: Path = Path('/nowhere'),
) -> EnrolledScan:
    """Return what the group level knows of a scan."""
    scan = Scan(participant, None, modality, f'sub-{participant}', folder, condition)
    verdict: Verdict = 'no findings' if status == 'ok' else 'could not assess'
    line = ScanLine(participant, None, modality, condition, 'x', status, verdict=verdict)
    record = scan_record(*extractors, status=status)
    return EnrolledScan(line, ScanFiles.of(scan, folder), record)
