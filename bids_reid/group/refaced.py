"""Re-faced scans: a face is meant to be there, but not the original's."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from bids_reid.bids.layout import ScanFiles
from bids_reid.errors import ScanError
from bids_reid.participant.measures import face_frame
from bids_reid.records import RAW
from bids_reid.risk.refacing import judge_refaced

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from bids_reid.group.result import ImageLine
    from bids_reid.participant.library import EnrolledScan
    from bids_reid.risk.refacing import Verdict
    from bids_reid.surface.change import FaceChange


BY_RISK = (
    'the image shows a face, as expected after re-facing: the search with photographs shows '
    'whether it identifies anybody'
)
NOT_REFACED = (
    'the condition is re-faced, but the file is identical to a scan that was not re-faced'
)
_ORDER = ('no findings', 'could not assess', 'review')


def refaced_lines(
    lines: Sequence[ImageLine],
    counted: Sequence[EnrolledScan],
    refaced: Collection[str],
    order: Mapping[str, str],
    *,
    judged_by_risk: bool,
) -> Iterator[ImageLine]:
    """Judge the faces on re-faced scans anew: each against its original.

    What was mixed up must not pass: bytes that several scans share are judged by the original of
    each, and the worst verdict counts; those of a scan that is not re-faced stay a finding.

    Parameters
    ----------
    counted : sequence of EnrolledScan
        The scans whose results count, originals among them.
    refaced : collection of str
        Conditions whose faces were replaced.
    order : mapping
        Condition to the one before, from `bids_reid.group.order.order_of`.
    judged_by_risk : bool
        Whether photographs and a limit of the risk tell what originals cannot.
    """
    by_files = {scan.files: scan for scan in counted}
    versions: dict[tuple[str, str | None], list[EnrolledScan]] = defaultdict(list)
    for scan in counted:
        versions[scan.line.condition, scan.record.origin.source_sha256].append(scan)
    unreplaced = {sha256 for condition, sha256 in versions if condition not in refaced}
    for line in lines:
        scans = versions.get((line.condition, line.sha256), [])
        concerned = line.condition in refaced and line.verdict == 'review'
        # brain that was cut is a finding whosever face it is
        if not concerned or not scans or line.brain_loss == 'yes':
            yield line
            continue
        if line.sha256 in unreplaced:
            yield replace(line, reason=NOT_REFACED)
            continue
        # bytes that several people share may be a copy of somebody's who was not re-faced
        pairs = [(_original(scan, by_files, order), scan) for scan in scans]
        judged = [_judged(*pair, judged_by_risk=judged_by_risk) for pair in pairs]
        verdict, reason = max(judged, key=lambda one: _ORDER.index(one[0]))
        yield replace(line, verdict=verdict, reason=reason)


def _judged(
    original: EnrolledScan | None, scan: EnrolledScan, *, judged_by_risk: bool
) -> tuple[Verdict, str]:
    if original is None and judged_by_risk:
        return 'no findings', BY_RISK
    change = None if original is None else _change(original, scan)
    return judge_refaced(change, original is not None)


def _original(
    scan: EnrolledScan, by_files: Mapping[ScanFiles, EnrolledScan], order: Mapping[str, str]
) -> EnrolledScan | None:
    """Return the scan that a version was made from; ``None`` if it has no result that counts."""
    condition = order.get(scan.line.condition, RAW)
    if condition == scan.line.condition:
        return None
    original = by_files.get(replace(scan.files, condition=condition))
    return None if original is None or original.record.failed else original


def _change(original: EnrolledScan, scan: EnrolledScan) -> FaceChange | None:
    """Compare the skins of both; ``None`` if one of them is damaged."""
    from bids_reid.surface.change import face_change
    from bids_reid.surface.gifti import read_points

    before, after = original.record.face_frame, scan.record.face_frame
    if before is None or after is None:
        return None
    try:
        points = [read_points(one.files.skin) for one in (original, scan)]
    except (OSError, ScanError):
        return None
    return face_change(points[0], face_frame(before), points[1], face_frame(after))
