"""Output folders with files of every kind, without anything being looked at."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bids_reid.bids.description import prepare_output
from bids_reid.participant.content import (
    FacePicture,
    ParticipantReport,
    Provenance,
    ScanLine,
    ScanReport,
)
from bids_reid.records import Scan, Template
from bids_reid.report.participant import write_participant_page
from tests.support.images import image_line
from tests.support.scan_records import save_results

PICTURE = FacePicture(b'\x89PNG\r\n\x1a\n0', 'from the front')
FEATURES = Template(np.ones((2, 3), np.float32), np.array([4, 7], np.int32))


def write_output(folder: Path) -> tuple[Path, Path]:
    """Write ``folder/raw`` with two scans, and ``folder/out`` as both levels leave it.

    The first scan has renders, a template of an extractor that nobody has, and a page with faces;
    the second is a de-faced one. Return both folders.
    """
    from bids_reid.group.result import GroupResult
    from bids_reid.report.group import group_page
    from bids_reid.report.tables import write_results

    raw, out = folder / 'raw', folder / 'out'
    prepare_output(out, raw)
    provenance = Provenance('0', 'bids-reid', (), (), None)
    for label, condition in (('01', 'raw'), ('02', 'defaced')):
        path = raw / f'sub-{label}' / 'anat' / f'sub-{label}_T1w.nii'
        path.parent.mkdir(parents=True)
        path.write_bytes(label.encode())
        scan = Scan(label, None, 'T1w', f'sub-{label}', path, condition)
        pictures = np.zeros((90, 4, 4), np.uint8) if label == '01' else None
        templates = {'face_recognition': FEATURES, 'nobody-has-it': FEATURES}
        save_results(scan, raw, out, templates, renders=pictures)
        line = ScanLine(label, None, 'T1w', condition, path.name, 'ok')
        faces = (PICTURE,) if label == '01' else ()
        report = ParticipantReport('demo', label, (ScanReport(line, faces=faces),), provenance)
        write_participant_page(out, report)
    result = GroupResult('demo', (), provenance, (image_line(verdict='review'),), release='raw')
    write_results(out, result, group_page(result))
    return raw, out
