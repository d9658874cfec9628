"""The group level brings the participants' pages up to date: verdicts, exposure, next steps."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from bids_reid.bids.files import write_text
from bids_reid.report import words
from bids_reid.report.overview import (
    LEAD,
    Exposure,
    Version,
    filled,
    page_slots,
    slot_names,
    slots_of,
    slots_of_uncounted,
    version_key,
    version_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from bids_reid.group.result import GroupResult, ImageLine
    from bids_reid.participant.library import EnrolledScan
    from bids_reid.risk.attacks import ParticipantRow
    from bids_reid.risk.gate import Outcome

_OfLabel = defaultdict[str, list[Version]]
NO_RESULT = 'the scan has no result now: run the participant level again'


def update_pages(output_dir: Path, result: GroupResult, scans: Sequence[EnrolledScan]) -> int:
    """Fill the slots of all participants' pages; return how many pages changed.

    Pages that are missing are not written, and those of other programs or versions without slots
    stay as they are.

    Parameters
    ----------
    scans : sequence of EnrolledScan
        Those whose results count.

    Raises
    ------
    CannotWriteError
        A page cannot be written.
    """
    versions, others = _versions(result, scans)
    why_not = {version_key(one.condition, one.source): one.reason for one in result.uncounted}
    n_changed = 0
    for path in sorted(output_dir.glob('sub-*.html')):
        page = _text(path)
        names = slot_names(page)
        if LEAD not in names:
            continue
        label = path.name.removeprefix('sub-').removesuffix('.html')
        contents = page_slots(versions[label], others[label], group_page=True)
        for version in versions[label]:
            contents |= slots_of(version)
        for name in names:
            if name not in contents:
                key = name.partition('-')[2]
                contents |= slots_of_uncounted(key, why_not.get(key, NO_RESULT))
        now = filled(page, contents)
        if now != page:
            write_text(path, now)
            n_changed += 1
    return n_changed


def _text(path: Path) -> str:
    """Read a page; nothing if it cannot be read, which the participant level mends."""
    try:
        return path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError):
        return ''


def _versions(result: GroupResult, scans: Iterable[EnrolledScan]) -> tuple[_OfLabel, _OfLabel]:
    """Return the scans of each participant with the verdicts of the group level.

    The second mapping has the other images of each participant in the release.
    """
    lines: dict[str | None, list[ImageLine]] = defaultdict(list)
    for image in result.images:
        lines[image.sha256].append(image)
    exposed = {
        (row.participant_id, row.condition, row.modality): row
        for row in result.statistics.participants
    }
    outcome = None if result.gate is None else result.gate.outcome
    versions: _OfLabel = defaultdict(list)
    of_scans = set()
    for scan in scans:
        mine, sha256 = scan.line, scan.record.origin.source_sha256
        line = _line_of(scan, lines[sha256])
        row = exposed.get((f'sub-{mine.participant}', mine.condition, mine.modality))
        exposure = None if row is None else _exposure(row)
        if line is None:
            version = version_of(mine, mine.source, sha256, exposure=exposure)
        else:
            of_scans.add(id(line))
            version = _of_image(line, mine.source, mine.condition, outcome, exposure)
        versions[mine.participant].append(version)
    others: _OfLabel = defaultdict(list)
    for image in result.images:
        if image.in_release and image.participant and id(image) not in of_scans:
            version = _of_image(image, image.path, image.condition, outcome)
            key = version_key(f'other/{image.condition}', image.path)
            others[image.participant].append(replace(version, key=key))
    return versions, others


def _of_image(
    line: ImageLine,
    source: str,
    condition: str,
    outcome: Outcome | None,
    exposure: Exposure | None = None,
) -> Version:
    return version_of(
        line,
        source,
        line.sha256,
        condition=condition,
        rated=line.program_verdict,
        exposure=exposure,
        in_release=line.in_release,
        reviewed_by=line.reviewed_by,
        outcome=outcome,
    )


def _line_of(scan: EnrolledScan, lines: Iterable[ImageLine]) -> ImageLine | None:
    """Return the line of a scan among those of the same bytes; copies may lie elsewhere."""
    mine = [line for line in lines if line.condition == scan.line.condition]
    at_its_place = [line for line in mine if scan.line.source.endswith(line.path)]
    at_its_place += [line for line in mine if line.path.endswith(scan.line.source)]
    # what has no hash is of other bytes than the next one without
    copies = mine if scan.record.origin.source_sha256 else []
    return next(iter(at_its_place or copies), None)


def _exposure(row: ParticipantRow) -> Exposure:
    """Say how exposed a participant is, and by how many searches that was found."""
    if not row.n_searched:
        return Exposure(row.level, 'no search was possible')
    people = words.count(row.n_gallery, 'participant')
    attacks = words.count(row.n_searched, 'attack')
    return Exposure(row.level, f'first by {row.n_identified:,} of {attacks}, among {people}')
