"""Closed-set identification: how many participants are found, and at which rank.

Words and measures follow ISO/IEC 19795-1: a probe is searched among all enrolled participants of
one group of scans (same condition and modality), the candidates are sorted by score, and the
rank of the mated one is noted. The rank-k identification rate is the proportion of probes whose
mated candidate is at rank k or better. Probes that failed to acquire and participants who failed
to enrol stay in the denominator as not identified.

Only mated photographs come here, so nothing written from these results can put a name to a
distractor; and of the non-mated candidates only the best score is kept, never whose it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bids_reid.records import Score

Unit = Literal['photo', 'participant']
RANKS = (1, 5, 10)
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Searches:
    """The mated photographs of one group of scans, and how alike each is to each scan.

    Attributes
    ----------
    scores
        Shape (n_photos, n_scans), higher is more alike. Entries of photographs that were not
        acquired or scans that were not enrolled are not read.
    photos
        What tables call each photograph, (n_photos,).
    photo_participants
        Who is on each photograph, (n_photos,). Each has a scan in the group.
    acquired
        Whether a face was found in each photograph, (n_photos,) bool.
    scan_participants
        Whose each scan is, (n_scans,). Scans that failed belong here too.
    enrolled
        Whether each scan has a usable template, (n_scans,) bool.
    distractors
        Scores of the distractors' photographs with a face, (n_distractors, n_scans); nothing
        here tells whose they are. ``None`` if they were not searched.
    """

    scores: NDArray[np.float32]
    photos: tuple[str, ...]
    photo_participants: tuple[str, ...]
    acquired: NDArray[np.bool_]
    scan_participants: tuple[str, ...]
    enrolled: NDArray[np.bool_]
    distractors: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        n_photos, n_scans = len(self.photos), len(self.scan_participants)
        shapes = {
            'scores': (self.scores.shape, (n_photos, n_scans)),
            'photo_participants': ((len(self.photo_participants),), (n_photos,)),
            'acquired': (self.acquired.shape, (n_photos,)),
            'enrolled': (self.enrolled.shape, (n_scans,)),
        }
        for name, (found, expected) in shapes.items():
            if found != expected:
                raise ValueError(f'{name} has shape {found}, expected {expected}')
        # Such a photograph is not mated here. Dropping it would hide a scan that was forgotten
        # because it failed, and that scan's participant must stay in the denominator.
        strangers = sorted(set(self.photo_participants) - set(self.scan_participants))
        if strangers:
            raise ValueError(f'photographs of {", ".join(strangers)}, who have no scan here')
        # row after row: a copy of all scores may not fit into memory
        for row in np.flatnonzero(self.acquired):
            missing = np.isnan(self.scores[row]) & self.enrolled
            if missing.any():
                photo, scan = self.photos[row], np.flatnonzero(missing)[0]
                raise ValueError(f'no score for photograph {photo!r} and scan number {scan}')

    @property
    def gallery(self) -> tuple[str, ...]:
        """Participants with a usable template, sorted."""
        pairs = zip(self.scan_participants, self.enrolled, strict=True)
        return tuple(sorted({participant for participant, enrolled in pairs if enrolled}))


@dataclass(frozen=True, slots=True)
class Series:
    """What was searched and how: the columns that tell one result from another."""

    condition: str
    modality: str
    extractor: str
    decision: str


@dataclass(frozen=True, slots=True)
class IdentificationRow:
    """A row of ``group_identification.tsv``; fields are its columns, ``None`` is ``n/a``."""

    condition: str
    modality: str
    extractor: str
    decision: str
    unit: Unit
    k: int
    n_probes: int
    n_gallery: int
    n_failed_acquire: int
    n_failed_enrol: int
    n_correct: int
    rate: float | None
    ci_low: float | None
    ci_high: float | None
    chance: float | None

    @property
    def series(self) -> Series:
        """The columns that this row shares with the others of its series."""
        return Series(self.condition, self.modality, self.extractor, self.decision)


def participant_scores(searches: Searches) -> NDArray[np.float32]:
    """Score each photograph against each participant of the gallery.

    A participant with several scans in the group is as recognisable as the best of them.

    Returns
    -------
    Shape (n_photos, n_gallery), columns as in ``searches.gallery``; rows of photographs that
    were not acquired are NaN.
    """
    gallery = searches.gallery
    scores = np.full((len(searches.photos), len(gallery)), np.nan, dtype=np.float32)
    if not gallery:
        return scores
    scans = np.flatnonzero(searches.enrolled)
    columns = np.searchsorted(gallery, [searches.scan_participants[scan] for scan in scans])
    order = np.argsort(columns, kind='stable')
    scans, columns = scans[order], columns[order]
    # everybody's first scan, then the second of those who have one, and so on
    turn = np.arange(len(scans)) - np.searchsorted(columns, columns)
    turns = [turn == number for number in range(turn.max() + 1)]
    first, *further = [(scans[taken], columns[taken]) for taken in turns]
    for photo in np.flatnonzero(searches.acquired):
        row = searches.scores[photo, first[0]]
        for some, places in further:
            row[places] = np.maximum(row[places], searches.scores[photo, some])
        scores[photo] = row
    return scores


def mated_ranks(searches: Searches, unit: Unit = 'photo') -> list[Score]:
    """Search with every mated probe and note the rank of the right participant.

    The rank is one more than the number of non-mated participants who score as high as the
    mated one or higher. Ties count against the match: where scores are coarse (ORB gives many
    photographs 0 matches with everybody) the other choice would call all of them found.

    Parameters
    ----------
    searches
        Photographs and scans of one group.
    unit
        ``photo``: each photograph is a probe. ``participant``: all acquired photographs of a
        participant are one probe, scored against a candidate by the most alike of them.

    Returns
    -------
    One :class:`~bids_reid.records.Score` per photograph in the order given, or per photographed
    participant in sorted order (``photo`` is then empty). A probe without a face is ``no_face``
    whether or not its participant could be enrolled, so that no probe counts as two failures.

    Raises
    ------
    ValueError
        If the unit is unknown.
    """
    scores = participant_scores(searches)
    gallery = {participant: column for column, participant in enumerate(searches.gallery)}
    if unit == 'photo':
        probes = zip(
            searches.photos, searches.photo_participants, searches.acquired, scores, strict=True
        )
        return [_search(*probe, gallery) for probe in probes]
    if unit == 'participant':
        owners = np.array(searches.photo_participants)
        results = []
        for participant in sorted(set(searches.photo_participants)):
            usable = searches.acquired & (owners == participant)
            pooled = scores[usable].max(axis=0, initial=-np.inf)
            results.append(_search('', participant, usable.any(), pooled, gallery))
        return results
    raise ValueError(f'unknown unit {unit!r}; known: {", ".join(get_args(Unit))}')


def _search(
    photo: str,
    participant: str,
    acquired: np.bool_,
    scores: NDArray[np.float32],
    gallery: Mapping[str, int],
) -> Score:
    """Rank one probe from its scores, shape (n_gallery,); ``gallery`` says whose is which."""
    if not acquired:
        return Score(participant, photo, 'no_face')
    if participant not in gallery:
        return Score(participant, photo, 'no_template')
    mated = gallery[participant]
    others = np.delete(scores, mated)
    return Score(
        participant,
        photo,
        'ok',
        rank=1 + int((others >= scores[mated]).sum()),
        score=float(scores[mated]),
        best_nonmated_score=float(others.max()) if others.size else None,
    )


def identification_rows(
    results: Sequence[Score],
    series: Series,
    *,
    unit: Unit,
    n_gallery: int,
    ranks: Sequence[int] = RANKS,
) -> list[IdentificationRow]:
    """Count the probes found at rank k or better, with a 95% interval.

    The interval is Wilson's score interval (Wilson, J. Am. Stat. Assoc. 22:209-212, 1927), which
    stays inside 0 to 1 and is not empty at 0 of n. It takes the probes as independent. Several
    photographs of one person are not, so that their interval is too narrow: where photographs
    repeat, quote the participant unit.

    Parameters
    ----------
    results
        All mated searches of the series, failures among them, from :func:`mated_ranks`.
    series
        What the rows are about.
    unit
        The unit that ``results`` were made with.
    n_gallery
        Number of participants with a usable template.
    ranks
        The values of k.

    Returns
    -------
    One row per k. Rate and interval are ``None`` without probes. Chance, min(1, k / n_gallery),
    is what guessing would give if nothing failed; ``None`` with an empty gallery.
    """
    n_probes = len(results)
    statuses = [result.status for result in results]
    rows = []
    for k in ranks:
        n_correct = sum(result.rank is not None and result.rank <= k for result in results)
        low, high = wilson_interval(n_correct, n_probes) if n_probes else (None, None)
        rows.append(
            IdentificationRow(
                condition=series.condition,
                modality=series.modality,
                extractor=series.extractor,
                decision=series.decision,
                unit=unit,
                k=k,
                n_probes=n_probes,
                n_gallery=n_gallery,
                n_failed_acquire=statuses.count('no_face'),
                n_failed_enrol=statuses.count('no_template'),
                n_correct=n_correct,
                rate=n_correct / n_probes if n_probes else None,
                ci_low=low,
                ci_high=high,
                chance=min(1.0, k / n_gallery) if n_gallery else None,
            )
        )
    return rows


def wilson_interval(n_correct: int, n_probes: int) -> tuple[float, float]:
    """95% interval of a proportion after Wilson (1927); raises ValueError if not 0 <= c <= n."""
    # it takes a second to import, which processes that count nothing should not pay
    from scipy import stats

    interval = stats.binomtest(n_correct, n_probes).proportion_ci(CONFIDENCE, method='wilson')
    return float(interval.low), float(interval.high)


def cmc(results: Sequence[Score], n_gallery: int) -> NDArray[np.float64]:
    """Cumulative match characteristic: the identification rate at every rank.

    Parameters
    ----------
    results
        All mated searches of a series, failures among them.
    n_gallery
        Number of participants with a usable template.

    Returns
    -------
    Shape (n_gallery,), at rank 1, 2, ... It never falls and ends at one minus the proportion of
    failures; NaN without probes.
    """
    if not results:
        return np.full(n_gallery, np.nan)
    ranks = [result.rank for result in results if result.rank is not None]
    counts = np.bincount(ranks, minlength=n_gallery + 1)[1:]
    return np.cumsum(counts, dtype=np.float64) / len(results)
