"""Linkage: whether two scans of one person find each other by their faces, without photographs.

Two sets of scans are compared (sessions, modalities, conditions, datasets): every participant of
the probes is searched among the gallery's, as photographs are in
:mod:`bids_reid.risk.identification`, and its words and counts hold here too. No label is used but
to count (scores come from :mod:`bids_reid.match.link_scores`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from bids_reid.records import RAW
from bids_reid.risk.identification import (
    Searches,
    mated_ranks,
    participant_scores,
    wilson_interval,
)
from bids_reid.risk.verification import Verification, count_comparisons, equal_error_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bids_reid.records import Score

MIN_COMMON = 2
"""With one participant in common there is nobody to confuse them with."""
MAX_PARTICIPANTS = 300
"""Participants compared on each side; all pairs of a biobank would take days."""
N_PERMUTATIONS = 1000
THIS = 'this'


@dataclass(frozen=True, slots=True, order=True)
class ScanSet:
    """The labels that the scans of a set share; ``dataset`` is ``this`` or another's name."""

    dataset: str
    condition: str
    session: str | None
    modality: str


@dataclass(frozen=True, slots=True)
class Member:
    """A scan as far as planning needs it."""

    scan_set: ScanSet
    participant: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Probes are searched in the gallery."""

    probe: ScanSet
    gallery: ScanSet


@dataclass(frozen=True, slots=True)
class LinkageRow:
    """A row of ``group_linkage.tsv``; fields are its columns, ``None`` is ``n/a``."""

    probe_dataset: str
    probe_condition: str
    probe_session: str | None
    probe_modality: str
    gallery_dataset: str
    gallery_condition: str
    gallery_session: str | None
    gallery_modality: str
    extractor: str
    decision: str
    n_probes: int
    n_gallery: int
    n_failed_probe: int
    n_failed_gallery: int
    n_correct: int
    rate: float | None
    ci_low: float | None
    ci_high: float | None
    chance: float | None
    eer: float | None
    eer_ci_low: float | None
    eer_ci_high: float | None
    permuted_rate: float | None
    p_value: float | None
    self_rate: float | None
    seed: int


def plan(members: Sequence[Member], audited: str | None = None) -> list[Comparison]:
    """Pair all sets that share `MIN_COMMON` participants or more.

    The probe is what would be shared: a condition other than raw (or the raw one, if that is
    ``audited``), a later session, another dataset's scans; the gallery is what an attacker may
    hold. Two sets of another dataset are not this run's business. Equal labels are taken for the
    same person. Same input, same order.
    """
    owners: dict[ScanSet, set[str]] = {}
    for member in members:
        owners.setdefault(member.scan_set, set()).add(member.participant)
    ordered = sorted(owners, key=partial(_gallery_first, shared_raw=audited == RAW))
    return [
        Comparison(probe=second, gallery=first)
        for first, second in combinations(ordered, 2)
        if THIS in (first.dataset, second.dataset)
        and len(owners[first] & owners[second]) >= MIN_COMMON
    ]


def compared_participants(
    probes: Iterable[str], gallery: Iterable[str], most: int = MAX_PARTICIPANTS
) -> tuple[frozenset[str], frozenset[str]]:
    """Choose who of two sets is compared: all, or ``most`` of each spread evenly over the labels.

    Those in both sets come first, the same in both; what room they leave is for the others.
    """
    sides = set(probes), set(gallery)
    both = _evenly(sides[0] & sides[1], most)
    rest = (_evenly(side - (sides[0] & sides[1]), most - len(both)) for side in sides)
    first, second = (frozenset([*both, *others]) for others in rest)
    return first, second


def _evenly(labels: Iterable[str], most: int) -> list[str]:
    """Take ``most`` of the labels in order, or all."""
    ordered = sorted(labels)
    n = min(most, len(ordered))
    return [ordered[number * len(ordered) // n] for number in range(n)]


def _gallery_first(one: ScanSet, *, shared_raw: bool) -> tuple[bool, str, bool, str, str, str]:
    return (
        (one.condition == RAW) == shared_raw,
        one.condition,
        one.dataset != THIS,
        one.dataset,
        one.session or '',
        # T1w shows the skin best
        '' if one.modality == 'T1w' else one.modality,
    )


def link(
    comparison: Comparison,
    scores: NDArray[np.float32],
    *,
    probe_participants: Sequence[str],
    gallery_participants: Sequence[str],
    probe_enrolled: NDArray[np.bool_],
    gallery_enrolled: NDArray[np.bool_],
    extractor: str,
    decision: str,
    self_rate: float | None = None,
    seed: int = 0,
) -> LinkageRow:
    """Count the probe participants whose best candidate is themselves.

    Parameters
    ----------
    scores : (n_probes, n_gallery)
        Of scans; participants with several scans count with the best of them. NaN, and rows and
        columns of scans that failed, count as least alike.
    probe_participants, gallery_participants : sequence of str
        Whose the scans are. Probes of participants without a scan in the gallery are left out;
        the gallery keeps all of its own, who make it harder.
    probe_enrolled, gallery_enrolled : bool
        Whether the scans have a template. Those without stay in the denominator.
    self_rate : float or None
        From `bids_reid.match.link_scores.found_under_other_light`.
    seed : int
        Of the permutations of the control, and of the bootstrap over people for the EER.

    Returns
    -------
    LinkageRow
        ``permuted_rate`` and ``p_value`` are the negative control: the mean rate, and how often
        it is as high as the one found, when identities are dealt out at random
        (one more than counted over one more than tried; Phipson & Smyth, 2010).
    """
    mated = np.isin(probe_participants, sorted(set(gallery_participants)))
    searches = Searches(
        scores=np.where(np.isnan(scores), -np.inf, scores)[mated].astype(np.float32),
        photos=tuple(str(number) for number in np.flatnonzero(mated)),
        photo_participants=tuple(np.array(probe_participants)[mated].tolist()),
        acquired=probe_enrolled[mated],
        scan_participants=tuple(gallery_participants),
        enrolled=gallery_enrolled,
    )
    results = mated_ranks(searches, 'participant')
    table, own = _participants(searches, results)
    n_probes, n_gallery = len(results), len(searches.gallery)
    n_correct = sum(result.rank == 1 for result in results)
    low, high = wilson_interval(n_correct, n_probes) if n_probes else (None, None)
    permuted, p_value = _control(table, n_correct, n_probes, seed)
    eer, eer_low, eer_high = equal_error_interval(_between_people(table, own, searches), seed)
    probe, side = comparison.probe, comparison.gallery
    return LinkageRow(
        probe_dataset=probe.dataset,
        probe_condition=probe.condition,
        probe_session=probe.session,
        probe_modality=probe.modality,
        gallery_dataset=side.dataset,
        gallery_condition=side.condition,
        gallery_session=side.session,
        gallery_modality=side.modality,
        extractor=extractor,
        decision=decision,
        n_probes=n_probes,
        n_gallery=n_gallery,
        n_failed_probe=sum(result.status == 'no_face' for result in results),
        n_failed_gallery=sum(result.status == 'no_template' for result in results),
        n_correct=n_correct,
        rate=n_correct / n_probes if n_probes else None,
        ci_low=low,
        ci_high=high,
        chance=1 / n_gallery if n_gallery else None,
        eer=eer,
        eer_ci_low=eer_low,
        eer_ci_high=eer_high,
        permuted_rate=permuted,
        p_value=p_value,
        self_rate=self_rate,
        seed=seed,
    )


def _participants(
    searches: Searches, results: Sequence[Score]
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Scores of the participants that could be searched, and which column is their own."""
    gallery = {participant: column for column, participant in enumerate(searches.gallery)}
    scores = participant_scores(searches)
    owners = np.array(searches.photo_participants)
    searched = [result.participant for result in results if result.status == 'ok']
    rows = [
        scores[searches.acquired & (owners == participant)].max(axis=0) for participant in searched
    ]
    table = np.array(rows, np.float32).reshape(len(searched), len(gallery))
    return table, np.array([gallery[participant] for participant in searched], np.intp)


def _between_people(
    table: NDArray[np.float32], own: NDArray[np.intp], searches: Searches
) -> Verification:
    """Compare people with people, as photographs with participants elsewhere."""
    people = tuple(searches.gallery[column] for column in own)
    return count_comparisons(
        Searches(
            scores=table,
            photos=people,
            photo_participants=people,
            acquired=np.ones(len(people), np.bool_),
            scan_participants=searches.gallery,
            enrolled=np.ones(len(searches.gallery), np.bool_),
        )
    )


def _control(
    table: NDArray[np.float32], n_correct: int, n_probes: int, seed: int
) -> tuple[float | None, float | None]:
    """Mean rate when each probe's identity is dealt at random, and the p-value of the rate."""
    n_searched, n_gallery = table.shape
    if not n_searched:
        return None, None
    rng = np.random.default_rng(seed)
    best = table.argmax(axis=1)
    unique = (table == table.max(axis=1, keepdims=True)).sum(axis=1) == 1
    hits = np.empty(N_PERMUTATIONS)
    for turn in range(N_PERMUTATIONS):
        dealt = rng.permutation(n_gallery)[:n_searched]
        hits[turn] = ((best == dealt) & unique).sum()
    p_value = (1 + int((hits >= n_correct).sum())) / (1 + N_PERMUTATIONS)
    return float(hits.mean() / n_probes), p_value
