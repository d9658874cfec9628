"""Parts of the group page beside the rates: presence, changes, linkage, growth, exposure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import get_args

from bids_reid.bids.formats import OWN_RESULTS
from bids_reid.group.result import GroupResult, ImageLine
from bids_reid.participant.content import ScanLine
from bids_reid.records import RAW
from bids_reid.report import words
from bids_reid.report.findings import attack_of, distinct, group_name
from bids_reid.risk.attacks import ParticipantRow, StrongestRow
from bids_reid.risk.comparisons import ComparisonRow
from bids_reid.risk.growth import GrowthRow
from bids_reid.risk.linkage import THIS, LinkageRow, ScanSet
from bids_reid.risk.pairing import ReductionRow
from bids_reid.risk.presence import Verdict
from bids_reid.risk.refacing import HEAD, SURFACE
from bids_reid.risk.strength import strongest_first

VERDICTS: tuple[str, ...] = get_args(Verdict)
FAR = (1000, 1_000_000)
"""Galleries that the text about growth names."""


@dataclass(frozen=True, slots=True)
class Change:
    """The change of one group of scans: the strongest attack before, and all attacks."""

    group: str
    strongest: ReductionRow
    rows: tuple[ReductionRow, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """One comparison of two sets of scans: its strongest attack, and all of them."""

    probe: str
    gallery: str
    strongest: LinkageRow
    rows: tuple[LinkageRow, ...]


@dataclass(frozen=True, slots=True)
class Growth:
    """How the strongest attack on a group of scans fares in larger galleries."""

    group: str
    row: StrongestRow
    rows: tuple[GrowthRow, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class Exposed:
    """How exposed one participant is by each group of scans; ``None`` where there is no scan."""

    participant_id: str
    rows: tuple[ParticipantRow | None, ...]


def presence_sentence(images: Sequence[ImageLine]) -> str | None:
    """Say how many images of the release show a face; ``None`` without images.

    Brain that was cut is a finding too, but no face, so it is named apart.
    """
    concerned = [line for line in images if line.in_release]
    if not concerned:
        return None
    counts = Counter(_shows(line) for line in concerned)
    n_cut = sum(line.brain_loss == 'yes' and not _cleared(line) for line in concerned)
    brain = f' Brain seems to be cut on {words.count(n_cut, "image")}.' if n_cut else ''
    said = [
        words.count(number, one, many)
        for number, one, many in (
            (
                counts['face'],
                'shows a face or a part of a face',
                'show a face or a part of a face',
            ),
            (
                counts['seen'],
                'has a finding that a person saw',
                'have a finding that a person saw',
            ),
            (counts['own'], 'holds results of bids_reid', 'hold results of bids_reid'),
            (counts['replaced'], 'shows a replaced face', 'show a replaced face'),
            (counts['none'], 'shows no face', 'show no face'),
            (counts['unknown'], 'cannot be assessed', 'cannot be assessed'),
            (counts['unseen'], 'was not looked at', 'were not looked at'),
        )
        if number
    ]
    last = f' and {said.pop()}' if len(said) > 1 else ''
    all_images = words.count(len(concerned), 'image')
    return f'Of {all_images} in the folder, {", ".join(said)}{last}.{brain}'


def completed_counts(scans: Iterable[ScanLine]) -> dict[str, int]:
    """Count the scans with a face completed, without, and those where it was not asked for."""
    counts = Counter(scan.face_completed for scan in scans if scan.status != 'failed')
    return {'yes': counts['yes'], 'no': counts['no'], 'not_asked': counts[None]}


def completed_sentence(scans: Sequence[ScanLine]) -> str | None:
    """Say how many of the scans searched have a completed face; ``None`` if none was to have."""
    counts = completed_counts(scans)
    n_asked = counts['yes'] + counts['no']
    if not n_asked:
        return None
    n_scans = n_asked + counts['not_asked']
    sentence = (
        f'In {counts["yes"]:,} of {words.count(n_scans, "scan")} searched, a part of the face '
        'that the field of view cuts was completed from an average head (--complete-face); '
        'group_images.tsv says in which.'
    )
    if counts['not_asked']:
        sentence += (
            f' {words.count(counts["not_asked"], "was", "were")} processed without that option, '
            'so completed faces and cut ones stand in the same rates.'
        )
    return sentence


def _shows(line: ImageLine) -> str:
    if line.format in OWN_RESULTS:
        return 'own'
    if line.verdict == 'not looked at':
        return 'unseen'
    if line.verdict == 'could not assess':
        return 'unknown'
    if line.verdict == 'review' and line.program_verdict == 'no findings':
        # that of a person, who may mean cut brain
        return 'seen'
    if line.face_present not in ('yes', 'unsure') or _cleared(line):
        return 'none'
    # a face that the program accepted is that of nobody in the study
    return 'replaced' if line.verdict == 'no findings' else 'face'


def _cleared(line: ImageLine) -> bool:
    """Whether a person said that a finding is none."""
    return line.verdict == 'no findings' and line.program_verdict not in (None, 'no findings')


def linkage_sentence(links: Sequence[Link], audited: str) -> str | None:
    """Say the strongest link of scans of the condition audited to other ones, else of any."""
    if not links:
        return None
    changed = linked_condition(links, audited)
    link = max(changed or links, key=lambda one: one.strongest.ci_low or 0)
    row = link.strongest
    return (
        f'Without any photograph, {row.n_correct or "none"} of '
        f'{words.count(row.n_probes, "participant")} ({words.percent(row.rate)}, 95% interval '
        f'{words.interval(row.ci_low, row.ci_high)}) were linked from their {link.probe} scan to '
        f'their {link.gallery} scan among {words.count(row.n_gallery, "participant")} '
        f'(the strongest of the ways tried); guessing would give {words.percent(row.chance)}.'
        f'{_by_the_head(row, link.gallery)}'
    )


def _by_the_head(row: LinkageRow, gallery: str) -> str:
    """Say why a link does not count; nothing if a face made it, or chance may have."""
    if (row.extractor, row.decision) != (SURFACE, HEAD):
        return ''
    if row.ci_low is None or row.chance is None or row.ci_low <= row.chance:
        return ''
    return (
        ' This link is by the shape of the skull and ears. It is no finding: it helps only '
        f'somebody who already holds the {gallery} scans.'
    )


def linked_condition(links: Sequence[Link], audited: str) -> list[Link]:
    """Return the links of scans of the condition audited to those of another condition."""
    return [
        link
        for link in links
        if link.strongest.probe_condition == audited != link.strongest.gallery_condition
    ]


def changes(rows: Sequence[ReductionRow]) -> list[Change]:
    """Sort the rows by group of scans, the attack that was strongest before de-facing first.

    Not the one strongest after: of many attacks that fail, one is luckiest.
    """
    sorted_changes = []
    for group in distinct(map(_changed, rows)):
        members = sorted(
            (row for row in rows if _changed(row) == group), key=lambda row: -row.n_after
        )
        order = strongest_first(
            [row.n_before for row in members], [row.n_gallery_after for row in members]
        )
        members = [members[place] for place in order]
        sorted_changes.append(Change(group, members[0], tuple(members)))
    return sorted_changes


def _changed(row: ReductionRow) -> str:
    """Name the scans of a row; that they were raw before goes without saying."""
    before = '' if row.baseline == RAW else f', {row.baseline} before'
    return f'{group_name(row)}{before}'


def differences(rows: Sequence[ComparisonRow]) -> list[ComparisonRow]:
    """Turn the rows so that ``a`` is the stronger."""
    return [row if row.difference >= 0 else _turned(row) for row in rows]


def _turned(row: ComparisonRow) -> ComparisonRow:
    return replace(
        row,
        a=row.b,
        b=row.a,
        n_a=row.n_b,
        n_b=row.n_a,
        n_only_a=row.n_only_b,
        n_only_b=row.n_only_a,
        rate_a=row.rate_b,
        rate_b=row.rate_a,
        difference=-row.difference,
        ci_low=-row.ci_high,
        ci_high=-row.ci_low,
        relative_reduction=1 - row.n_a / row.n_b if row.n_b else None,
    )


def links(rows: Sequence[LinkageRow]) -> list[Link]:
    """Sort the rows by what is compared with what, the most surely linked first."""
    sorted_links = []
    for sides in distinct(_sides(row) for row in rows):
        members = [row for row in rows if _sides(row) == sides]
        order = strongest_first(
            [row.rate or 0 for row in members], [row.n_gallery for row in members]
        )
        members = [members[place] for place in order]
        probe, gallery = (_set_name(side) for side in sides)
        sorted_links.append(Link(probe, gallery, members[0], tuple(members)))
    return sorted(sorted_links, key=lambda link: link.strongest.ci_low or 0, reverse=True)


def _sides(row: LinkageRow) -> tuple[ScanSet, ScanSet]:
    return (
        ScanSet(row.probe_dataset, row.probe_condition, row.probe_session, row.probe_modality),
        ScanSet(
            row.gallery_dataset, row.gallery_condition, row.gallery_session, row.gallery_modality
        ),
    )


def _set_name(side: ScanSet) -> str:
    session = f' ses-{side.session}' if side.session else ''
    dataset = '' if side.dataset == THIS else f' of {side.dataset}'
    return f'{side.condition} {side.modality}{session}{dataset}'


def growths(content: GroupResult) -> list[Growth]:
    """Say how the strongest attack on each group of scans fares in larger galleries."""
    by_group = []
    for strongest in content.statistics.strongest:
        attack = attack_of(strongest)
        rows = tuple(row for row in content.statistics.growth if attack_of(row) == attack)
        group = group_name(strongest)
        by_group.append(Growth(group, strongest, rows, _growth_sentence(rows)))
    return by_group


def _growth_sentence(rows: Sequence[GrowthRow]) -> str:
    far = [row for row in rows if row.measured == 'no' and row.n_gallery in FAR]
    reasons = distinct(row.reason for row in rows if row.rate is None and row.reason)
    if not far or far[0].rate is None:
        return f'No larger gallery could be modelled: {reasons[0]}.' if reasons else ''
    rates = '; '.join(
        f'{words.percent(row.rate)} ({words.interval(row.ci_low, row.ci_high)}) among '
        f'{words.count(row.n_gallery, "person", "people")}'
        for row in far
    )
    return f'Modelled from the scores of this run: {rates}.'


def exposed(rows: Sequence[ParticipantRow]) -> list[Exposed]:
    """Put the rows of each participant side by side, the most exposed participants first."""
    columns = exposed_columns(rows)
    people = []
    for participant in sorted({row.participant_id for row in rows}):
        members = {group_name(row): row for row in rows if row.participant_id == participant}
        people.append(Exposed(participant, tuple(members.get(column) for column in columns)))
    return sorted(people, key=lambda one: -max(row.n_identified for row in one.rows if row))


def exposed_columns(rows: Sequence[ParticipantRow]) -> list[str]:
    """Name the columns of `exposed`."""
    return distinct(group_name(row) for row in rows)
