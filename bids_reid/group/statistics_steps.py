"""What stands beside the identification rates: one pass over each search, then the tables."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING

from bids_reid.bids.tables import remove_table, write_table
from bids_reid.group.result import Statistics
from bids_reid.risk.attacks import participant_rows, strongest_attacks
from bids_reid.risk.breakdown import breakdown_rows
from bids_reid.risk.comparisons import comparison_rows
from bids_reid.risk.controls import negative_control, positive_control
from bids_reid.risk.growth import growth_rows
from bids_reid.risk.openset import openset_rows
from bids_reid.risk.verification import count_comparisons, det_rows, verification_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from bids_reid.group.result import PhotoLine
    from bids_reid.records import Score
    from bids_reid.risk.breakdown import BreakdownRow
    from bids_reid.risk.controls import ControlRow
    from bids_reid.risk.growth import GrowthRow
    from bids_reid.risk.identification import Searches, Series
    from bids_reid.risk.openset import OpenSetRow
    from bids_reid.risk.verification import DetRow, VerificationRow

COMPARED = ('modality', 'extractor', 'decision')
"""Conditions are compared by `group_reduction`, in galleries of the same people."""
STATISTICS_TABLES = tuple(f'group_{entry.name}' for entry in fields(Statistics))


@dataclass(slots=True)
class Collected:
    """Gathers the rows of a run, search after search.

    Attributes
    ----------
    seed
        Of all bootstraps and permutations.
    variables
        Column of ``participants.tsv`` to the value of each participant.
    """

    seed: int
    variables: Mapping[str, Mapping[str, str]]
    _outcomes: dict[Series, Sequence[Score]] = field(default_factory=dict)
    _gallery: dict[Series, int] = field(default_factory=dict)
    _controls: list[ControlRow] = field(default_factory=list)
    _growth: list[GrowthRow] = field(default_factory=list)
    _verification: list[VerificationRow] = field(default_factory=list)
    _det: list[DetRow] = field(default_factory=list)
    _openset: list[OpenSetRow] = field(default_factory=list)
    _breakdown: list[BreakdownRow] = field(default_factory=list)

    def add(self, searches: Searches, series: Series, results: Sequence[Score]) -> None:
        """Take one search, whose outcome per participant is ``results``."""
        self._outcomes[series] = results
        self._gallery[series] = len(searches.gallery)
        self._controls.append(negative_control(searches, series, seed=self.seed))
        self._growth += growth_rows(searches, series, seed=self.seed)
        counts = count_comparisons(searches, self.seed)
        self._verification += verification_rows(counts, series, seed=self.seed)
        self._det += det_rows(counts, series)
        self._openset += openset_rows(searches, series, seed=self.seed)
        self._breakdown += breakdown_rows(results, series, self.variables)

    def add_photographs(
        self, scores: NDArray[np.float32], people: Sequence[str | None], extractor: str
    ) -> None:
        """Take the scores (n, n) of the photographs with a face against each other."""
        self._controls.append(positive_control(scores, people, extractor, seed=self.seed))

    def statistics(self, photos: Iterable[PhotoLine]) -> Statistics:
        """Return the rows of all tables."""
        shown = Counter(
            photo.participant for photo in photos if photo.participant and photo.status == 'ok'
        )
        return Statistics(
            strongest=tuple(strongest_attacks(self._outcomes, self._gallery, seed=self.seed)),
            participants=tuple(participant_rows(self._outcomes, shown, self._gallery)),
            comparisons=tuple(comparison_rows(self._outcomes, COMPARED)),
            controls=tuple(self._controls),
            growth=tuple(self._growth),
            verification=tuple(self._verification),
            det=tuple(self._det),
            openset=tuple(self._openset),
            breakdown=tuple(self._breakdown),
        )


def write_statistics(output_dir: Path, found: Statistics | None) -> None:
    """Write a table for each field of ``found``; without photographs take earlier ones away."""
    for name in STATISTICS_TABLES:
        path = output_dir / f'{name}.tsv'
        if found is None:
            remove_table(path)
        else:
            write_table(path, name, map(asdict, getattr(found, name.removeprefix('group_'))))
