"""The steps between files: read, call one function of the science packages, write.

Interfaces call these; each imports what it needs when it runs, since workers start often.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from bids_reid.records import FaceBoxes, FaceEvidence, Scan, ScanMeasures
from bids_reid.views.cameras import N_STANDARD, all_views, standard_views

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bids_reid.faces.detect import Box
    from bids_reid.records import KeypointTemplate, Template


def read_measures(path: Path) -> ScanMeasures:
    """Read the file of measures that `skin` or `evidence` wrote."""
    return ScanMeasures.from_json(json.loads(path.read_text()))


def _read_boxes(path: Path) -> FaceBoxes:
    return FaceBoxes.from_json(json.loads(path.read_text()))


def skin(scan_file: Path, surface: Path, measures: Path, *, complete: bool = False) -> str:
    """Extract the skin of a scan and place its face frame; complete a cut face if asked to.

    Return the hash of the bytes that were measured: hours may pass before there is a record, and
    what was put in their place meanwhile was not.

    Raises
    ------
    ScanError
        The scan cannot be used, or changes while it is read.
    """
    from bids_reid.bids.unchanged import read_unchanged
    from bids_reid.participant.measures import measured_skin
    from bids_reid.surface.gifti import write_surface
    from bids_reid.surface.volume import load_volume

    sha256, (shown, _, measured) = read_unchanged(
        scan_file, lambda: measured_skin(load_volume(scan_file), complete=complete)
    )
    write_surface(surface, shown.points, shown.triangles)
    measures.write_text(json.dumps(measured.to_json()))
    return sha256


def renders(surface: Path, measures: Path, target: Path) -> str:
    """Render a surface from all views, the soft ones last; return the name of the renderer."""
    from bids_reid.participant.measures import face_frame
    from bids_reid.surface.gifti import read_surface
    from bids_reid.views.render import render_views, soft_renders

    frame, views = face_frame(read_measures(measures).face_frame), standard_views()
    images, renderer = render_views(*read_surface(surface), frame, views)
    np.save(target, np.concatenate([images, soft_renders(images, views)]))
    return renderer


def faces(renders_file: Path, measures: Path, target: Path) -> None:
    """Find the face for every camera; a brain has none, whatever a detector says.

    Where no face is found, its box is where the face frame has faces.
    """
    from bids_reid.faces.detect import find_faces_by_camera
    from bids_reid.faces.frame_boxes import frame_boxes

    detected: Mapping[tuple[float, float], Box] = {}
    expected: Mapping[tuple[float, float], Box] = {}
    if not read_measures(measures).skull_stripped:
        detected = find_faces_by_camera(np.load(renders_file), standard_views())
        expected = frame_boxes()
    boxes = {**expected, **detected}
    content = FaceBoxes(
        boxes=tuple(boxes.get(view.camera) for view in all_views()),
        found=tuple(view.camera in detected for view in all_views()),
    )
    target.write_text(json.dumps(content.to_json()))


def evidence(surface: Path, measures: Path, renders_file: Path, target: Path) -> None:
    """Ask detectors and landmarks whether there is a face, and add what they say to the measures.

    Nothing is asked about a brain, nor about a completed face: what was scanned of it was asked
    about before.
    """
    from dataclasses import replace

    from bids_reid.faces.evidence import face_evidence
    from bids_reid.participant.measures import face_frame
    from bids_reid.surface.gifti import read_points

    measured = read_measures(measures)
    if measured.skull_stripped:
        measured = replace(measured, face_evidence=FaceEvidence())
    elif measured.face_evidence is None:
        points = read_points(surface)
        images, frame = np.load(renders_file, mmap_mode='r'), face_frame(measured.face_frame)
        answers = face_evidence(images, standard_views(), points, frame)
        measured = replace(measured, face_evidence=answers)
    target.write_text(json.dumps(measured.to_json()))


def features(renders_file: Path, faces_file: Path, extractor: str, template: Path) -> None:
    """Extract features from every render with a face box; the file holds the provenance too.

    An extractor may take some of the views only. A render whose face it did not take has no place
    in the file; the provenance counts them.
    """
    from bids_reid.faces.detect import Box
    from bids_reid.faces.extractors import load_extractor
    from bids_reid.faces.given_features import rejected

    model = load_extractor(extractor)
    faces = _read_boxes(faces_file)
    boxes = {
        number: Box(*box)
        for number, box in enumerate(faces.boxes)
        if box is not None and number in model.views
    }
    images = np.load(renders_file, mmap_mode='r')
    arrays = model.features([np.asarray(images[number]) for number in boxes], list(boxes.values()))
    provenance: dict[str, Any] = {'Extractor': extractor, **model.provenance()}
    views, refused = np.array(list(boxes), np.int32), rejected(arrays, len(boxes))
    if refused.any():
        provenance['ViewsRejected'] = int(refused.sum())
        views, arrays = views[~refused], {'features': arrays['features'][~refused]}
    np.savez(
        template,
        view=views,
        found=np.array(faces.found, dtype=bool)[views],
        provenance=np.array(json.dumps(provenance)),
        **arrays,  # type: ignore[arg-type]
    )


def save(
    scan: Scan,
    dataset_dir: Path,
    output_dir: Path,
    *,
    surface: Path,
    measures: Path,
    renders_file: Path,
    renderer: str,
    faces_file: Path,
    templates: list[Path],
    keep_renders: bool,
    source_sha256: str,
    came_from: str | None = None,
    keep_skin: bool = True,
) -> Path:
    """Put the results of one scan in their places; the record goes last."""
    from bids_reid.bids.derivatives import save_scan
    from bids_reid.participant.not_kept import shape_of
    from bids_reid.participant.remarks import shortcomings

    faces, measured = _read_boxes(faces_file), read_measures(measures)
    return save_scan(
        scan,
        dataset_dir,
        output_dir,
        surface=surface,
        measures=measured,
        faces=faces,
        reason='; '.join(shortcomings(measured, sum(faces.found[:N_STANDARD]))) or None,
        renderer=renderer,
        templates=[_read_features(template) for template in templates],
        renders=np.load(renders_file, mmap_mode='r') if keep_renders else None,
        source_sha256=source_sha256,
        came_from=came_from,
        shape=None if keep_skin else shape_of(surface, measured),
    )


def _read_features(path: Path) -> tuple[dict[str, Any], Template | KeypointTemplate]:
    from bids_reid.bids.template_files import template_of

    with np.load(path) as content:
        return json.loads(str(content['provenance'])), template_of(content)
