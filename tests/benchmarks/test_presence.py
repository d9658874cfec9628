"""The benchmark of presence, small: whole faces are seen, removed ones are not."""

from __future__ import annotations

import pytest

from benchmarks import presence


@pytest.mark.slow
def test_whole_faces_are_seen_and_removed_ones_are_not() -> None:
    """A dataset whose faces were never removed must not be called safe."""
    rows = [presence.measure(case) for case in presence.cases(7)]
    header, *counted = presence.table(rows)
    found = {
        row[0]: dict(zip(header, row, strict=True)) for row in counted if row[1] == 'reported'
    }
    for name in ('intact', 'refaced-average', 'refaced-other', 'cut-nose', 'cut-eyes'):
        assert found[name]['yes'] == found[name]['review'] == 1, name
    for name in ('plane', 'mask', 'noise', 'deep', 'stripped'):
        assert found[name]['yes'] == 0, name
    for name in ('shallow', 'eyes', 'blurred'):
        assert found[name]['no findings'] == 0, name
    assert found['deep']['brain_yes'] + found['deep']['brain_unsure'] == 1
    assert found['plane']['brain_yes'] == 0
