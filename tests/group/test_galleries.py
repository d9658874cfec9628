"""Which scans are searched together, and what is read of each."""

from __future__ import annotations

import pytest

from bids_reid.errors import NoInputError, ScanError
from bids_reid.group import galleries
from bids_reid.group.galleries import StoredTemplates
from bids_reid.participant.library import read_scans
from tests.support.study import FAILED, PEOPLE, UNSEEN, WITHOUT_VIEWS, Study


def test_scans_of_one_condition_and_modality_are_searched_together(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scan that is in no gallery, or in two, makes every rate wrong."""
    scans = read_scans(study.out)
    flair, t1w = galleries.galleries(scans)
    assert [(one.condition, one.modality) for one in (flair, t1w)] == [
        ('raw', 'FLAIR'),
        ('raw', 'T1w'),
    ]
    assert flair.participants == PEOPLE
    assert sorted(t1w.participants) == sorted(PEOPLE + PEOPLE[:5])
    keys = [scan.key for scan in t1w.scans]
    assert len(set(keys)) == len(keys) == 17
    # files are found by what a gallery holds of a scan
    assert [scan.files for scan in t1w.scans] == [
        scan.files for scan in scans if scan.line.modality == 'T1w'
    ]
    monkeypatch.setattr(galleries, 'SHARD_SCANS', 7)
    shards = t1w.shards()
    assert [len(shard.scans) for shard in shards] == [7, 7, 3]
    assert tuple(scan for shard in shards for scan in shard.scans) == t1w.scans


@pytest.mark.parametrize('extractor', ['pixels', 'points'])
def test_a_failure_to_enrol_is_a_scan_without_renders(study: Study, extractor: str) -> None:
    """Otherwise one failed scan ends the search of all, or its successors move up."""
    gallery = study.gallery()
    templates = StoredTemplates(gallery.scans, extractor)
    scans = list(templates)
    assert len(templates) == len(scans) == len(templates.people) == 17
    for person, renders in zip(templates.people, scans, strict=True):
        nothing = person in (FAILED, WITHOUT_VIEWS)
        assert (len(renders.every) == 0) == nothing
        assert len(renders.seen) == (0 if nothing or person == UNSEEN else 1)
        assert len(renders.soft) == 0


def test_templates_of_another_model_are_refused(own_study: Study) -> None:
    """Otherwise features that cannot be compared give a plausible wrong rate."""
    gallery = own_study.gallery()
    stored = StoredTemplates(gallery.scans, 'pixels')
    template = gallery.scans[0].files.template('pixels')
    template.with_suffix('.json').write_text('{"Model": "older"}')
    with pytest.raises(ScanError, match='different version of pixels'):
        stored[0]
    template.unlink()
    with pytest.raises(NoInputError, match='is missing: run the participant level'):
        stored[0]
    # it failed: there is none to be missed
    assert not stored[gallery.participants.index(FAILED)].sides()
