"""Conditions side by side: the same people before and after, and the verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bids_reid.records import RAW
from bids_reid.report import words
from bids_reid.risk.controls import sort_controls
from bids_reid.risk.gate import Verdict, doubted, presence_verdict, risk_verdict
from bids_reid.risk.pairing import ReductionRow, reduction_row, restrict
from bids_reid.risk.strength import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from bids_reid.group.result import PhotoLine
    from bids_reid.group.search_steps import ScanGallery
    from bids_reid.participant.library import EnrolledScan
    from bids_reid.risk.controls import ControlRow
    from bids_reid.risk.identification import IdentificationRow, Searches, Series

Searched = tuple['ScanGallery', 'Searches']


def reductions(searched: Mapping[Series, Searched], audited: str) -> Iterator[ReductionRow]:
    """Compare each condition with the raw scans of which it has a version, and with only these.

    Where the raw scans themselves are ``audited``, they are what came of the others: a dataset
    whose scans are de-faced, with the originals beside it.
    """
    counts = _counts(searched)
    for other in searched:
        raw = replace(other, condition=RAW)
        if other.condition == RAW or raw not in searched:
            continue
        first, last = (other, raw) if audited == RAW else (raw, other)
        sides = searched[first], searched[last]
        shared = set(_originals(sides[0][0])) & set(_originals(sides[1][0]))
        before, after = (
            restrict(some, np.array([scan in shared for scan in _originals(scans)], dtype=bool))
            for scans, some in sides
        )
        yield reduction_row(before, after, last, baseline=first.condition, counts=counts[last])


def _counts(searched: Mapping[Series, Searched]) -> dict[Series, bool]:
    """Whether the gallery of each attack compares with the largest on the same scans."""
    groups: dict[tuple[str, str], dict[Series, int]] = {}
    for series, (_, searches) in searched.items():
        group = groups.setdefault((series.condition, series.modality), {})
        group[series] = len(searches.gallery)
    return {
        series: counts
        for group in groups.values()
        for series, counts in zip(group, counted(list(group.values())), strict=True)
    }


def _originals(gallery: ScanGallery) -> list[tuple[str, str]]:
    return [_original(scan) for scan in gallery.scans]


def _original(scan: EnrolledScan) -> tuple[str, str]:
    """Which original a scan is a version of, as outputs name it."""
    return str(scan.files.folder), scan.files.stem


def judge(
    condition: str,
    max_risk: float,
    scans: Sequence[EnrolledScan],
    photos: Sequence[PhotoLine] | None,
    rows: Iterable[IdentificationRow],
    controls: Iterable[ControlRow] = (),
    without_result: Collection[str] = (),
) -> Verdict:
    """Say whether a condition is within the limit, from photographs if there are any.

    There is no pass where a part of the dataset was not looked at (``without_result``:
    participants who have scans and no result of them), or where the controls say that the rates
    are none.
    """
    audited = [scan.line for scan in scans if scan.line.condition == condition]
    doubts = list(_missing(scans, condition, without_result))
    if photos is None:
        verdicts = [scan.verdict for scan in audited]
        found = presence_verdict(verdicts, condition=condition, max_risk=max_risk)
        return doubted(found, doubts)
    seen = {photo.participant for photo in photos if photo.mated and photo.status == 'ok'}
    not_assessed = {}
    for modality in {scan.modality for scan in audited}:
        some = [scan for scan in audited if scan.modality == modality]
        processed = {scan.participant for scan in some if scan.status != 'failed'}
        not_assessed[modality] = len({scan.participant for scan in some} & seen - processed)
    found = risk_verdict(rows, condition=condition, max_risk=max_risk, not_assessed=not_assessed)
    # a positive control is of photographs alone, and has no condition
    concerned = [row for row in controls if row.condition in (condition, None)]
    if sort_controls(concerned).failed:
        doubts.append('controls failed, so the rates cannot be trusted (group_controls.tsv)')
    return doubted(found, doubts)


def _missing(
    scans: Sequence[EnrolledScan], condition: str, without_result: Collection[str]
) -> Iterator[str]:
    """Say what of the dataset was not looked at in a condition."""
    if without_result:
        some = words.count(len(without_result), 'participant has', 'participants have')
        yield f'{some} scans and no result'
    versions, originals = (
        {_original(scan) for scan in scans if scan.line.condition == name}
        for name in (condition, RAW)
    )
    n_missing = len(originals - versions)
    if condition != RAW and n_missing:
        yield (
            f'{n_missing} of {words.count(len(originals), "raw scan")} '
            f'{"has" if n_missing == 1 else "have"} no {condition} version'
        )
