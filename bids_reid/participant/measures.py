"""What the participant level measures of a face's presence, as a scan's record holds it.

Whoever only reads records, as every run does, needs none of what measures.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from bids_reid.records import BrainCut, FaceEvidence, FaceRelief
from bids_reid.risk.presence import Measured
from bids_reid.views.cameras import standard_views

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bids_reid.surface.frame import FaceFrame
    from bids_reid.surface.skin import Skin
    from bids_reid.surface.volume import Volume

T = TypeVar('T', FaceRelief, FaceEvidence, BrainCut)


def shape_record(volume: Volume, skin: Skin, frame: FaceFrame) -> dict[str, Any]:
    """Measure relief and cut brain on the surface; entries for the record of the scan."""
    from bids_reid.surface.brain import brain_cut
    from bids_reid.surface.frame import FieldOfView
    from bids_reid.surface.relief import face_relief

    view = FieldOfView(volume.affine, volume.data.shape)
    return {
        'FaceRelief': _entries(face_relief(skin.points, skin.triangles, frame, view)),
        'BrainCut': _entries(brain_cut(volume, skin, frame, view)),
    }


def evidence_record(surface: Path, record: Path, renders_file: Path) -> dict[str, Any]:
    """Ask detectors and landmarks; nothing is asked about a brain.

    Nor about a completed face: what was scanned of it was asked about before.
    """
    from bids_reid.faces.evidence import face_evidence
    from bids_reid.surface.gifti import read_surface

    content = json.loads(record.read_text())
    if 'FaceEvidence' in content:
        return {'FaceEvidence': content['FaceEvidence']}
    if content['SkullStripped']:
        return {'FaceEvidence': _entries(FaceEvidence())}
    points, _ = read_surface(surface)
    renders, frame = np.load(renders_file, mmap_mode='r'), read_frame(content)
    return {'FaceEvidence': _entries(face_evidence(renders, standard_views(), points, frame))}


def evidence_of(skin: Skin, frame: FaceFrame) -> dict[str, Any]:
    """Ask them about a surface, of which only the renders that they need are made."""
    from bids_reid.faces.evidence import asked_views, face_evidence
    from bids_reid.views.render import render_views

    views = standard_views()
    asked = [views[number] for number in asked_views(views)]
    renders, _ = render_views(skin.points, skin.triangles, frame, asked)
    return {'FaceEvidence': _entries(face_evidence(renders, asked, skin.points, frame))}


def read_frame(record: Mapping[str, Any]) -> FaceFrame:
    """Return the face frame of a scan's record."""
    from bids_reid.surface.frame import FaceFrame

    placed = record['FaceFrame']
    origin, forward, up = (np.array(placed[axis]) for axis in ('Origin', 'Forward', 'Up'))
    return FaceFrame(origin, forward, up, placed['Scale'])


def measured(record: Mapping[str, Any]) -> Measured:
    """Read what a scan's record holds for `bids_reid.risk.presence.assess`."""
    face, quality = record.get('Face', {}), record.get('SurfaceQuality', {})
    return Measured(
        failed=record.get('Status') == 'failed',
        failure=record.get('Reason') if record.get('Status') == 'failed' else None,
        skull_stripped=bool(record.get('SkullStripped')),
        framed=record.get('FaceFrame', {}).get('Source') == 'face',
        covered=face.get('FaceCovered'),
        behind_mm=face.get('FaceBehindMm'),
        head_loss=face.get('HeadLoss'),
        core_in_view=quality.get('FaceCoreInView'),
        noise=quality.get('RelativeNoise'),
        edge_mm=quality.get('EdgeBlurMm'),
        relief=_read(FaceRelief, record.get('FaceRelief')),
        evidence=_read(FaceEvidence, record.get('FaceEvidence')),
        brain=_read(BrainCut, record.get('BrainCut')),
    )


def _name(field: str) -> str:
    """Name of a field as JSON in BIDS spells it: LandmarksOffMm."""
    return ''.join(part.capitalize() for part in field.split('_'))


def _entries(values: FaceRelief | FaceEvidence | BrainCut) -> dict[str, float | int | None]:
    return {
        _name(field): round(value, 3) if isinstance(value, float) else value
        for field, value in asdict(values).items()
    }


def _read(kind: type[T], content: Mapping[str, Any] | None) -> T | None:
    """Make a record of measures from its JSON; ``None`` if an older version left none."""
    if content is None:
        return None
    return kind(**{field.name: content.get(_name(field.name)) for field in fields(kind)})  # type: ignore[arg-type]
