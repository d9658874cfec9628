"""All attacks together: how exposed each participant is, and the dataset.

An attack is an extractor with a decision. An attacker may try them all, so the dataset is as
exposed as the strongest makes it. But the strongest was picked after its result was seen: the
best of many is partly lucky, and its own interval is too narrow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bids_reid.records import AttackKey, Score
from bids_reid.risk.comparisons import Outcomes
from bids_reid.risk.identification import found_at
from bids_reid.risk.intervals import CONFIDENCE, normal_quantile, wilson
from bids_reid.risk.strength import counted, strongest_first

Level = Literal['high', 'raised', 'low', 'unknown']


@dataclass(frozen=True, slots=True)
class ParticipantRow:
    """A row of ``group_participants.tsv``; fields are its columns, ``None`` is ``n/a``."""

    participant_id: str
    condition: str
    modality: str
    n_photos: int
    n_gallery: int
    n_attacks: int
    n_searched: int
    n_identified: int
    best_rank: int | None
    level: Level


@dataclass(frozen=True, slots=True)
class StrongestRow:
    """A row of ``group_strongest.tsv``; fields are its columns, ``None`` is ``n/a``.

    The corrected interval is the one that page and gate quote.
    """

    condition: str
    modality: str
    extractor: str
    decision: str
    n_attacks: int
    n_people: int
    n_gallery: int
    n_failed_acquire: int
    n_failed_enrol: int
    n_assessed: int
    n_correct: int
    rate: float
    ci_low: float
    ci_high: float
    ci_low_corrected: float | None
    ci_high_corrected: float | None
    quantile: float
    note: str


def by_group(outcomes: Outcomes) -> dict[tuple[str, str], dict[AttackKey, Sequence[Score]]]:
    """Sort attacks by condition and modality, in the order in which these first come."""
    groups: dict[tuple[str, str], dict[AttackKey, Sequence[Score]]] = {}
    for attack, results in outcomes.items():
        groups.setdefault((attack.condition, attack.modality), {})[attack] = results
    return groups


def participant_rows(
    outcomes: Outcomes,
    n_photos: Mapping[str, int],
    n_gallery: Mapping[AttackKey, int],
) -> list[ParticipantRow]:
    """Say for each photographed participant how exposed they are.

    Parameters
    ----------
    outcomes
        Results of `mated_ranks`, unit ``participant``, per attack.
    n_photos
        Participant to number of photographs with a face.
    n_gallery
        Number of people with a usable template in each attack.

    Returns
    -------
    Rows by condition and modality, then participant. Attacks on too small a gallery
    (`bids_reid.risk.strength`) are left out. The level is ``high`` if half of the attacks
    that could search or more put the participant first, ``raised`` if any did, ``low`` if none,
    and ``unknown`` if none could search. One first place among a few attacks in a small
    gallery may be chance; that is why a single one is not ``high`` where several searched.
    """
    rows = []
    for (condition, modality), attacks in by_group(outcomes).items():
        galleries = [n_gallery[attack] for attack in attacks]
        ranks: dict[str, list[int | None]] = {}
        for results, counts in zip(attacks.values(), counted(galleries), strict=True):
            for result in results:
                ranks.setdefault(result.participant, []).extend([result.rank] if counts else [])
        for participant in sorted(ranks):
            searched = [rank for rank in ranks[participant] if rank is not None]
            rows.append(
                ParticipantRow(
                    participant_id=f'sub-{participant}',
                    condition=condition,
                    modality=modality,
                    n_photos=n_photos.get(participant, 0),
                    n_gallery=max(galleries),
                    n_attacks=len(ranks[participant]),
                    n_searched=len(searched),
                    n_identified=searched.count(1),
                    best_rank=min(searched, default=None),
                    level=_level(searched),
                )
            )
    return rows


def _level(ranks: Sequence[int]) -> Level:
    if not ranks:
        return 'unknown'
    first = ranks.count(1)
    if 2 * first >= len(ranks):
        return 'high'
    return 'raised' if first else 'low'


def strongest_attacks(
    outcomes: Outcomes,
    n_gallery: Mapping[AttackKey, int],
    not_assessed: Mapping[tuple[str, str], int] | None = None,
) -> list[StrongestRow]:
    """Pick, per condition and modality, the attack that identifies most participants.

    It is picked after its result is known, so the corrected interval allows for all attacks that
    count: Wilson's with Bonferroni's quantile. How much attacks agree cannot be measured where
    next to nobody is recognised, and a bound that took it from the data could fall when one more
    is. Participants in whose photographs no face was found, and those whose scans could not be
    processed, tell nothing about safety: the lower end counts them as not recognised, and the
    upper end, which a gate asks for, leaves them out. People whose processed scans gave no
    template are in both.

    Parameters
    ----------
    outcomes
        Results of `mated_ranks`, unit ``participant``, per attack. Those on one group of scans
        hold the same people.
    n_gallery
        Number of people with a usable template under each attack.
    not_assessed
        Condition and modality to the number of photographed participants whose scans all failed.

    Returns
    -------
    One row per condition and modality in which anybody was photographed. Which attack is the
    strongest, and which are not counted, `bids_reid.risk.strength` says. Without anybody assessed
    there is no corrected interval.

    Raises
    ------
    ValueError
        Attacks on the same scans were tried on different people.
    """
    rows = []
    for group, attacks in by_group(outcomes).items():
        tried = _counted_attacks(attacks, n_gallery)
        if tried:
            rows.append(_strongest(tried, n_gallery, (not_assessed or {}).get(group, 0)))
    return rows


def _strongest(
    tried: Outcomes, n_gallery: Mapping[AttackKey, int], not_assessed: int
) -> StrongestRow:
    """Make the row of one group of scans."""
    identified = _identified(tried)
    rates = identified.mean(axis=0)
    best = strongest_first(rates.tolist(), [n_gallery[attack] for attack in tried])[0]
    attack, results = list(tried.items())[best]
    statuses = [result.status for result in results]
    n_people, n_correct = len(results), int(identified[:, best].sum())
    n_failed_acquire = statuses.count('no_face')
    n_assessed = max(n_people - n_failed_acquire - not_assessed, n_correct)
    quantile = normal_quantile(1 - (1 - CONFIDENCE) / len(tried))
    low, high = wilson(rates[best], n_people)
    corrected: tuple[float | None, float | None] = (None, None)
    if n_assessed:
        corrected = (
            float(wilson(rates[best], n_people, quantile)[0]),
            float(wilson(n_correct / n_assessed, n_assessed, quantile)[1]),
        )
    return StrongestRow(
        **asdict(attack),
        n_attacks=len(tried),
        n_people=n_people,
        n_gallery=n_gallery[attack],
        n_failed_acquire=n_failed_acquire,
        n_failed_enrol=statuses.count('no_template'),
        n_assessed=n_assessed,
        n_correct=n_correct,
        rate=float(rates[best]),
        ci_low=float(low),
        ci_high=float(high),
        ci_low_corrected=corrected[0],
        ci_high_corrected=corrected[1],
        quantile=quantile,
        note=f'strongest of {len(tried)} attacks, picked after their results were known'
        if len(tried) > 1
        else 'the only attack tried',
    )


def _counted_attacks(
    attacks: Outcomes, n_gallery: Mapping[AttackKey, int]
) -> dict[AttackKey, Sequence[Score]]:
    """Those of a group that count; if none does, all in which anybody was photographed."""
    tried = {attack: results for attack, results in attacks.items() if results}
    counts = counted([n_gallery[attack] for attack in tried])
    kept = [attack for attack, one in zip(tried, counts, strict=True) if one]
    return {attack: tried[attack] for attack in kept or tried}


def _identified(attacks: Outcomes) -> NDArray[np.float64]:
    """Whether each person was first under each attack, (n_people, n_attacks).

    Raises
    ------
    ValueError
        If the attacks were not tried on the same people.
    """
    tables = list(attacks.values())
    people = sorted(result.participant for result in tables[0])
    columns = []
    for results in tables:
        ordered = sorted(results, key=lambda result: result.participant)
        if [result.participant for result in ordered] != people:
            raise ValueError('attacks on the same scans were tried on different people')
        columns.append(found_at(ordered, [1])[:, 0])
    return np.stack(columns, axis=1).astype(np.float64)
