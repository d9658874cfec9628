"""The statistics of each attack, from its merged scores: the long part of the group level."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from bids_reid.group.encoding import read_encoded
from bids_reid.group.merging import write_result
from bids_reid.group.order import came_first
from bids_reid.group.searching import FusedGallery, merge_shards
from bids_reid.match.decisions import DECISIONS
from bids_reid.match.fusion import fused_scores
from bids_reid.match.probes import photograph_scores
from bids_reid.records import RAW, AttackKey
from bids_reid.risk.breakdown import BreakdownRow, breakdown_rows
from bids_reid.risk.changes import ChangeRow, change_rows
from bids_reid.risk.controls import ControlRow, negative_control, positive_control
from bids_reid.risk.distributions import DistributionRow, distribution_rows
from bids_reid.risk.growth import GrowthRow, growth_rows
from bids_reid.risk.identification import (
    IdentificationRow,
    Searches,
    cmc,
    identification_rows,
    mated_ranks,
)
from bids_reid.risk.openset import OpenSetRow, openset_rows
from bids_reid.risk.pairing import ReductionRow, reduction_row, restrict
from bids_reid.risk.verification import (
    DetRow,
    VerificationRow,
    count_comparisons,
    det_rows,
    verification_rows,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from bids_reid.group.encoding import Outcome
    from bids_reid.group.galleries import ScanGallery
    from bids_reid.group.searching import Plan, Searched
    from bids_reid.group.selection import Team
    from bids_reid.records import Score


@dataclass(frozen=True, slots=True)
class AttackSummary:
    """All numbers of one attack on one group of scans.

    Attributes
    ----------
    attack
        Its key.
    n_gallery
        Number of people with a usable template.
    by_photo, by_participant
        How each search of either unit ended.
    curve
        The CMC of the unit ``participant``: the rate at rank 1, 2, ...
    rows, control, growth, verification, det, distributions, openset, breakdown
        Rows of the tables.
    reductions, changes
        Against the raw scans, the same people on both sides; none for raw scans.
    """

    attack: AttackKey
    n_gallery: int
    by_photo: tuple[Score, ...]
    by_participant: tuple[Score, ...]
    curve: tuple[float, ...]
    rows: tuple[IdentificationRow, ...]
    control: ControlRow
    growth: tuple[GrowthRow, ...]
    verification: tuple[VerificationRow, ...]
    det: tuple[DetRow, ...]
    distributions: tuple[DistributionRow, ...]
    openset: tuple[OpenSetRow, ...]
    breakdown: tuple[BreakdownRow, ...]
    reductions: tuple[ReductionRow, ...] = ()
    changes: tuple[ChangeRow, ...] = ()


@dataclass(frozen=True, slots=True)
class GallerySummary:
    """All attacks by one extractor, or a team, on one group of scans, as in the tables."""

    extractor: str
    condition: str
    modality: str
    attacks: tuple[AttackSummary, ...]

    @property
    def key(self) -> tuple[str, str, str]:
        """Extractor, condition and modality."""
        return self.extractor, self.condition, self.modality


@dataclass(frozen=True, slots=True)
class PhotographControl:
    """The positive control of an extractor, and how each photograph was acquired.

    ``outcomes`` are the name of each photograph and how it was acquired.
    """

    extractor: str
    row: ControlRow
    outcomes: Mapping[str, Outcome]


@dataclass(frozen=True, slots=True)
class Rules:
    """How summaries are made.

    ``seed`` is that of all random draws; ``variables`` are columns of participants.tsv to break
    rates down by (name to participant to value); ``order`` is that of `order_of`.
    """

    seed: int
    variables: Mapping[str, Mapping[str, str]]
    order: Mapping[str, str]


def summarise(
    galleries: Sequence[ScanGallery],
    plan: Plan,
    encoded: Sequence[Path],
    team: Team,
    searched: Sequence[Path],
    rules: Rules,
    target: Path,
) -> None:
    """Summarise the searches by a team of extractors in the galleries of one modality.

    The scores of one decision are in memory at a time, those of all galleries.

    Parameters
    ----------
    galleries
        Of all conditions, so that these can be compared.
    encoded, searched
        Files of `encode_photographs` and of `search_shard`, by all members of the team.
    target
        Gets a list of `GallerySummary`.

    Raises
    ------
    MergeError
        A photograph or a scan is missing, or comes twice.
    """
    by_member = [
        merge_shards(galleries, plan, read_encoded(encoded, plan.names, member), searched)
        for member in team.members
    ]
    searched_galleries: Sequence[Searched] = by_member[0]
    if len(by_member) > 1:
        searched_galleries = [FusedGallery(parts) for parts in zip(*by_member, strict=True)]
    attacks: dict[str, list[AttackSummary]] = {one.condition: [] for one in galleries}
    for decision in DECISIONS:
        some = {
            AttackKey(one.gallery.condition, one.gallery.modality, team.name, decision): (
                one.gallery,
                one.searches(decision),
            )
            for one in searched_galleries
            if decision in one.decisions
        }
        for attack, summary in _side_by_side(some, rules).items():
            attacks[attack.condition].append(summary)
    summaries = [
        GallerySummary(team.name, one.condition, one.modality, tuple(attacks[one.condition]))
        for one in galleries
    ]
    write_result(target, summaries)


def _side_by_side(
    searched: Mapping[AttackKey, tuple[ScanGallery, Searches]], rules: Rules
) -> dict[AttackKey, AttackSummary]:
    """Count the searches of attacks that differ in their condition only, and compare these."""
    summaries = {
        attack: summary_of(searches, attack, rules) for attack, (_, searches) in searched.items()
    }
    for row, people in reductions(searched, rules.order):
        # told beside the scans that are not raw
        other = row.baseline if row.condition == RAW else row.condition
        attack = AttackKey(other, row.modality, row.extractor, row.decision)
        summaries[attack] = replace(summaries[attack], reductions=(row,), changes=tuple(people))
    return summaries


def summary_of(searches: Searches, attack: AttackKey, rules: Rules) -> AttackSummary:
    """Count the searches of one attack."""
    by_photo = mated_ranks(searches, 'photo')
    by_participant = mated_ranks(searches, 'participant')
    n_gallery, seed = len(searches.gallery), rules.seed
    rows = partial(identification_rows, attack=attack, n_gallery=n_gallery, seed=seed)
    counts = count_comparisons(searches, seed)
    return AttackSummary(
        attack=attack,
        n_gallery=n_gallery,
        by_photo=tuple(by_photo),
        by_participant=tuple(by_participant),
        curve=tuple(float(rate) for rate in cmc(by_participant, n_gallery)),
        rows=(*rows(by_photo, unit='photo'), *rows(by_participant, unit='participant')),
        control=negative_control(searches, attack, seed=seed),
        growth=tuple(growth_rows(searches, attack, seed=seed)),
        verification=tuple(verification_rows(counts, attack, seed=seed)),
        det=tuple(det_rows(counts, attack)),
        distributions=tuple(distribution_rows(searches, attack)),
        openset=tuple(openset_rows(searches, attack, seed=seed)),
        breakdown=tuple(breakdown_rows(by_participant, attack, rules.variables)),
    )


def reductions(
    searched: Mapping[AttackKey, tuple[ScanGallery, Searches]], order: Mapping[str, str]
) -> Iterator[tuple[ReductionRow, list[ChangeRow]]]:
    """Compare each condition with the raw scans of which it has a version, and with only these.

    By the ``order`` the raw scans may have come of the others: in a dataset whose scans are
    de-faced, with the originals beside it.
    """
    for other in searched:
        raw = replace(other, condition=RAW)
        if other.condition == RAW or raw not in searched:
            continue
        first, last = (raw, other) if came_first(RAW, other.condition, order) else (other, raw)
        sides = searched[first], searched[last]
        keys = [{scan.key for scan in gallery.scans} for gallery, _ in sides]
        shared = keys[0] & keys[1]
        before, after = (
            restrict(searches, np.array([scan.key in shared for scan in gallery.scans], bool))
            for gallery, searches in sides
        )
        yield (
            reduction_row(before, after, last, baseline=first.condition),
            change_rows(before, after, last, baseline=first.condition),
        )


def control_photographs(
    plan: Plan, encoded: Sequence[Path], team: Team, seed: int, target: Path
) -> None:
    """Search photographs among each other; ``target`` gets a `PhotographControl`.

    Those are searched that all members of the team acquired.
    """
    by_member = [read_encoded(encoded, plan.names, member) for member in team.members]
    photographs = by_member[0]
    common = set.intersection(*(set(one.acquired(plan.names)) for one in by_member))
    names = [name for name in plan.names if name in common]
    owners = {photo.name: photo.participant or None for photo in plan.photos}
    people = [owners[name] for name in names]
    matrices = [photograph_scores(one.probes(names)) for one in by_member]
    scores = fused_scores(matrices) if len(matrices) > 1 else matrices[0]
    row = positive_control(scores, people, team.name, seed=seed)
    write_result(target, PhotographControl(team.name, row, dict(photographs.outcomes)))
