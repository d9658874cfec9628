"""A claim that does not fit the scan is what a curator has to know."""

from __future__ import annotations

import pytest

from bids_reid.risk import deidentification as d


@pytest.mark.parametrize(
    ('claimed', 'face', 'said'),
    [
        (True, 'yes', d.CLAIM_WITH_FACE),
        (True, 'unsure', d.CLAIM_UNSURE),
        (True, 'no', None),
        (True, None, None),
        (False, 'no', d.FACE_GONE_UNSAID),
        (None, 'no', d.FACE_GONE_UNSAID),
        (None, 'yes', None),
        (False, 'yes', None),
        (None, 'unsure', None),
    ],
)
def test_contradictions(claimed: bool | None, face: str | None, said: str | None) -> None:
    """Headers say de-faced where de-facing failed: nobody looks at such a scan again."""
    assert d.contradiction(claimed, face) == said
