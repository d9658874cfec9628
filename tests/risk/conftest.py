"""Searches from a table of scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

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
        table = np.asarray(scores, np.float32).reshape(
            len(photo_people), len(scan_people or photo_people)
        )
        scans = tuple(scan_people or photo_people)
        return Searches(
            scores=table,
            photos=tuple(f'photo {number}' for number in range(len(photo_people))),
            photo_participants=tuple(photo_people),
            acquired=np.ones(len(photo_people), bool)
            if acquired is None
            else np.asarray(acquired, bool),
            scan_participants=scans,
            enrolled=np.ones(len(scans), bool) if enrolled is None else np.asarray(enrolled, bool),
            distractors=None if distractors is None else np.asarray(distractors, np.float32),
        )

    return searches
