"""The result for machines: the content of ``group_summary.json``.

Its schema is ``data/group_summary.schema.json``. A change of a key raises `SCHEMA_VERSION`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bids_reid.bids.manifest import SCHEMA_VERSION, manifest_sha256
from bids_reid.bids.sensitive import sensitive_counts
from bids_reid.report.findings import distinct, group_findings
from bids_reid.report.statistics import VERDICTS, completed_counts
from bids_reid.risk.controls import sort_controls

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bids_reid.bids.sensitive import Amount, Sensitive
    from bids_reid.group.result import GroupResult, ImageLine
    from bids_reid.risk.controls import Controls
    from bids_reid.risk.gate import Gate


def group_summary(content: GroupResult, sensitive: Mapping[Sensitive, Amount]) -> dict[str, Any]:
    """Return the page's findings and the numbers behind them as plain JSON values.

    ``sensitive`` counts the files of the output that can give a face back.
    """
    findings = group_findings(content)
    statuses = Counter(scan.status for scan in content.scans)
    verdicts = Counter[tuple[str, str]]((scan.condition, scan.verdict) for scan in content.scans)
    return {
        'schema_version': SCHEMA_VERSION,
        'generated_by': {'name': 'bids_reid', 'version': content.provenance.version},
        'dataset': content.dataset,
        **_outcome(content.gate, content.release, content.needed),
        **_images(content.images),
        'sensitive_files': sensitive_counts(sensitive),
        'not_counted': [asdict(one) for one in content.uncounted],
        'participants': len({scan.participant for scan in content.scans}),
        'participants_without_result': [f'sub-{label}' for label in content.unprocessed],
        'scans': {status: statuses[status] for status in ('ok', 'no_face', 'failed')},
        'face_completed': completed_counts(content.scans),
        'verdicts': {
            condition: {name: verdicts[condition, name] for name in VERDICTS}
            for condition in distinct(scan.condition for scan in content.scans)
        },
        'photographs': None if content.photos is None else _photographs(content),
        'findings': [finding.sentence for finding in findings],
        'strongest_attack': asdict(findings[0].row) if findings else None,
        'strongest': [asdict(row) for row in content.statistics.strongest],
        'controls': _controls(sort_controls(content.statistics.controls)),
        'linkage': [asdict(row) for row in content.linkage],
        'extractors_not_run': dict(content.not_run),
        'extractors_using_network': list(content.provenance.networked),
        'reductions': [asdict(row) for row in content.reductions],
        'identification': [asdict(row) for row in content.rows],
    }


def _outcome(gate: Gate | None, release: str, needed: Sequence[str]) -> dict[str, Any]:
    """Return the outcome of the gate, its reasons and limits."""
    return {
        'release': release,
        'condition': None if gate is None else gate.condition,
        'outcome': None if gate is None else gate.outcome,
        'outcome_sentence': None if gate is None else gate.sentence,
        'reasons': [] if gate is None else [asdict(reason) for reason in gate.reasons],
        'limits': {
            'max_findings': None if gate is None else gate.max_findings,
            'max_risk': None if gate is None else gate.max_risk,
            'parts': list(needed),
        },
        'risk': None if gate is None or gate.risk is None else asdict(gate.risk),
    }


def _images(images: Sequence[ImageLine]) -> dict[str, Any]:
    """Count the images of the release, and hash the list of their bytes."""
    released = [line for line in images if line.in_release]
    verdicts = Counter[str](line.verdict for line in released)
    kinds = Counter(line.kind for line in released)
    return {
        'images': {
            'n': len(released),
            'verdicts': {name: verdicts[name] for name in VERDICTS},
            'kinds': dict(sorted(kinds.items())),
        },
        'manifest_sha256': manifest_sha256(
            (line.path, line.sha256, line.annex_key) for line in released
        ),
    }


def _controls(controls: Controls) -> dict[str, Any]:
    return {
        'ok': len(controls.ok),
        'not_ok': len(controls.failed),
        'blind_extractors': [row.extractor for row in controls.blind],
        'not_done': len(controls.not_done) + len(controls.unsure),
    }


def _photographs(content: GroupResult) -> dict[str, int]:
    photos, given = content.photos or (), content.given
    return {
        'mated': sum(photo.mated for photo in photos),
        'not_processed': sum(photo.unprocessed for photo in photos),
        'distractors': sum(not photo.labelled for photo in photos),
        'no_face': sum(photo.status == 'no_face' for photo in photos),
        'unreadable': sum(photo.status == 'unreadable' for photo in photos),
        'several_faces': sum(photo.n_faces > 1 for photo in photos),
        'several_faces_as_large': sum(photo.n_alike > 1 for photo in photos),
        'turned': sum(photo.turned > 0 for photo in photos),
        'labels_matched_loosely': given.n_loosely if given else 0,
        'labels_of_nobody': given.n_strangers if given else 0,
        'given_twice': given.n_twice if given else 0,
        'without_consent': given.n_without_consent if given else 0,
        'participants_without_consent': len(given.without_consent) if given else 0,
    }
