"""The result for machines: the content of ``group_summary.json``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bids_reid.report.findings import distinct, group_findings
from bids_reid.report.statistics import VERDICTS, completed_counts
from bids_reid.risk.controls import sort_controls

if TYPE_CHECKING:
    from bids_reid.group.result import GroupResult, PhotoLine


def group_summary(content: GroupResult) -> dict[str, Any]:
    """Return the page's findings and the numbers behind them as plain JSON values."""
    findings = group_findings(content)
    controls = sort_controls(content.statistics.controls)
    statuses = [scan.status for scan in content.scans]
    faces = [scan.face_present for scan in content.scans]
    verdicts = [(scan.condition, scan.verdict) for scan in content.scans]
    return {
        'GeneratedBy': {'Name': 'bids_reid', 'Version': content.provenance.version},
        'Dataset': content.dataset,
        'Participants': len({scan.participant for scan in content.scans}),
        'ParticipantsWithoutResult': [f'sub-{label}' for label in content.unprocessed],
        'Scans': {status: statuses.count(status) for status in ('ok', 'no_face', 'failed')},
        'FacePresent': {answer: faces.count(answer) for answer in ('yes', 'no', 'unsure')},
        'FaceCompleted': completed_counts(content.scans),
        'Verdicts': {
            condition: {name: verdicts.count((condition, name)) for name in VERDICTS}
            for condition in distinct(scan.condition for scan in content.scans)
        },
        'Photographs': None if content.photos is None else _photographs(content.photos),
        'Findings': [finding.sentence for finding in findings],
        'StrongestAttack': asdict(findings[0].row) if findings else None,
        'Strongest': [asdict(row) for row in content.statistics.strongest],
        'Controls': {
            'ok': len(controls.ok),
            'not_ok': len(controls.failed),
            'blind_extractors': [row.extractor for row in controls.blind],
            'not_done': len(controls.not_done),
        },
        'Linkage': [asdict(row) for row in content.linkage],
        'ExtractorsNotRun': dict(content.not_run),
        'Gate': None if content.gate is None else asdict(content.gate),
        'Reductions': [asdict(row) for row in content.reductions],
        'Identification': [asdict(row) for row in content.rows],
    }


def _photographs(photos: tuple[PhotoLine, ...]) -> dict[str, int]:
    return {
        'Mated': sum(photo.mated for photo in photos),
        'NotProcessed': sum(photo.unprocessed for photo in photos),
        'Distractors': sum(not photo.labelled for photo in photos),
        'NoFace': sum(photo.status == 'no_face' for photo in photos),
        'Unreadable': sum(photo.status == 'unreadable' for photo in photos),
    }
