"""The parts of the group level become one `GroupResult`, each found by its key."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bids_reid.group.audit import audit, not_assessed
from bids_reid.group.cleared import cleared_sentence
from bids_reid.group.encoding import NOT_TAKEN
from bids_reid.group.faces_left import faces_left
from bids_reid.group.galleries import galleries
from bids_reid.group.merging import merged
from bids_reid.group.order import order_of
from bids_reid.group.photo_remarks import photo_remarks
from bids_reid.group.result import Curve, GroupResult, ImageLine, PhotoLine, Statistics
from bids_reid.group.scan_links import all_ways, linkage_rows, linked_scans
from bids_reid.participant.library import left_out, provenance_of
from bids_reid.records import IDENTIFYING, RAW, AttackKey
from bids_reid.risk.attacks import by_group, participant_rows, strongest_attacks
from bids_reid.risk.comparisons import comparison_rows
from bids_reid.risk.gate import GAP, planning_sentence
from bids_reid.risk.pairing import for_all_attacks
from bids_reid.risk.refacing import linkage_reasons, skull_sentence
from bids_reid.risk.strength import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from bids_reid.group.encoding import Outcome
    from bids_reid.group.selection import Extractors, Selection
    from bids_reid.group.summaries import AttackSummary, GallerySummary, PhotographControl
    from bids_reid.participant.content import Provenance
    from bids_reid.records import Photo
    from bids_reid.risk.gate import Gate, Reason
    from bids_reid.risk.linkage import Comparison, LinkageRow
    from bids_reid.risk.pairing import ReductionRow

COMPARED = ('modality', 'extractor', 'decision')
"""Conditions are compared by `group_reduction`, in galleries of the same people."""
PARTS_IGNORED = 'these parts of the face are not judged: {} (see --parts)'
NETWORKED = 'images of faces were sent to a network (--allow-network) by: {}'
REJECTED = '{} could not use {} photographs, which count as not recognised'
REJECTED_ONE = '{} could not use {} photograph, which counts as not recognised'
UNASKED = 'it was not requested'
PHOTOGRAPHS_ONLY = 'it needs photographs, and none were given'


@dataclass(frozen=True, slots=True)
class Parts:
    """The results of the steps, in no order.

    Attributes
    ----------
    summaries
        Of each group of scans by each extractor.
    controls
        The positive control of each extractor.
    links
        Of each way of linking, per comparison.
    """

    summaries: Sequence[GallerySummary] = ()
    controls: Sequence[PhotographControl] = ()
    links: Sequence[Mapping[tuple[Comparison, str], tuple[LinkageRow, ...]]] = ()


def group_result(
    selection: Selection,
    extractors: Extractors,
    parts: Parts,
    *,
    images: tuple[ImageLine, ...],
    dataset: str,
    command: str,
) -> GroupResult:
    """Put the parts together, and draw the conclusions that need all of them.

    Raises
    ------
    MergeError
        A part is missing or comes twice.
    """
    choice, scans = selection.choice, selection.scans
    processed = {scan.line.participant for scan in scans}
    teams = [team.name for team in extractors.teams]
    attacks = _attacks(selection, teams, parts.summaries)
    pairs = ((control.extractor, control) for control in parts.controls)
    controls = merged(pairs, teams, 'photographs by')
    photos, statistics = None, Statistics()
    if selection.photos is not None:
        outcomes = _acquired_by_any(controls.values())
        photos = tuple(_photo_lines(selection.photos, outcomes, processed))
        statistics = statistics_of(attacks, controls, photos, not_assessed(scans, photos))
    used = list(dict.fromkeys([*extractors.searching, *extractors.linking]))
    linked = linked_scans(scans, selection.others, selection.other_name)
    linkage = linkage_rows(parts.links, linked, all_ways(extractors.linking), choice.audited)
    gate = _gate(selection, images, photos, statistics, linkage)
    provenance = provenance_of(scans, used, command)
    return GroupResult(
        dataset=dataset,
        scans=tuple(scan.line for scan in scans),
        images=images,
        uncounted=selection.survey.uncounted,
        release=selection.survey.folder.name,
        provenance=provenance,
        photos=photos,
        given=selection.given,
        unprocessed=tuple(sorted(set(choice.participants) - processed)),
        rows=tuple(row for attack in attacks.values() for row in attack.rows),
        searches=tuple((key, attack.by_photo) for key, attack in attacks.items()),
        curves=tuple(Curve(key, attack.curve) for key, attack in attacks.items()),
        reductions=tuple(for_all_attacks(_reductions(attacks))),
        gate=gate,
        statistics=statistics,
        linkage=linkage,
        remarks=(
            *_remarks(selection, linkage, gate),
            *cleared_remarks(images, gate),
            *photo_remarks(photos or ()),
            *_remarks_about_extractors(
                provenance, [controls[name] for name in extractors.searching]
            ),
        ),
        audited=choice.audited,
        faces_left=faces_left(scans),
        needed=selection.survey.needed,
        not_run=left_out(
            extractors.reasons,
            used,
            otherwise=UNASKED if extractors.searching else PHOTOGRAPHS_ONLY,
        ),
    )


def _gate(
    selection: Selection,
    images: Sequence[ImageLine],
    photos: Sequence[PhotoLine] | None,
    statistics: Statistics,
    linkage: Sequence[LinkageRow],
) -> Gate:
    choice = selection.choice
    original = _original(selection)
    linked: list[Reason] = []
    if choice.audited in choice.refaced:
        linked = linkage_reasons(linkage, condition=choice.audited, original=original)
    return audit(
        choice,
        selection.survey,
        images,
        photographs=photos is not None,
        strongest=statistics.strongest,
        controls=statistics.controls,
        besides=linked,
    )


def _original(selection: Selection) -> str:
    """Name the condition that the audited one was made from."""
    choice = selection.choice
    order = order_of(selection.scans, choice.conditions, choice.audited)
    return order.get(choice.audited, RAW)


def _remarks(selection: Selection, linkage: Sequence[LinkageRow], gate: Gate) -> Iterator[str]:
    """Say which parts count for nothing, how well skulls link, and what chance the limit left."""
    choice = selection.choice
    ignored = [name for name in IDENTIFYING if name not in selection.survey.needed]
    if ignored:
        yield PARTS_IGNORED.format(', '.join(ignored))
    if choice.audited in choice.refaced:
        original = _original(selection)
        skulls = skull_sentence(linkage, condition=choice.audited, original=original)
        if skulls is not None:
            yield skulls
    # where people are too few the reason says it
    planned = planning_sentence(gate.risk)
    if planned is not None and gate.risk is not None and gate.risk.outcome != GAP:
        yield planned


def cleared_remarks(images: Sequence[ImageLine], gate: Gate) -> list[str]:
    """Say which images pass by the word of a person, where the gate's sentence does not."""
    said = '' if gate.passed else cleared_sentence(images, gate.n_images)
    return [said] if said else []


def _remarks_about_extractors(
    provenance: Provenance, controls: Iterable[PhotographControl]
) -> Iterator[str]:
    """Say which extractors sent images to a network, and which did not take photographs."""
    if provenance.networked:
        yield NETWORKED.format(', '.join(provenance.networked))
    for control in controls:
        n = sum(one.reason.endswith(NOT_TAKEN) for one in control.outcomes.values())
        if n:
            taken = REJECTED if n > 1 else REJECTED_ONE
            yield taken.format(control.extractor, n)


def _acquired_by_any(controls: Iterable[PhotographControl]) -> dict[str, Outcome]:
    """Say how each photograph was acquired: an extractor may leave out what others take."""
    outcomes: dict[str, Outcome] = {}
    for control in controls:
        taken = {name: one for name, one in control.outcomes.items() if one.status == 'ok'}
        outcomes = {**control.outcomes, **outcomes, **taken}
    return outcomes


def _attacks(
    selection: Selection, extractors: Sequence[str], summaries: Iterable[GallerySummary]
) -> dict[AttackKey, AttackSummary]:
    """Put the summaries in the order of the tables: extractor, group of scans, decision."""
    keys = [
        (extractor, gallery.condition, gallery.modality)
        for extractor in extractors
        for gallery in galleries(selection.scans)
    ]
    ordered = merged(((summary.key, summary) for summary in summaries), keys, 'scores of')
    return {attack.attack: attack for one in ordered.values() for attack in one.attacks}


def statistics_of(
    attacks: Mapping[AttackKey, AttackSummary],
    controls: Mapping[str, PhotographControl],
    photos: Sequence[PhotoLine],
    n_not_assessed: Mapping[tuple[str, str], int],
) -> Statistics:
    """Return the rows that stand beside the identification rates.

    ``n_not_assessed`` counts, per condition and modality, the photographed people whose scans all
    failed.
    """
    outcomes = {key: attack.by_participant for key, attack in attacks.items()}
    n_gallery = {key: attack.n_gallery for key, attack in attacks.items()}
    shown = Counter(
        photo.participant for photo in photos if photo.participant and photo.status == 'ok'
    )
    control_rows = []
    for extractor, control in controls.items():
        control_rows.append(control.row)
        control_rows += [a.control for key, a in attacks.items() if key.extractor == extractor]
    several = attacks.values()
    return Statistics(
        strongest=tuple(strongest_attacks(outcomes, n_gallery, n_not_assessed)),
        participants=tuple(participant_rows(outcomes, shown, n_gallery)),
        comparisons=tuple(comparison_rows(outcomes, COMPARED)),
        controls=tuple(control_rows),
        growth=tuple(row for attack in several for row in attack.growth),
        verification=tuple(row for attack in several for row in attack.verification),
        det=tuple(row for attack in several for row in attack.det),
        distributions=tuple(row for attack in several for row in attack.distributions),
        changes=tuple(row for attack in several for row in attack.changes),
        openset=tuple(row for attack in several for row in attack.openset),
        breakdown=tuple(row for attack in several for row in attack.breakdown),
    )


def _reductions(attacks: Mapping[AttackKey, AttackSummary]) -> Iterator[ReductionRow]:
    """Yield the changes between conditions.

    Nobody is named as still identified by an attack whose gallery is small beside those of the
    other attacks on the same scans.
    """
    sizes = {key: attack.n_gallery for key, attack in attacks.items()}
    counts: dict[AttackKey, bool] = {}
    outcomes = {key: attack.by_participant for key, attack in attacks.items()}
    for group in by_group(outcomes).values():
        counts |= zip(group, counted([sizes[key] for key in group]), strict=True)
    for attack in attacks.values():
        for row in attack.reductions:
            last = AttackKey(row.condition, row.modality, row.extractor, row.decision)
            yield row if counts[last] else replace(row, still_identified=())


def _photo_lines(
    photos: Iterable[Photo], outcomes: Mapping[str, Outcome], processed: set[str]
) -> Iterator[PhotoLine]:
    """Describe each photograph."""
    for photo in photos:
        yield PhotoLine(
            name=photo.name,
            participant=photo.participant,
            searched=photo.participant in processed,
            **outcomes[photo.name]._asdict(),
        )
