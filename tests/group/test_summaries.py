"""Statistics of merged searches: conditions side by side, and the controls."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bids_reid.group import summaries
from bids_reid.group.encoding import encode_photographs
from bids_reid.group.merging import MergeError, read_result
from bids_reid.group.searching import Plan, SearchedGallery
from bids_reid.group.selection import Team
from bids_reid.group.summaries import GallerySummary, Rules, control_photographs, summarise
from tests.support.study import NO_FACE, Files, Study, search_files

RAW, DEFACED = ('raw', 'T1w'), ('defaced', 'T1w')


@pytest.fixture
def searched(defaced: Study, tmp_path: Path) -> dict[tuple[str, str], Files]:
    """Searches of the T1w scans in both conditions."""
    plan = Plan(defaced.photos)
    return {
        group: search_files(defaced.gallery(*group), plan, 'pixels', tmp_path / group[0])
        for group in (DEFACED, RAW)
    }


def summary_of_both(
    study: Study, searched: dict[tuple[str, str], Files], target: Path, **order: str
) -> dict[str, GallerySummary]:
    summarise(
        [study.gallery(*group) for group in searched],
        Plan(study.photos),
        searched[RAW].encoded,
        Team(('pixels',)),
        # in another order than the galleries
        [file for group in (RAW, DEFACED) for file in searched[group].shards],
        Rules(0, {}, order),
        target,
    )
    return {one.condition: one for one in read_result(target)}


def test_conditions_are_compared_on_the_same_people(
    defaced: Study, searched: dict[tuple[str, str], Files], tmp_path: Path
) -> None:
    """Otherwise de-facing looks good, or bad, only because fewer people were de-faced."""
    both = summary_of_both(defaced, searched, tmp_path / 'x', defaced='raw')
    assert list(both) == ['defaced', 'raw']
    for one in both.values():
        decisions = [attack.attack.decision for attack in one.attacks]
        assert decisions == ['best', 'pooled', 'svm', 'adapted']
        assert one.key == ('pixels', one.condition, 'T1w')
        assert {attack.attack.condition for attack in one.attacks} == {one.condition}
    assert all(not attack.reductions for attack in both['raw'].attacks)
    (row,) = both['defaced'].attacks[3].reductions
    assert (row.condition, row.modality, row.decision) == ('defaced', 'T1w', 'adapted')
    # the raw scan of one of the five failed
    assert (row.n_people, row.n_gallery_before, row.n_gallery_after) == (5, 4, 5)
    assert both['raw'].attacks[3].n_gallery == 10
    # all versions are alike, and ties count against the right person
    assert (row.n_after, row.still_identified) == (0, ())
    assert row.n_before > 1
    # a dataset that is de-faced itself, the originals beside it
    both = summary_of_both(defaced, searched, tmp_path / 'x', raw='defaced')
    assert all(not attack.reductions for attack in both['raw'].attacks)
    (turned,) = both['defaced'].attacks[3].reductions
    assert (turned.baseline, turned.condition) == ('defaced', 'raw')
    assert (turned.n_before, turned.n_after) == (row.n_after, row.n_before)
    assert turned.reduction == -(row.reduction or 0)


def test_scores_of_one_decision_are_in_memory_at_a_time(
    defaced: Study,
    searched: dict[tuple[str, str], Files],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those of 1,000 photographs and 100,000 scans are 400 MB per decision and condition."""
    noted: list[str] = []
    read, count = SearchedGallery.searches, summaries.summary_of
    monkeypatch.setattr(
        SearchedGallery,
        'searches',
        lambda gallery, decision: noted.append(decision) or read(gallery, decision),
    )
    monkeypatch.setattr(
        summaries, 'summary_of', lambda *given: noted.append('counted') or count(*given)
    )
    summary_of_both(defaced, searched, tmp_path / 'x', defaced='raw')
    assert noted == [
        step
        for decision in ('best', 'pooled', 'svm', 'adapted')
        for step in (decision, decision, 'counted', 'counted')
    ]


def test_scores_that_are_missing_stop_the_summary(
    defaced: Study, searched: dict[tuple[str, str], Files], tmp_path: Path
) -> None:
    """Otherwise a condition without scores looks like one in which nobody is recognised."""
    for without in (RAW, DEFACED):
        some = {**searched, without: replace(searched[without], shards=[])}
        with pytest.raises(MergeError, match='no result for scan'):
            summary_of_both(defaced, some, tmp_path / 'x')
    assert not (tmp_path / 'x').exists()


@pytest.mark.parametrize('extractor', ['pixels', 'points'])
def test_photographs_are_searched_among_each_other(
    study: Study, tmp_path: Path, extractor: str
) -> None:
    """The positive control: an extractor that is blind to these photographs finds nobody."""
    files = [tmp_path / 'b.npz', tmp_path / 'a.npz']
    encode_photographs(study.photos[:10], extractor, files[1])
    encode_photographs(study.photos[10:], extractor, files[0])
    plan = Plan(study.photos)
    control_photographs(plan, files, Team((extractor,)), 0, tmp_path / 'x')
    control = read_result(tmp_path / 'x')
    assert (control.extractor, control.row.control) == (extractor, 'positive')
    assert list(control.outcomes) == plan.names
    assert control.outcomes[NO_FACE][0] == 'no_face'
    # of the six who come twice one photograph shows no face
    assert control.row.n_people == 5
    assert control.row.rate is not None
    assert control.row.rate > 3 * (control.row.chance or 1)
    assert control.row.verdict == 'ok'
