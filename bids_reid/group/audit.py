"""The gate: whether the audited condition is within the limit, and nothing was left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bids_reid.records import RAW
from bids_reid.risk.controls import sort_controls
from bids_reid.risk.gate import Gate, doubted, presence_gate, risk_gate

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from bids_reid.group.result import PhotoLine
    from bids_reid.participant.library import EnrolledScan
    from bids_reid.risk.attacks import StrongestRow
    from bids_reid.risk.controls import ControlRow


def audit(
    condition: str,
    max_risk: float,
    scans: Sequence[EnrolledScan],
    photos: Sequence[PhotoLine] | None,
    strongest: Iterable[StrongestRow] = (),
    controls: Iterable[ControlRow] = (),
    without_result: Collection[str] = (),
) -> Gate:
    """Judge whether a condition is within the limit, from photographs if there are any.

    There is no pass where a part of the dataset was not looked at (``without_result``:
    participants who have scans and no result of them), or where the controls say that the rates
    are none.
    """
    audited = [scan.line for scan in scans if scan.line.condition == condition]
    doubts = list(_not_looked_at(scans, condition, without_result))
    if photos is None:
        verdicts = [line.verdict for line in audited]
        return doubted(presence_gate(verdicts, condition=condition, max_risk=max_risk), doubts)
    modalities = {line.modality for line in audited}
    gate = risk_gate(strongest, condition=condition, modalities=modalities, max_risk=max_risk)
    # a positive control is of photographs alone, and has no condition
    concerned = [row for row in controls if row.condition in (condition, None)]
    if sort_controls(concerned).failed:
        doubts.append('controls failed, so the rates cannot be trusted (group_controls.tsv)')
    return doubted(gate, doubts)


def not_assessed(
    scans: Sequence[EnrolledScan], photos: Sequence[PhotoLine]
) -> dict[tuple[str, str], int]:
    """Count, per condition and modality, the photographed people whose scans all failed."""
    photographed = {photo.participant for photo in photos if photo.mated and photo.status == 'ok'}
    present: dict[tuple[str, str], set[str]] = {}
    processed: dict[tuple[str, str], set[str]] = {}
    for scan in scans:
        line = scan.line
        group = (line.condition, line.modality)
        present.setdefault(group, set()).add(line.participant)
        if line.status != 'failed':
            processed.setdefault(group, set()).add(line.participant)
    return {
        group: len((people & photographed) - processed.get(group, set()))
        for group, people in present.items()
    }


def _not_looked_at(
    scans: Sequence[EnrolledScan], condition: str, without_result: Collection[str]
) -> Iterator[str]:
    """Say which parts of the dataset were not looked at in a condition."""
    n_people = len(without_result)
    if n_people:
        noun = 'participant has' if n_people == 1 else 'participants have'
        yield f'{n_people:,} {noun} scans and no result'
    versions, originals = (
        {
            (scan.files.folder, scan.files.stem, scan.files.modality)
            for scan in scans
            if scan.line.condition == name
        }
        for name in (condition, RAW)
    )
    n_missing, n_raw = len(originals - versions), len(originals)
    if condition != RAW and n_missing:
        yield (
            f'{n_missing} of {n_raw:,} raw scan{"" if n_raw == 1 else "s"} '
            f'{"has" if n_missing == 1 else "have"} no {condition} version'
        )
