"""The search of a gallery: however it is cut and in whatever order, the same scores come out."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bids_reid.group import galleries
from bids_reid.group.encoding import Outcome, read_encoded
from bids_reid.group.merging import MergeError
from bids_reid.group.searching import FusedGallery, Manifest, Plan, merge_shards
from bids_reid.match import decisions
from bids_reid.match.decisions import DECISIONS
from bids_reid.match.training import Training
from bids_reid.records import STRANGER, Photo
from bids_reid.risk.identification import Searches, mated_ranks
from tests.support.study import (
    FAILED,
    NO_FACE,
    PEOPLE,
    UNREADABLE,
    UNSEEN,
    WITHOUT_VIEWS,
    Files,
    Study,
    merged_searches,
    search_files,
    searched,
)

EXTRACTORS = ('pixels', 'points')
ENROLLED = {
    'pixels': ('best', 'pooled', 'svm', 'adapted'),
    'points': ('best', 'pooled', 'svm'),
}


@pytest.fixture(scope='module')
def results(
    study: Study, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Searches]]:
    """Searches of the T1w scans by each extractor, in one shard."""
    folder = tmp_path_factory.mktemp('searches')
    return {
        name: searched(study.gallery(), study.photos, name, folder / name) for name in EXTRACTORS
    }


def not_enrolled(decision: str) -> set[str]:
    """Whose scans an attack cannot search."""
    only_seen = decision in ('best', 'pooled')
    return {FAILED, WITHOUT_VIEWS, UNSEEN} if only_seen else {FAILED, WITHOUT_VIEWS}


def assert_same(searches: dict[str, Searches], others: dict[str, Searches]) -> None:
    """Compare to the last bit."""
    assert list(searches) == list(others)
    for decision, one in searches.items():
        for field in fields(Searches):
            mine, other = (getattr(some, field.name) for some in (one, others[decision]))
            np.testing.assert_array_equal(mine, other, err_msg=f'{decision} {field.name}')


@pytest.mark.parametrize('extractor', EXTRACTORS)
@pytest.mark.parametrize('size', [1, 2, 5])
def test_neither_size_nor_order_of_shards_changes_a_bit(
    study: Study,
    results: dict[str, dict[str, Searches]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    extractor: str,
    size: int,
) -> None:
    """Otherwise results depend on how a cluster shares the work, or are somebody else's."""
    monkeypatch.setattr(galleries, 'SHARD_SCANS', size)
    plan, gallery = Plan(study.photos), study.gallery()
    files = search_files(gallery, plan, extractor, tmp_path / 'x', n_photos=size + 2)
    assert len(files.shards) == -(-len(gallery.scans) // size)
    shuffle = np.random.default_rng(size).permutation
    for order in (reversed, shuffle, list):
        encoded, shards = (list(map(Path, order(some))) for some in (files.encoded, files.shards))
        merged = merged_searches(gallery, plan, extractor, encoded, shards)
        assert_same(merged, results[extractor])


@pytest.mark.parametrize('extractor', EXTRACTORS)
def test_ranks_are_those_of_the_scores(
    study: Study, results: dict[str, dict[str, Searches]], extractor: str
) -> None:
    """Everybody who can be searched and enrolled is; failures are told apart.

    A machine learns from all views, the others from those with a face: otherwise de-facing looks
    safe, since no detector fires and nobody looks without one.
    """
    people = np.array(study.gallery().participants)
    assert tuple(results[extractor]) == ENROLLED[extractor]
    for decision, searches in results[extractor].items():
        assert UNREADABLE not in searches.photos
        assert searches.photos[int(np.argmin(searches.acquired))] == NO_FACE
        status = {one.photo: one.status for one in mated_ranks(searches)}
        failed = not_enrolled(decision)
        assert set(PEOPLE) - set(people[searches.enrolled]) == failed
        for photo in study.photos:
            if photo.participant and photo.name != UNREADABLE:
                expected = 'no_template' if photo.participant in failed else 'ok'
                assert status.pop(photo.name) == ('no_face' if photo.name == NO_FACE else expected)
        assert status == {}
        assert searches.pooling == ('max' if decision in ('best', 'pooled') else 'mean')
        np.testing.assert_array_equal(np.isnan(searches.scores).all(axis=0), ~searches.enrolled)
        # keypoints of everybody are of their own: who is enrolled is found
        if (extractor, decision) == ('points', 'svm'):
            assert {one.rank for one in mated_ranks(searches)} == {1, None}


def renamed(study: Study) -> list[Photo]:
    """Give the photographs of participants each other's labels."""
    labelled = [photo for photo in study.photos if photo.participant]
    turned = [photo.participant for photo in labelled[5:] + labelled[:5]]
    strangers = [photo for photo in study.photos if not photo.participant]
    pairs = zip(labelled, turned, strict=True)
    return [replace(photo, participant=who) for photo, who in pairs] + strangers


@pytest.mark.parametrize('extractor', EXTRACTORS)
def test_no_label_of_a_photograph_reaches_a_score(
    study: Study, results: dict[str, dict[str, Searches]], tmp_path: Path, extractor: str
) -> None:
    """Otherwise an attack knows whom it looks for, and every rate is too high."""
    others = searched(study.gallery(), renamed(study), extractor, tmp_path / 'x')
    for decision, searches in results[extractor].items():
        assert others[decision].photo_participants != searches.photo_participants
        np.testing.assert_array_equal(others[decision].scores, searches.scores)


def test_distractors_are_searched_without_their_names(study: Study, tmp_path: Path) -> None:
    """Otherwise nothing is known of false alarms, or a stranger is named."""
    Image.open(study.photos[8].path).save(tmp_path / 'jane-doe.png')
    jane = Photo('distractor 2', STRANGER, tmp_path / 'jane-doe.png')
    gallery, photos = study.gallery(), (*study.photos, jane)
    results = searched(gallery, photos, 'pixels', tmp_path / 'x')
    for decision, searches in results.items():
        assert searches.distractors is not None
        assert searches.distractors.shape == (2, len(gallery.scans))
        assert not [name for name in searches.photos if name.startswith('distractor')]
        owner = searches.photos.index('08.png')
        np.testing.assert_array_equal(searches.distractors[1], searches.scores[owner], decision)
    assert not [one for one in (tmp_path / 'x').iterdir() if b'jane' in one.read_bytes()]


class Farthest:
    """A toy: score each scan by how unlike its mean is to that of the gallery."""

    name, applies_to = 'farthest', ('vector',)
    side, photo_pooling = 'every', 'mean'

    def learn(self, training: Training) -> dict[str, Any]:
        renders = (training.gallery[scan].every for scan in range(len(training.gallery)))
        return {'middle': np.mean([rows.mean(axis=0) for rows in renders if len(rows)], axis=0)}

    def scorer(self, learned: Any, probes: Any) -> Any:
        def scores(scans: Any, people: Any) -> Any:
            means = np.array([sides['every'].renders.mean(axis=0) for sides in scans])
            away = np.linalg.norm(means - learned['middle'], axis=1)
            return np.repeat(away[:, None], len(probes), axis=1)

        return scores


def test_a_decision_of_ones_own_is_one_line(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise whoever adds an attack has to find all places that know of decisions."""
    monkeypatch.setitem(DECISIONS, 'farthest', Farthest())
    # loading what learns an SVM takes longer than all else
    monkeypatch.setattr(decisions, 'SVM_SCANS', 0)
    monkeypatch.setattr(galleries, 'SHARD_SCANS', 5)
    gallery = study.gallery()
    results = searched(gallery, study.photos, 'pixels', tmp_path / 'x')
    assert list(results) == ['best', 'pooled', 'adapted', 'farthest']
    one, templates = results['farthest'], galleries.StoredTemplates(gallery.scans, 'pixels')
    assert one.pooling == 'mean'
    means = {scan: templates[scan].every.mean(axis=0) for scan in np.nonzero(one.enrolled)[0]}
    assert len(means) == 14
    middle = np.mean(list(means.values()), axis=0)
    expected = [np.linalg.norm(means[n] - middle) if n in means else np.nan for n in range(17)]
    acquired = one.scores[one.acquired]
    np.testing.assert_allclose(acquired, [expected] * len(acquired), rtol=1e-5)
    assert one.distractors is not None
    np.testing.assert_allclose(one.distractors, [expected], rtol=1e-5)


def test_one_person_is_told_from_nobody(study: Study, tmp_path: Path) -> None:
    """Otherwise a gallery of one person stops the run, or everybody in it is recognised."""
    whole = study.gallery()
    alone = replace(whole, scans=whole.scans[:1])
    results = searched(alone, study.photos, 'points', tmp_path / 'x')
    assert list(results) == ['best', 'pooled']
    assert results['best'].scan_participants == ('00',)


def test_a_gallery_of_failures_enrols_nobody(study: Study, tmp_path: Path) -> None:
    """Otherwise a condition that the program failed on ends the run of all others."""
    whole = study.gallery()
    failures = tuple(one for one in whole.scans if one.participant in (FAILED, WITHOUT_VIEWS))
    for extractor in EXTRACTORS:
        gallery = replace(whole, scans=failures)
        results = searched(gallery, study.photos, extractor, tmp_path / extractor)
        assert {'best', 'pooled'} <= set(results)
        for searches in results.values():
            assert not searches.enrolled.any()
            assert {one.status for one in mated_ranks(searches)} == {'no_template'}


@pytest.fixture
def cut(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Study, Plan, Files]:
    """A search in three shards."""
    monkeypatch.setattr(galleries, 'SHARD_SCANS', 6)
    plan = Plan(study.photos)
    files = search_files(study.gallery(), plan, 'pixels', tmp_path / 'x', n_photos=7)
    assert (len(files.encoded), len(files.shards)) == (3, 3)
    return study, plan, files


def altered(file: Path, target: Path, **changes: Any) -> Path:
    """Copy scores with another manifest."""
    with np.load(file) as content:
        arrays = dict(content)
    values = json.loads(str(arrays['manifest'])) | changes
    arrays['manifest'] = np.array(json.dumps(values))
    np.savez(target, **arrays)
    return target


def test_a_shard_that_is_missing_double_or_of_something_else_stops_the_run(
    cut: tuple[Study, Plan, Files], tmp_path: Path
) -> None:
    """Otherwise its scans pass for failures to enrol, and everybody in them looks safe."""
    study, plan, (encoded, shards) = cut[0], cut[1], (cut[2].encoded, cut[2].shards)
    first = Manifest.read(shards[0])
    other = tmp_path / 'other.npz'

    def message(files: list[Path]) -> str:
        with pytest.raises(MergeError) as raised:
            merged_searches(study.gallery(), plan, 'pixels', encoded, files)
        return str(raised.value)

    assert message(shards[1:]) == f'no result for scan {first.scans[0]}'
    assert message([]) == f'no result for scan {first.scans[0]}'
    altered(shards[0], other)
    assert message([*shards, other]) == f'two results for scan {first.scans[0]}'
    altered(shards[0], other, scans=[f'{key}x' for key in first.scans])
    assert 'a result for scan' in message([*shards, other])
    assert 'no result for scan' in message([other, *shards[1:]])
    altered(shards[0], other, condition='defaced')
    assert 'pixels defaced T1w' in message([*shards, other])
    # of another extractor, which searched the same scans
    altered(shards[0], other, extractor='points')
    assert message([other, *shards[1:]]) == f'no result for scan {first.scans[0]}'


@pytest.mark.parametrize('name', ['probes', 'distractors', 'decisions'])
def test_a_shard_that_lacks_a_photograph_or_a_decision_stops_the_run(
    cut: tuple[Study, Plan, Files], tmp_path: Path, name: str
) -> None:
    """Otherwise a search without scores counts as one that finds nobody."""
    study, plan, files = cut
    names = getattr(Manifest.read(files.shards[1]), name)
    for changed in (names[:-1], (*names, 'x'), (*names, names[0])):
        other = altered(files.shards[1], tmp_path / 'other.npz', **{name: changed})
        shards = [files.shards[0], other, files.shards[2]]
        with pytest.raises(MergeError, match='decision' if name == 'decisions' else 'photograph'):
            merged_searches(study.gallery(), plan, 'pixels', files.encoded, shards)


def test_searches_of_two_extractors_are_fused_by_photograph_and_scan(
    cut: tuple[Study, Plan, Files], tmp_path: Path
) -> None:
    """Otherwise a photograph gets the score of another, and the fused rate is of nobody."""
    study, plan, files = cut
    photographs = read_encoded(files.encoded, plan.names, 'pixels')
    (alone,) = merge_shards([study.gallery()], plan, photographs, files.shards)
    # of the same features, shards in another order: the same ranking
    (again,) = merge_shards([study.gallery()], plan, photographs, files.shards[::-1])
    fused = FusedGallery([alone, again])
    assert fused.decisions == ('adapted',)
    one, both = alone.searches('adapted'), fused.searches('adapted')
    assert (both.photos, both.photo_participants) == (one.photos, one.photo_participants)
    np.testing.assert_array_equal(both.acquired, one.acquired)
    np.testing.assert_array_equal(both.enrolled, one.enrolled)
    assert np.isnan(both.scores[~both.acquired]).all()
    ranks = [(row.photo, row.rank) for row in mated_ranks(one)]
    assert [(row.photo, row.rank) for row in mated_ranks(both)] == ranks
    assert one.distractors is not None
    assert both.distractors is not None
    assert both.distractors.shape == one.distractors.shape
    order = np.argsort(one.distractors[:, one.enrolled], axis=1)
    np.testing.assert_array_equal(np.argsort(both.distractors[:, both.enrolled], axis=1), order)


def test_what_one_extractor_rejects_is_searched_by_the_other(
    cut: tuple[Study, Plan, Files], tmp_path: Path
) -> None:
    """A matcher that rejects a photograph must not make its owner look safe."""
    study, plan, files = cut
    photographs = read_encoded(files.encoded, plan.names, 'pixels')
    (alone,) = merge_shards([study.gallery()], plan, photographs, files.shards)
    rejected = '00.png'
    outcomes = photographs.outcomes | {rejected: Outcome('no_face', 'pixels did not take it')}
    picky = replace(photographs, outcomes=outcomes)
    shards = []
    for number, file in enumerate(files.shards):
        rows = [name != rejected for name in Manifest.read(file).probes]
        shards.append(without_rows(file, tmp_path / f'{number}.npz', rows))
    (other,) = merge_shards([study.gallery()], plan, picky, shards)
    assert not other.searches('adapted').acquired[0]
    both = FusedGallery([alone, other]).searches('adapted')
    np.testing.assert_array_equal(both.acquired, alone.searches('adapted').acquired)
    order = np.argsort(alone.searches('adapted').scores[0, both.enrolled])
    np.testing.assert_array_equal(np.argsort(both.scores[0, both.enrolled]), order)


def test_what_no_extractor_compared_is_no_match(
    cut: tuple[Study, Plan, Files], tmp_path: Path
) -> None:
    """One matcher takes the photograph, another the scan: the run goes on, and nobody is found."""
    study, plan, files = cut
    photographs = read_encoded(files.encoded, plan.names, 'pixels')
    n_scans = Counter(study.gallery().participants)
    row, (rejected, owner) = next(
        (row, one)
        for row, one in enumerate(plan.mated(study.gallery()).items())
        if n_scans[one[1]] == 1 and photographs.outcomes[one[0]].status == 'ok'
    )
    outcomes = photographs.outcomes | {rejected: Outcome('no_face', 'pixels did not take it')}
    column = study.gallery().participants.index(owner)
    key = study.gallery().scans[column].key
    no_photo, no_scan = [], []
    for number, file in enumerate(files.shards):
        rows = [name != rejected for name in Manifest.read(file).probes]
        no_photo.append(without_rows(file, tmp_path / f'photo_{number}.npz', rows))
        no_scan.append(without_scan(file, tmp_path / f'scan_{number}.npz', key))
    picky = replace(photographs, outcomes=outcomes)
    (one,) = merge_shards([study.gallery()], plan, picky, no_photo)
    (other,) = merge_shards([study.gallery()], plan, photographs, no_scan)
    both = FusedGallery([one, other]).searches('adapted')
    assert both.acquired[row]
    assert both.enrolled[column]
    needed = both.scores[np.ix_(both.acquired, both.enrolled)]
    assert both.scores[row, column] == needed.min()
    result = mated_ranks(both)[row]
    assert (result.participant, result.status) == (owner, 'ok')
    assert result.rank == len(both.gallery)


def without_scan(file: Path, target: Path, key: str) -> Path:
    """Copy scores as if a scan had failed to enrol."""
    with np.load(file) as content:
        arrays = dict(content)
    lost = np.array([name == key for name in Manifest.read(file).scans])
    for name, array in arrays.items():
        if name.endswith('.enrolled'):
            array[lost] = False
        elif name.endswith('.scores'):
            array[:, lost] = np.nan
    np.savez(target, **arrays)
    return target


def without_rows(file: Path, target: Path, kept: list[bool]) -> Path:
    """Copy scores without those of some probes."""
    with np.load(file) as content:
        arrays = dict(content)
    values = json.loads(str(arrays['manifest']))
    rows = [*kept, *[True] * len(values['distractors'])]
    values['probes'] = [name for name, keep in zip(values['probes'], kept, strict=True) if keep]
    arrays['manifest'] = np.array(json.dumps(values))
    for name in [name for name in arrays if name.endswith('.scores')]:
        arrays[name] = arrays[name][rows]
    np.savez(target, **arrays)
    return target
