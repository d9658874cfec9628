"""Searches from a table of scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from bids_reid.risk.identification import Searches

Make = Callable[..., Searches]


@pytest.fixture
def make() -> Make:
    """Make searches: ``make(scores, photo_people, scan_people)``, nothing failed by default."""

    def searches(
        scores: object,
        photo_people: Sequence[str],
        scan_people: Sequence[str] | None = None,
        *,
        acquired: object = None,
        enrolled: object = None,
        distractors: object = None,
    ) -> Searches:
        scans = tuple(scan_people or photo_people)

        def given(flags: object, n: int) -> NDArray[np.bool_]:
            return np.ones(n, bool) if flags is None else np.asarray(flags, bool)

        return Searches(
            scores=np.asarray(scores, np.float32).reshape(len(photo_people), len(scans)),
            photos=tuple(f'photo {number}' for number in range(len(photo_people))),
            photo_participants=tuple(photo_people),
            acquired=given(acquired, len(photo_people)),
            scan_participants=scans,
            enrolled=given(enrolled, len(scans)),
            distractors=None if distractors is None else np.asarray(distractors, np.float32),
        )

    return searches
