"""Conditions side by side: the same people before and after, and the verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bids_reid.records import RAW
from bids_reid.risk.gate import Verdict, presence_verdict, risk_verdict
from bids_reid.risk.pairing import ReductionRow, reduction_row, restrict
from bids_reid.risk.strength import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from bids_reid.report.content import PhotoLine, ScanLine
    from bids_reid.risk.attacks import StrongestRow
    from bids_reid.risk.identification import IdentificationRow, Searches, Series
    from bids_reid.workflows.search_steps import ScanGallery

Searched = tuple['ScanGallery', 'Searches']


def reductions(searched: Mapping[Series, Searched]) -> Iterator[ReductionRow]:
    """Compare each condition with the raw scans of which it has a version, and with only these."""
    counts = _counts(searched)
    for series, (gallery, searches) in searched.items():
        raw = searched.get(replace(series, condition=RAW))
        if series.condition == RAW or raw is None:
            continue
        shared = set(_originals(gallery)) & set(_originals(raw[0]))
        before, after = (
            restrict(some, np.array([scan in shared for scan in _originals(scans)], dtype=bool))
            for scans, some in (raw, (gallery, searches))
        )
        yield reduction_row(before, after, series, baseline=RAW, counts=counts[series])


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
    """Which original each scan is a version of, as outputs name it."""
    return [(str(scan.files.folder), scan.files.stem) for scan in gallery.scans]


def judge(
    condition: str,
    max_risk: float,
    scans: Iterable[ScanLine],
    photos: Sequence[PhotoLine] | None,
    rows: Iterable[IdentificationRow],
    strongest: Iterable[StrongestRow] = (),
) -> Verdict:
    """Say whether a condition is within the limit, from photographs if there are any."""
    audited = [scan for scan in scans if scan.condition == condition]
    if photos is None:
        verdicts = [scan.verdict for scan in audited]
        return presence_verdict(verdicts, condition=condition, max_risk=max_risk)
    seen = {photo.participant for photo in photos if photo.mated and photo.status == 'ok'}
    not_assessed = {}
    for modality in {scan.modality for scan in audited}:
        some = [scan for scan in audited if scan.modality == modality]
        processed = {scan.participant for scan in some if scan.status != 'failed'}
        not_assessed[modality] = len({scan.participant for scan in some} & seen - processed)
    return risk_verdict(
        rows,
        condition=condition,
        max_risk=max_risk,
        not_assessed=not_assessed,
        quantiles={row.modality: row.quantile for row in strongest if row.condition == condition},
    )
