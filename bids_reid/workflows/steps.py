"""The steps between files: read, call one function of the science packages, write.

Interfaces call these; each imports what it needs when it runs, since workers start often.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from bids_reid.records import Scan, Template, View
from bids_reid.views.cameras import standard_views

SKULL_STRIPPED = (
    'no skin: the surface is folded like a brain, so the scan is taken for skull-stripped'
)
NO_FACE = 'no face was found in any of the 81 views'
CUT = 'eyes, nose and mouth lie outside the field of view'
REMOVED = 'the face seems to be removed: no skin where eyes, nose and mouth should be'
COMPLETED = "the field of view cuts the face: {share:.0%} of it ({parts}) is an average head's"
UNSURE = 'the surface is unlike a face: it may be damaged, or removed in part'


def _camera(view: View) -> tuple[float, float]:
    return (view.camera_yaw, view.camera_pitch)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def skin(scan_file: Path, surface: Path, record: Path, *, complete: bool = False) -> None:
    """Extract the skin of a scan and place its face frame; complete a cut face if asked to.

    Everything that is measured is measured on what was scanned.
    """
    from bids_reid.surface.complete import complete_face
    from bids_reid.surface.frame import FieldOfView, find_frame
    from bids_reid.surface.gifti import write_surface
    from bids_reid.surface.skin import find_skin
    from bids_reid.surface.vault import BRAIN_LITRES, is_brain, vault_roughness
    from bids_reid.surface.volume import load_volume

    volume = load_volume(scan_file)
    field = find_skin(volume)
    found = field.cut()
    placed = find_frame(found.points, FieldOfView(volume.affine, volume.data.shape))
    frame, face = placed.frame, placed.face
    roughness = None
    if found.volume_litres < BRAIN_LITRES:
        roughness = vault_roughness(found.points, found.triangles)
    completed = complete_face(field, found.points, placed) if complete else None
    shown = completed[0].cut() if completed else found
    write_surface(surface, shown.points, shown.triangles)
    content = {
        'VoxelSize': [round(size, 4) for size in volume.voxel_size],
        'Notes': list(volume.notes),
        'Points': len(shown.points),
        'VolumeLitres': round(found.volume_litres, 3),
        'VaultRoughness': _rounded(roughness),
        # a face on a rough vault is a face
        'SkullStripped': roughness is not None and is_brain(roughness) and face.present != 'yes',
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
        'CompleteFace': complete,
        'FaceCompleted': completed
        and {'Share': round(completed[1].share, 3), 'Parts': list(completed[1].parts)},
    }
    record.write_text(json.dumps(content))


def renders(surface: Path, record: Path, target: Path) -> str:
    """Render a surface from all views; return the name of the renderer."""
    from bids_reid.surface.frame import FaceFrame
    from bids_reid.surface.gifti import read_surface
    from bids_reid.views.render import render_views

    placed = json.loads(record.read_text())['FaceFrame']
    origin, forward, up = (np.array(placed[axis]) for axis in ('Origin', 'Forward', 'Up'))
    frame = FaceFrame(origin, forward, up, placed['Scale'])
    images, renderer = render_views(*read_surface(surface), frame, standard_views())
    np.save(target, images)
    return renderer


def faces(renders_file: Path, record: Path, target: Path) -> None:
    """Find the face for every camera; a brain has none, whatever a detector says."""
    from bids_reid.faces.detect import find_faces_by_camera

    views = standard_views()
    found = {}
    if not json.loads(record.read_text())['SkullStripped']:
        found = find_faces_by_camera(np.load(renders_file), views)
    boxes = [found.get(_camera(view)) for view in views]
    target.write_text(json.dumps(boxes))


def features(renders_file: Path, faces_file: Path, extractor: str, template: Path) -> None:
    """Extract features from every render with a face; the file holds the provenance too."""
    from bids_reid.faces.detect import Box
    from bids_reid.faces.extractors import load_extractor

    model = load_extractor(extractor)
    boxes = json.loads(faces_file.read_text())
    seen = [number for number, box in enumerate(boxes) if box is not None]
    images = np.load(renders_file, mmap_mode='r')
    values = model.features(
        [np.asarray(images[number]) for number in seen], [Box(*boxes[number]) for number in seen]
    )
    provenance = {'Extractor': extractor, **model.provenance()}
    np.savez(
        template,
        features=values,
        view=np.array(seen, np.int32),
        provenance=np.array(json.dumps(provenance)),
    )


def save(
    scan: Scan,
    bids_dir: Path,
    output_dir: Path,
    *,
    surface: Path,
    record: Path,
    renders_file: Path,
    renderer: str,
    faces_file: Path,
    templates: list[Path],
    keep_renders: bool,
) -> Path:
    """Put the results of one scan in their places; the record goes last."""
    from bids_reid.bids import derivatives

    boxes = json.loads(faces_file.read_text())
    content = json.loads(record.read_text())
    n_faces = sum(box is not None for box in boxes)
    reasons = _what_was_found(content, n_faces)
    status = {'Status': 'ok' if n_faces else 'no_face', 'Reason': '; '.join(reasons) or None}
    del content['SkullStripped']
    return derivatives.save_scan(
        scan,
        bids_dir,
        output_dir,
        surface=surface,
        measured={**status, 'ViewsWithFace': n_faces, **content, 'Renderer': renderer},
        boxes=boxes,
        templates=[_read_features(template) for template in templates],
        renders=np.load(renders_file, mmap_mode='r') if keep_renders else None,
    )


def _what_was_found(content: dict[str, Any], n_faces: int) -> list[str]:
    """Say what a scan shows instead of a whole face.

    What looks like no face is searched all the same wherever a detector sees one: so would
    somebody who attacks, and the search of defaced scans is what tells if defacing worked.
    """
    from bids_reid.surface.frame import MIN_CORE_IN_VIEW

    if content['SkullStripped']:
        return [SKULL_STRIPPED]
    found = []
    if content['Face']['FacePresent'] == 'no':
        found.append(
            CUT if content['SurfaceQuality']['FaceCoreInView'] < MIN_CORE_IN_VIEW else REMOVED
        )
    elif content['Face']['FacePresent'] == 'unsure':
        found.append(UNSURE)
    if content['FaceCompleted']:
        found.append(_completed_line(content['FaceCompleted']))
    return found if n_faces else [NO_FACE, *found]


def _completed_line(completed: dict[str, Any]) -> str:
    """Say how much of a face comes from an average head, and which parts."""
    parts = ', '.join(completed['Parts']) or 'its edge'
    return COMPLETED.format(share=completed['Share'], parts=parts)


def _read_features(path: Path) -> tuple[dict[str, Any], Template]:
    with np.load(path) as content:
        template = Template(content['features'], content['view'])
        return json.loads(str(content['provenance'])), template
