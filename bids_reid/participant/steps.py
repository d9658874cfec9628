"""The steps between files: read, call one function of the science packages, write.

Interfaces call these; each imports what it needs when it runs, since workers start often.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bids_reid.records import Scan, View
from bids_reid.views.cameras import standard_views

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bids_reid.faces.detect import Box
    from bids_reid.records import KeypointTemplate, Template
    from bids_reid.surface.frame import FaceFrame, FoundFrame
    from bids_reid.surface.skin import Skin
    from bids_reid.surface.volume import Volume

NO_FACE = 'no face was found in any of the 81 views'
COMPLETED = "the field of view cuts the face: {share:.0%} of it ({parts}) is an average head's"


def _camera(view: View) -> tuple[float, float]:
    return (view.camera_yaw, view.camera_pitch)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def skin(scan_file: Path, surface: Path, record: Path, *, complete: bool = False) -> None:
    """Extract the skin of a scan and place its face frame; complete a cut face if asked to."""
    from bids_reid.surface.gifti import write_surface
    from bids_reid.surface.volume import load_volume

    shown, _, content = skin_record(load_volume(scan_file), complete=complete)
    write_surface(surface, shown.points, shown.triangles)
    record.write_text(json.dumps(content))


def skin_record(
    volume: Volume, *, complete: bool = False
) -> tuple[Skin, FaceFrame, dict[str, Any]]:
    """Return the skin of a volume, its face frame, and the entries of its record.

    Everything that is measured is measured on what was scanned. Of a completed face that is not
    what is written and rendered, so detectors and landmarks are asked here.
    """
    from bids_reid.participant.measures import evidence_of, shape_record
    from bids_reid.surface.complete import complete_face
    from bids_reid.surface.frame import FieldOfView, find_frame
    from bids_reid.surface.skin import find_skin

    field = find_skin(volume)
    found = field.cut()
    placed = find_frame(found.points, FieldOfView(volume.affine, volume.data.shape))
    completed = complete_face(field, found.points, placed) if complete else None
    shown = completed[0].cut() if completed else found
    content = {
        'VoxelSize': [round(size, 4) for size in volume.voxel_size],
        'Notes': list(volume.notes),
        'Points': len(shown.points),
        **_measured_on(found, placed),
        **shape_record(volume, found, placed.frame),
        'CompleteFace': complete,
        'FaceCompleted': completed
        and {'Share': round(completed[1].share, 3), 'Parts': list(completed[1].parts)},
    }
    if completed and not content['SkullStripped']:
        content |= evidence_of(found, placed.frame)
    return shown, placed.frame, content


def _measured_on(found: Skin, placed: FoundFrame) -> dict[str, Any]:
    """Return the entries of the record about a skin and where its face is."""
    from bids_reid.surface.vault import BRAIN_LITRES, is_brain, vault_roughness

    frame, face = placed.frame, placed.face
    roughness = None
    if found.volume_litres < BRAIN_LITRES:
        roughness = vault_roughness(found.points, found.triangles)
    return {
        'VolumeLitres': round(found.volume_litres, 3),
        'VaultRoughness': _rounded(roughness),
        # a face on a rough vault is a face, also one that is not sure
        'SkullStripped': roughness is not None and is_brain(roughness) and face.present == 'no',
        'SurfaceQuality': {
            'RelativeNoise': round(found.noise, 5),
            'EdgeBlurMm': round(found.edge_mm, 3),
            'FaceInView': round(face.in_view, 3),
            'FaceCoreInView': round(face.core_in_view, 3),
            'FaceFitMm': _rounded(face.fit_mm),
        },
        'FaceFrame': {
            'Origin': [round(float(value), 3) for value in frame.origin],
            'Forward': [float(value) for value in frame.forward],
            'Up': [float(value) for value in frame.up],
            'Scale': round(frame.scale, 4),
            'Source': placed.source,
        },
        'Face': {
            'FacePresent': face.present,
            'FaceCovered': round(face.covered, 3),
            'FaceBehindMm': _rounded(face.behind_mm),
            'HeadLoss': round(face.head_loss, 3),
        },
    }


def renders(surface: Path, record: Path, target: Path) -> str:
    """Render a surface from all views; return the name of the renderer."""
    from bids_reid.participant.measures import read_frame
    from bids_reid.surface.gifti import read_surface
    from bids_reid.views.render import render_views

    frame = read_frame(json.loads(record.read_text()))
    images, renderer = render_views(*read_surface(surface), frame, standard_views())
    np.save(target, images)
    return renderer


def faces(renders_file: Path, record: Path, target: Path) -> None:
    """Find the face for every camera; a brain has none, whatever a detector says.

    Where no face is found, its box is where the face frame has faces.
    """
    from bids_reid.faces.detect import find_faces_by_camera
    from bids_reid.faces.frame_boxes import frame_boxes

    views = standard_views()
    found: Mapping[tuple[float, float], Box] = {}
    expected: Mapping[tuple[float, float], Box] = {}
    if not json.loads(record.read_text())['SkullStripped']:
        found = find_faces_by_camera(np.load(renders_file), views)
        expected = frame_boxes()
    boxes = {**expected, **found}
    content = {
        'boxes': [boxes.get(_camera(view)) for view in views],
        'found': [_camera(view) in found for view in views],
    }
    target.write_text(json.dumps(content))


def evidence(surface: Path, record: Path, renders_file: Path, target: Path) -> None:
    """Ask detectors and landmarks whether there is a face."""
    from bids_reid.participant.measures import evidence_record

    target.write_text(json.dumps(evidence_record(surface, record, renders_file)))


def features(renders_file: Path, faces_file: Path, extractor: str, template: Path) -> None:
    """Extract features from every render with a face box; the file holds the provenance too."""
    from bids_reid.faces.detect import Box
    from bids_reid.faces.extractors import load_extractor

    model = load_extractor(extractor)
    faces = json.loads(faces_file.read_text())
    boxes = faces['boxes']
    seen = [number for number, box in enumerate(boxes) if box is not None]
    images = np.load(renders_file, mmap_mode='r')
    arrays = model.features(
        [np.asarray(images[number]) for number in seen],
        [Box(*boxes[number]) for number in seen],
    )
    provenance = {'Extractor': extractor, **model.provenance()}
    np.savez(
        template,
        view=np.array(seen, np.int32),
        found=np.array(faces['found'], dtype=bool)[seen],
        provenance=np.array(json.dumps(provenance)),
        **arrays,  # type: ignore[arg-type]
    )


def save(
    scan: Scan,
    dataset_dir: Path,
    output_dir: Path,
    *,
    surface: Path,
    record: Path,
    renders_file: Path,
    renderer: str,
    faces_file: Path,
    evidence: Path,
    templates: list[Path],
    keep_renders: bool,
) -> Path:
    """Put the results of one scan in their places; the record goes last."""
    from bids_reid.bids import derivatives

    faces = json.loads(faces_file.read_text())
    content = json.loads(record.read_text()) | json.loads(evidence.read_text())
    n_faces = sum(faces['found'])
    reasons = _what_was_found(content, n_faces)
    status = {'Status': 'ok' if n_faces else 'no_face', 'Reason': '; '.join(reasons) or None}
    return derivatives.save_scan(
        scan,
        dataset_dir,
        output_dir,
        surface=surface,
        measured={**status, 'ViewsWithFace': n_faces, **content, 'Renderer': renderer},
        boxes=faces['boxes'],
        found=faces['found'],
        templates=[_read_features(template) for template in templates],
        renders=np.load(renders_file, mmap_mode='r') if keep_renders else None,
    )


def _what_was_found(content: dict[str, Any], n_faces: int) -> list[str]:
    """Say what a scan shows instead of a whole face.

    What looks like no face is searched all the same wherever a detector sees one: so would
    somebody who attacks, and the search of defaced scans is what tells if defacing worked.
    """
    from bids_reid.participant.measures import measured
    from bids_reid.risk.presence import assess

    found = assess(measured(content))
    reasons = [] if found.face_present == 'yes' and found.brain_loss != 'yes' else [found.reason]
    completed = completed_line(content)
    if completed:
        reasons.append(completed)
    return reasons if n_faces or content['SkullStripped'] else [NO_FACE, *reasons]


def completed_line(content: Mapping[str, Any]) -> str | None:
    """Say how much of a face comes from an average head, and which parts; ``None`` if nothing."""
    completed = content.get('FaceCompleted')
    if not completed:
        return None
    parts = ', '.join(completed['Parts']) or 'its edge'
    return COMPLETED.format(share=completed['Share'], parts=parts)


def _read_features(path: Path) -> tuple[dict[str, Any], Template | KeypointTemplate]:
    from bids_reid.bids.derivatives import template_of

    with np.load(path) as content:
        return json.loads(str(content['provenance'])), template_of(content)
