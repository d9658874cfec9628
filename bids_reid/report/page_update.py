"""The group level brings the participants' pages up to date: verdicts, exposure, next steps."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from bids_reid.bids.files import write_text
from bids_reid.report import words
from bids_reid.report.overview import (
    LEAD,
    Exposure,
    filled,
    lead_slot,
    slot_names,
    slots_of,
    slots_of_uncounted,
    version_key,
    version_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from bids_reid.group.result import GroupResult, ImageLine
    from bids_reid.participant.library import EnrolledScan
    from bids_reid.report.overview import Version
    from bids_reid.risk.attacks import ParticipantRow

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
    versions = _versions(result, scans)
    why_not = {version_key(one.condition, one.source): one.reason for one in result.uncounted}
    n_changed = 0
    for path in sorted(output_dir.glob('sub-*.html')):
        page = _text(path)
        names = slot_names(page)
        if LEAD not in names:
            continue
        label = path.name.removeprefix('sub-').removesuffix('.html')
        now = filled(page, _contents(names, versions.get(label, ()), why_not))
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


def _contents(
    names: Iterable[str], versions: Sequence[Version], why_not: Mapping[str, str]
) -> dict[str, str]:
    """Return the contents of a participant's slots."""
    contents = lead_slot(versions, group_page=True)
    for version in versions:
        contents |= slots_of(version)
    for name in names:
        if name not in contents:
            key = name.partition('-')[2]
            contents |= slots_of_uncounted(key, why_not.get(key, NO_RESULT))
    return contents


def _versions(result: GroupResult, scans: Iterable[EnrolledScan]) -> dict[str, list[Version]]:
    """Return the versions of each participant, with the verdicts of the group level."""
    lines: dict[str | None, list[ImageLine]] = defaultdict(list)
    for image in result.images:
        lines[image.sha256].append(image)
    exposed = {
        (row.participant_id, row.condition, row.modality): row
        for row in result.statistics.participants
    }
    versions: dict[str, list[Version]] = defaultdict(list)
    for scan in scans:
        mine, sha256 = scan.line, scan.record.origin.source_sha256
        line = _line_of(scan, lines[sha256])
        row = exposed.get((f'sub-{mine.participant}', mine.condition, mine.modality))
        versions[mine.participant].append(
            version_of(
                mine if line is None else line,
                mine.source,
                sha256,
                condition=mine.condition,
                rated=None if line is None else line.program_verdict,
                exposure=None if row is None else _exposure(row),
                in_release=None if line is None else line.in_release,
                reviewed_by=None if line is None else line.reviewed_by,
            )
        )
    return versions


def _line_of(scan: EnrolledScan, lines: Iterable[ImageLine]) -> ImageLine | None:
    """Return the line of a scan among those of the same bytes; copies may lie elsewhere."""
    mine = [line for line in lines if line.condition == scan.line.condition]
    at_its_place = [line for line in mine if scan.line.source.endswith(line.path)]
    at_its_place += [line for line in mine if line.path.endswith(scan.line.source)]
    return next(iter(at_its_place or mine), None)


def _exposure(row: ParticipantRow) -> Exposure:
    """Say how exposed a participant is, and by how many searches that was found."""
    if not row.n_searched:
        return Exposure(row.level, 'no search was possible')
    people = words.count(row.n_gallery, 'participant')
    attacks = words.count(row.n_searched, 'attack')
    return Exposure(row.level, f'first by {row.n_identified:,} of {attacks}, among {people}')
