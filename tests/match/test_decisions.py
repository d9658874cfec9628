"""Each test names what a user loses if it fails."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bids_reid.match.fitting import FIT_SCANS, PRIOR_PROBES, Fit, fit
from bids_reid.match.scores import probe_scores

from bids_reid.match import fitting
from bids_reid.match.decisions import (
    DECISIONS,
    HUB_PROBES,
    SVM_C,
    decisions_of,
    search_all,
)
from bids_reid.match.whitening import SHRINKAGE, Whitening

D = 12
PEOPLE = ('ann', 'ann', 'ben', 'cat', 'dan', 'eve')
SIMILARITIES = ('euclidean', 'cosine')


def make(seed=3, sizes=(4, 1, 0, 7, 12, 3), n_probes=6, shift=2.0):
    """Photographs, which differ from renders alike, and templates of six scans of five people."""
    rng = np.random.default_rng(seed)
    faces = {person: rng.normal(size=D) for person in PEOPLE}
    gallery = [
        (faces[person] + 0.3 * rng.normal(size=(n, D))).astype(np.float32)
        for person, n in zip(PEOPLE, sizes, strict=True)
    ]
    shown = [faces[PEOPLE[number % len(PEOPLE)]] for number in range(n_probes)]
    probes = np.array(shown).reshape(-1, D) + shift + 0.3 * rng.normal(size=(n_probes, D))
    return probes.astype(np.float32), gallery


def search(probes, gallery, people=PEOPLE, similarity='euclidean', fitted=None):
    """Scores under every decision, those of ``best`` exact as well."""
    fitted = fitted or fit(probes, gallery, people, similarity=similarity)
    best, others, _ = search_all(probes, gallery, people, fitted)
    assert (np.isnan(best.scores) == np.isnan(best.slack)).all()
    return {'best': probe_scores(probes, gallery, similarity=similarity), **others}


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def naive(probes, gallery, people, similarity):
    """The same with no more than loops and the definitions."""
    from sklearn.svm import LinearSVC

    scaled = unit if similarity == 'cosine' else np.asarray
    x = scaled(probes.astype(float))
    means = {n: scaled(t.astype(float)).mean(axis=0) for n, t in enumerate(gallery) if len(t)}
    centre = np.mean(list(means.values()), axis=0)
    own = (x.sum(axis=0) + PRIOR_PROBES * centre) / (len(x) + PRIOR_PROBES)
    nine = {
        n: scaled(t.astype(float))[np.linspace(0, len(t) - 1, min(9, len(t))).round().astype(int)]
        for n, t in enumerate(gallery)
        if len(t)
    }
    pool = np.concatenate(list(nine.values()))
    middle, size = pool.mean(axis=0), np.sqrt(pool.var(axis=0).sum())
    found = {
        name: np.full((len(x), len(gallery)), np.nan) for name in ('pooled', 'svm', 'adapted')
    }
    deviations = [scaled(gallery[n].astype(float)) - mean for n, mean in means.items()]
    scatter = sum(rows.T @ rows for rows in deviations) / sum(map(len, deviations))
    variances, axes = np.linalg.eigh(scatter)
    white = axes / np.sqrt(variances.clip(0) + SHRINKAGE * variances.mean())
    cosines = {n: unit((x - own) @ white) @ unit((m - centre) @ white) for n, m in means.items()}
    for n, mean in means.items():
        others = np.concatenate([rows for m, rows in nine.items() if people[m] != people[n]])
        renders = scaled(gallery[n].astype(float))
        machine = LinearSVC(C=SVM_C, dual=False).fit(
            (np.concatenate([renders, others]) - middle) / size,
            [1] * len(renders) + [0] * len(others),
        )
        for row, probe in enumerate(x):
            if similarity == 'cosine':
                found['pooled'][row, n] = probe @ unit(mean)
            else:
                found['pooled'][row, n] = -np.linalg.norm(probe - mean)
            hub = np.sort(cosines[n])[-HUB_PROBES:].mean()
            found['adapted'][row, n] = cosines[n][row] - hub / 2
            found['svm'][row, n] = machine.decision_function([(probe - middle) / size])[0]
    return found


@pytest.mark.parametrize('similarity', SIMILARITIES)
def test_scores_are_those_of_the_definitions(similarity):
    """Otherwise the attacks that a rate is quoted of are not those described."""
    probes, gallery = make()
    scores = search(probes, gallery, similarity=similarity)
    assert list(scores) == list(DECISIONS)
    for name, expected in naive(probes, gallery, PEOPLE, similarity).items():
        assert scores[name].dtype == np.float32
        # the order of the negatives is another: a solver stops within its tolerance
        tolerance = 2e-2 if name == 'svm' else 1e-5
        np.testing.assert_allclose(scores[name], expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize('similarity', SIMILARITIES)
def test_no_order_of_scans_or_photographs_changes_a_bit(similarity):
    """Otherwise a result depends on how files happen to be listed."""
    probes, gallery = make()
    whole = search(probes, gallery, similarity=similarity)
    rng = np.random.default_rng(0)
    for _ in range(5):
        rows, columns = rng.permutation(len(probes)), rng.permutation(len(gallery))
        people = [PEOPLE[column] for column in columns]
        moved = search(probes[rows], [gallery[n] for n in columns], people, similarity)
        for name, scores in whole.items():
            np.testing.assert_array_equal(moved[name], scores[rows][:, columns], err_msg=name)


def test_scans_are_scored_alike_in_every_shard():
    """Otherwise a result depends on how a cluster shares the work."""
    probes, gallery = make()
    fitted = fit(probes, gallery, PEOPLE, similarity='euclidean')
    whole = search(probes, gallery, fitted=fitted)
    for scan in range(len(gallery)):
        alone = search(probes[2:4], [gallery[scan]], [PEOPLE[scan]], fitted=fitted)
        for name, scores in whole.items():
            np.testing.assert_array_equal(alone[name], scores[2:4, [scan]], err_msg=name)


def test_a_shift_of_all_photographs_does_not_matter_to_adapted():
    """Otherwise people look safe because a camera differs from a renderer."""
    probes, gallery = make(sizes=(9,) * 6, n_probes=60, shift=4.0)
    scores = search(probes, gallery)
    people = np.array(PEOPLE)
    owners = people[np.arange(60) % 6]

    def rate(name):
        return np.mean(people[scores[name].argmax(axis=1)] == owners)

    assert rate('adapted') > 0.9
    assert rate('adapted') > rate('best') + 0.2


def test_light_and_hubs_do_not_hide_people_from_adapted():
    """Otherwise an attacker who knows better finds people who were told to be safe."""
    rng = np.random.default_rng(5)
    n, people = 40, [f'{number:02}' for number in range(40)]
    faces = rng.normal(size=(n, D))
    # light moves two directions by far more than people differ in them
    light = np.zeros(D)
    light[:2] = 6
    gallery = [(face + light * rng.normal(size=(30, D))).astype(np.float32) for face in faces]
    probes = (faces + 0.5 * light * rng.normal(size=(n, D)) + 1).astype(np.float32)

    def found(fitted):
        scores = search(probes, gallery, people, fitted=fitted)['adapted']
        return np.mean(scores.argmax(axis=1) == np.arange(n))

    fitted = fit(probes, gallery, people, similarity='euclidean')
    unchanged = Whitening(np.empty((0, D)), np.empty(0), 1.0)
    plain = replace(fitted, whitening=unchanged, reference=probes - fitted.probe_mean)
    alone = replace(plain, reference=np.empty((0, D)))
    assert found(fitted) > 0.9
    assert found(alone) < found(plain) < found(fitted)


def test_a_single_photograph_can_be_searched_with():
    """Otherwise the mean of the photographs takes away the only one there is."""
    probes, gallery = make(sizes=(9,) * 6, n_probes=1, shift=0.1)
    fitted = fit(probes, gallery, PEOPLE, similarity='euclidean')
    expected = (probes[0] + PRIOR_PROBES * fitted.gallery_mean) / (1 + PRIOR_PROBES)
    np.testing.assert_allclose(fitted.probe_mean, expected, rtol=1e-12)
    scores = search(probes, gallery, fitted=fitted)
    for name in DECISIONS:
        assert PEOPLE[int(scores[name][0].argmax())] == 'ann', name


def test_no_photograph_and_no_scan():
    """Otherwise a run stops where no photograph, or no scan, has a face."""
    probes, gallery = make()
    nothing = probes[:0]
    fitted = fit(nothing, gallery, PEOPLE, similarity='cosine')
    np.testing.assert_array_equal(fitted.probe_mean, fitted.gallery_mean)
    found = search(nothing, gallery, fitted=fitted)
    assert {scores.shape for scores in found.values()} == {(0, 6)}
    empty = [np.empty((0, 0), np.float32)] * 2
    found = search(probes, empty, ['ann', 'ben'])
    assert set(found) == {'best', 'pooled', 'adapted'}
    assert all(np.isnan(scores).all() for scores in found.values())
    assert search(nothing, empty, ['ann', 'ben'])['adapted'].shape == (0, 2)


@pytest.mark.parametrize('people', [['ann'], ['ann', 'ann']])
def test_one_participant_alone(people):
    """Otherwise a first try with one scan ends in a traceback."""
    probes, gallery = make()
    found = search(probes, gallery[: len(people)], people)
    # there is nobody to tell them from
    assert set(found) == {'best', 'pooled', 'adapted'}
    assert all(np.isfinite(scores).all() for scores in found.values())


@pytest.mark.parametrize('similarity', SIMILARITIES)
@pytest.mark.parametrize('value', [0.0, 1.5])
def test_features_that_are_all_the_same_give_finite_scores(similarity, value):
    """Otherwise a broken extractor ends in NaN, which no rank can be made of."""
    probes = np.full((3, D), value, np.float32)
    gallery = [np.full((n, D), value, np.float32) for n in (2, 1, 3)]
    found = search(probes, gallery, ['ann', 'ben', 'cat'], similarity)
    assert set(found) == set(DECISIONS)
    for scores in found.values():
        assert np.isfinite(scores).all()
        # a tie counts against the match
        assert (scores == scores[0, 0]).all() or np.ptp(scores) < 0.5


def test_features_may_be_longer_than_there_are_renders():
    """Otherwise extractors with long features end in an error."""
    rng = np.random.default_rng(1)
    gallery = [rng.normal(size=(2, 500)).astype(np.float32) for _ in range(3)]
    probes = np.array([template[0] for template in gallery])
    found = search(probes, gallery, ['ann', 'ben', 'cat'])
    for name, scores in found.items():
        assert scores.argmax(axis=1).tolist() == [0, 1, 2], name


def test_other_scans_of_a_person_are_nobody_elses():
    """Otherwise an SVM learns to reject the second scan of whoever it looks for."""
    probes, gallery = make()
    fitted = fit(probes, gallery, PEOPLE, similarity='euclidean')
    without = [template for n, template in enumerate(gallery) if n != 1]
    people = [person for n, person in enumerate(PEOPLE) if n != 1]
    mask = fitted.owners != 'ann'
    other = fit(probes, without, people, similarity='euclidean')
    np.testing.assert_array_equal(fitted.others[mask], other.others[other.owners != 'ann'])
    assert set(fitted.owners) == set(PEOPLE) - {'ben'}


def test_a_large_gallery_is_learned_from_a_part_of_it(monkeypatch):
    """Otherwise 100,000 templates are read twice, and an SVM takes days."""
    monkeypatch.setattr(fitting, 'FIT_SCANS', 10)
    monkeypatch.setattr(fitting, 'SVM_OTHERS', 4)
    rng = np.random.default_rng(2)
    templates = list(rng.normal(size=(50, 3, D)).astype(np.float32))
    people = [f'{number:02}' for number in range(50)]
    read = []

    class Counted(list):
        def __getitem__(self, scan):
            read.append(scan)
            return templates[scan]

    probes = rng.normal(size=(2, D)).astype(np.float32)
    fitted = fit(probes, Counted(templates), people, similarity='euclidean')
    assert read == [0, 5, 11, 16, 22, 27, 33, 38, 44, 49]
    assert sorted(set(fitted.owners)) == ['00', '16', '33', '49']
    monkeypatch.setattr(fitting, 'SVM_SCANS', 49)
    assert 'svm' not in decisions_of(fit(probes, templates, people, similarity='euclidean'))
    assert FIT_SCANS == 2000


def test_what_was_learned_survives_a_file(tmp_path):
    """Otherwise shards score with something else than was fitted."""
    probes, gallery = make()
    fitted = fit(probes, gallery, PEOPLE, similarity='cosine')
    np.savez(tmp_path / 'fitted.npz', **fitted.arrays())
    with np.load(tmp_path / 'fitted.npz') as content:
        read = Fit.of(content)
    expected, found = (search(probes, gallery, fitted=f) for f in (fitted, read))
    for name, scores in expected.items():
        np.testing.assert_array_equal(found[name], scores)


@pytest.mark.parametrize('place', ['probes', 'template'])
def test_wrong_input_is_named(place):
    """Otherwise a mixed-up file gives a plausible wrong rate instead of an error."""
    probes, gallery = make()
    fitted = fit(probes, gallery, PEOPLE, similarity='euclidean')
    bad = {'probes': probes[:, :3]} if place == 'probes' else {'probes': probes}
    if place == 'template':
        gallery[3] = np.full_like(gallery[3], np.nan)
    with pytest.raises(ValueError, match='template'):
        search_all(bad['probes'], gallery, PEOPLE, fitted)
    with pytest.raises(ValueError, match='template'):
        fit(bad['probes'], gallery, PEOPLE, similarity='euclidean')


def test_adaptive_decisions_take_their_own_templates():
    """Otherwise an attacker who looks where no detector sees a face is underestimated."""
    probes, gallery = make()
    blind = [np.empty((0, 0), np.float32), *gallery[1:]]
    fitted = fit(probes, gallery, PEOPLE, similarity='cosine')
    best, others, enrolled = search_all(probes, blind, PEOPLE, fitted, gallery)
    _, all_seen, _ = search_all(probes, gallery, PEOPLE, fitted)
    assert np.isnan(best.scores[:, 0]).all()
    assert np.isnan(others['pooled'][:, 0]).all()
    assert enrolled.tolist() == [len(template) > 0 for template in gallery]
    for name in ('svm', 'adapted'):
        np.testing.assert_array_equal(others[name], all_seen[name])
