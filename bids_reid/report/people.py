"""The participants as the group page shows them: their images, exposure, and own pages."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bids_reid.report.findings import group_name
from bids_reid.report.statistics import exposed, exposed_columns
from bids_reid.risk.gate import NO_FINDINGS, REVIEW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bids_reid.group.result import GroupResult
    from bids_reid.risk.attacks import ParticipantRow

LEVELS = ('unknown', 'low', 'raised', 'high')
"""Of exposure, the lowest first."""
RAISED = LEVELS.index('raised')


@dataclass(frozen=True, slots=True)
class Person:
    """One participant.

    Attributes
    ----------
    label : str
        With ``sub-``.
    has_page : bool
        Whether the participant level writes a page.
    n_images, n_findings, n_unknown : int
        Images in the release, those with a finding, and those without a verdict.
    level : int
        Place of the highest exposure in `LEVELS`, by scans of the condition to be shared.
    rows : tuple
        Exposure by each group of scans of `exposure_columns`; ``None`` where there is no scan.
    """

    label: str
    has_page: bool
    n_images: int
    n_findings: int
    n_unknown: int
    level: int
    rows: tuple[ParticipantRow | None, ...]

    @property
    def remarkable(self) -> bool:
        """Whether anything was found."""
        return bool(self.n_findings or self.n_unknown) or self.level >= RAISED


def people(result: GroupResult) -> list[Person]:
    """List the participants, those at most risk first."""
    searched = _rows(result)
    exposure = {one.participant_id: one.rows for one in exposed(searched)}
    empty = (None,) * len(exposed_columns(searched))
    pages = {f'sub-{scan.participant}' for scan in result.scans}
    verdicts: dict[str, Counter[str]] = {}
    for line in result.images:
        if line.in_release and line.participant:
            verdicts.setdefault(f'sub-{line.participant}', Counter())[line.verdict] += 1
    found = []
    for label in sorted({*exposure, *pages, *verdicts}):
        counts = verdicts.get(label, Counter())
        found.append(
            Person(
                label,
                label in pages,
                n_images=counts.total(),
                n_findings=counts[REVIEW],
                n_unknown=counts.total() - counts[REVIEW] - counts[NO_FINDINGS],
                level=_level(exposure.get(label, ()), result.audited),
                rows=exposure.get(label, empty),
            )
        )
    # the sort is stable
    return sorted(found, key=lambda one: _risk(one, result.audited), reverse=True)


def exposure_columns(result: GroupResult) -> list[tuple[str, bool]]:
    """Name the columns of exposure, and say which are of the condition to be shared: the first."""
    searched = _rows(result)
    shared = {group_name(row) for row in searched if row.condition == result.audited}
    return [(column, column in shared) for column in exposed_columns(searched)]


def _rows(result: GroupResult) -> list[ParticipantRow]:
    """Return the rows of exposure, those of the condition to be shared first."""
    # the sort is stable
    return sorted(result.statistics.participants, key=lambda row: row.condition != result.audited)


def _risk(one: Person, condition: str) -> tuple[int, float, int, int, float]:
    """Rank a participant; a low share of attacks may be luck, and comes after findings."""
    shares = [
        row.n_identified / row.n_searched
        for row in one.rows
        if row and row.condition == condition and row.n_searched
    ]
    share = max(shares, default=0.0)
    beyond_luck = share if one.level >= RAISED else 0.0
    return one.level, beyond_luck, one.n_findings, one.n_unknown, share


def _level(rows: Sequence[ParticipantRow | None], condition: str) -> int:
    concerned = [row for row in rows if row and row.condition == condition]
    return max((LEVELS.index(row.level) for row in concerned), default=0)
