"""The cards of the group page: each modality before and after, one step per condition."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bids_reid.group.account import HEAD_VOLUME
from bids_reid.records import RAW
from bids_reid.report import words
from bids_reid.report.findings import Finding, distinct, group_findings
from bids_reid.risk.gate import FINDING, GAP, NO_FINDINGS, REVIEW
from bids_reid.risk.strength import MIN_GALLERY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bids_reid.group.result import GroupResult, ImageLine
    from bids_reid.risk.gate import Gate, Outcome

UNSEEN = 'not looked at'
"""Verdict of images that the counts of a card leave out, and name beside."""
Tone = Literal['none', 'risk', 'gap']
"""Colour of a step: no risk shown, a risk, not known."""


@dataclass(frozen=True, slots=True)
class Step:
    """The scans of one condition and modality.

    Attributes
    ----------
    condition : str
        Its name.
    audited : bool
        Whether it is the one to be shared, or has images in the folder to be shared.
    tone : str
        Colour of its risk.
    count, what : str
        The number in large type, ``23 of 24``, and what it counts.
    finding : Finding or None
        The strongest attack; ``None`` if nobody was searched for.
    details : tuple of str
        Sentences below.
    faces : str
        Images with findings, where ``count`` is that of people.
    """

    condition: str
    audited: bool
    tone: Tone
    count: str
    what: str
    finding: Finding | None = None
    details: tuple[str, ...] = ()
    faces: str = ''


@dataclass(frozen=True, slots=True)
class Card:
    """One modality, raw first."""

    modality: str
    steps: tuple[Step, ...]

    @property
    def compares(self) -> bool:
        """Whether there is a before and an after."""
        return len(self.steps) > 1


def cards(result: GroupResult) -> list[Card]:
    """Sort conditions by modality; modalities of the audited condition come first."""
    findings = {
        (one.row.modality, one.row.condition): one
        for one in group_findings(result)
        if one.row.n_probes
    }
    images: dict[tuple[str, str], list[ImageLine]] = {}
    for line in result.images:
        if line.kind == HEAD_VOLUME and line.modality:
            images.setdefault((line.modality, line.condition), []).append(line)
    groups = distinct([*findings, *images])
    for line in result.images:
        # of what was left out nobody knows that it is a head: it makes no card of its own
        group = (line.modality or '', line.condition)
        if line.kind != HEAD_VOLUME and line.verdict == UNSEEN and group in images:
            images[group].append(line)
    audited = [modality for modality, condition in groups if condition == result.audited]
    found = []
    for modality in distinct([*audited, *(modality for modality, _ in groups)]):
        conditions = [condition for one, condition in groups if one == modality]
        conditions.sort(key=lambda name: (name != RAW, name != result.audited))
        steps = tuple(
            _step(
                condition,
                findings.get((modality, condition)),
                images.get((modality, condition), []),
                result,
            )
            for condition in conditions
        )
        found.append(Card(modality, steps))
    return found


def _step(
    condition: str, finding: Finding | None, images: Sequence[ImageLine], result: GroupResult
) -> Step:
    audited = condition == result.audited or any(line.in_release for line in images)
    counts = Counter[str](line.verdict for line in images)
    n_unseen = counts[UNSEEN]
    n_seen = len(images) - n_unseen
    unseen = f'{n_unseen:,} not looked at' if n_unseen else ''
    faces = f'{counts[REVIEW]:,} of {words.count(n_seen, "image")} with a finding'
    if finding is None or not finding.row.n_gallery:
        unknown = len(images) - counts[REVIEW] - counts[NO_FINDINGS]
        tone: Tone = 'risk' if counts[REVIEW] else 'gap' if unknown else 'none'
        n_unclear = unknown - n_unseen
        details = [f'{n_unclear:,} could not be assessed'] if n_unclear else []
        if unseen:
            details.append(unseen)
        if finding is not None:
            details.append('No scan could be searched.')
        count = f'{counts[REVIEW]:,} of {n_seen:,}'
        what = 'images with a finding'
        if n_unseen and not n_seen:
            count, what = f'0 of {n_unseen:,}', 'images looked at'
            details.remove(unseen)
        return Step(condition, audited, tone, count, what, None, tuple(details))
    return Step(
        condition,
        audited,
        _tone(finding, counts, result.gate),
        f'{finding.row.n_correct:,} of {finding.row.n_probes:,}',
        'recognised',
        finding,
        finding.notes,
        ', '.join(filter(None, [faces, unseen])) if images else '',
    )


def _tone(finding: Finding, counts: Counter[str], gate: Gate | None) -> Tone:
    """A risk is an interval above guessing, or a finding; no tone is better than the outcome."""
    row = finding.row
    above = row.ci_low is not None and row.chance is not None and row.ci_low > row.chance
    outcome = _outcome(row.condition, row.modality, gate)
    if (above and row.n_gallery >= MIN_GALLERY) or counts[REVIEW] or outcome == FINDING:
        return 'risk'
    unknown = counts.total() - counts[NO_FINDINGS]
    if unknown or row.ci_high is None or row.n_gallery < MIN_GALLERY or outcome == GAP:
        return 'gap'
    return 'gap' if gate and gate.max_risk is not None and row.ci_high > gate.max_risk else 'none'


def _outcome(condition: str, modality: str, gate: Gate | None) -> Outcome | None:
    """Return what the gate says of recognition from a group of scans, if it was asked."""
    if gate is None or gate.risk is None:
        return None
    for one in (gate.risk, *gate.risk.others):
        if (one.condition, one.modality) == (condition, modality):
            return one.outcome
    return None
