"""Each test names what a user loses if it fails."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from bids_reid.match import decisions, training
from bids_reid.match.decisions import (
    DECISIONS,
    HUB_PROBES,
    PRIOR_PROBES,
    SVM_C,
    learn,
    score,
)
from bids_reid.match.probes import Renders, VectorProbes
from bids_reid.match.training import FIT_SCANS, Training
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


def renders_of(gallery, with_face=None, soft=None):
    """Renders of each scan, of which all show a face and none is soft unless told otherwise."""
    nothing = [every[:0] for every in gallery]
    seen = gallery if with_face is None else with_face
    sides = zip(seen, gallery, nothing if soft is None else soft, strict=True)
    return [Renders(*some) for some in sides]


def learned_of(probes, gallery, people=PEOPLE, similarity='euclidean'):
    """What every decision learns of a gallery and of photographs."""
    photographs = VectorProbes(probes, similarity)
    return learn(Training(renders_of(gallery), people, photographs))


def results_of(
    probes, gallery, people=PEOPLE, similarity='euclidean', learned=None, with_face=None
):
    """Results of every decision; ``with_face`` are the renders with a face, if not all."""
    if learned is None:
        learned = learned_of(probes, gallery, people, similarity)
    renders = renders_of(gallery, with_face)
    return score(VectorProbes(probes, similarity), renders, people, learned)


def search(*given, **options):
    """Scores (p, n_scans) of every decision."""
    results = results_of(*given, **options)
    for result in results.values():
        assert result.scores.dtype == np.float32
        if len(result.scores):
            np.testing.assert_array_equal(np.isfinite(result.scores).all(axis=0), result.enrolled)
    return {name: result.scores for name, result in results.items()}


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def naive(probes, gallery, people, similarity):
    """What is learned, with no more than loops; best and pooled are in test_probes."""
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
    scores = {name: np.full((len(x), len(gallery)), np.nan) for name in ('svm', 'adapted')}
    deviations = [scaled(gallery[n].astype(float)) - mean for n, mean in means.items()]
    scatter = sum(rows.T @ rows for rows in deviations) / sum(map(len, deviations))
    variances, axes = np.linalg.eigh(scatter)
    white = axes / np.sqrt(variances.clip(0) + SHRINKAGE * variances.mean())
    cosines = {n: unit((x - own) @ white) @ unit((m - centre) @ white) for n, m in means.items()}
    for n in means:
        others = np.concatenate([rows for m, rows in nine.items() if people[m] != people[n]])
        renders = scaled(gallery[n].astype(float))
        machine = LinearSVC(C=SVM_C, dual=False).fit(
            (np.concatenate([renders, others]) - middle) / size,
            [1] * len(renders) + [0] * len(others),
        )
        for row, probe in enumerate(x):
            hub = np.sort(cosines[n])[-HUB_PROBES:].mean()
            scores['adapted'][row, n] = cosines[n][row] - hub / 2
            scores['svm'][row, n] = machine.decision_function([(probe - middle) / size])[0]
    return scores


@pytest.mark.parametrize('similarity', SIMILARITIES)
def test_scores_are_those_of_the_definitions(similarity):
    """Otherwise the attacks that a rate is quoted of are not those described."""
    probes, gallery = make()
    scores = search(probes, gallery, similarity=similarity)
    assert list(scores) == list(DECISIONS)
    for name, expected in naive(probes, gallery, PEOPLE, similarity).items():
        # the order of the negatives is another: a solver stops within its tolerance
        tolerance = 2e-2 if name == 'svm' else 1e-5
        np.testing.assert_allclose(scores[name], expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize('similarity', SIMILARITIES)
def test_no_order_of_scans_changes_a_bit(similarity):
    """Otherwise a result depends on how files happen to be listed."""
    probes, gallery = make()
    whole = search(probes, gallery, similarity=similarity)
    rng = np.random.default_rng(0)
    for _ in range(5):
        columns = rng.permutation(len(gallery))
        people = [PEOPLE[column] for column in columns]
        moved = search(probes, [gallery[n] for n in columns], people, similarity)
        for name, scores in whole.items():
            np.testing.assert_array_equal(moved[name], scores[:, columns], err_msg=name)


@pytest.mark.parametrize('similarity', SIMILARITIES)
def test_no_order_of_photographs_changes_what_is_learned(similarity):
    """Otherwise a result depends on how files happen to be listed."""
    probes, gallery = make(n_probes=20)
    learned = learned_of(probes, gallery, similarity=similarity)
    whole = search(probes, gallery, similarity=similarity, learned=learned)
    rows = np.random.default_rng(0).permutation(len(probes))
    moved = learned_of(probes[rows], gallery, similarity=similarity)
    for name, arrays in learned.items():
        for parameter, array in arrays.items():
            np.testing.assert_array_equal(moved[name][parameter], array, err_msg=parameter)
    # a product with other rows may round the last bit, of float64, differently
    for some in (rows, rows[:3], rows[:1]):
        part = search(probes[some], gallery, similarity=similarity, learned=learned)
        for name, scores in whole.items():
            np.testing.assert_allclose(part[name], scores[some], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize('similarity', SIMILARITIES)
@pytest.mark.parametrize('n_probes', [1, 7, 50])
def test_scores_are_the_same_bits_however_scans_are_cut(similarity, n_probes):
    """Otherwise a result depends on how a cluster shares the work."""
    sizes, people = (4, 1, 0, 81, 12, 3) * 3, PEOPLE * 3
    rng = np.random.default_rng(1)
    gallery = [rng.normal(size=(n, D)).astype(np.float32) for n in sizes]
    probes = rng.normal(size=(n_probes, D)).astype(np.float32)
    learned = learned_of(probes, gallery, people, similarity)
    assert list(learned) == list(DECISIONS)
    whole = search(probes, gallery, people, similarity, learned)
    for size in (1, 2, 5, 7, 17):
        cuts = [slice(first, first + size) for first in range(0, len(people), size)]
        shards = [search(probes, gallery[c], people[c], similarity, learned) for c in cuts]
        for name, scores in whole.items():
            merged = np.concatenate([shard[name] for shard in shards], axis=1)
            np.testing.assert_array_equal(merged, scores, err_msg=name)


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

    learned = learned_of(probes, gallery, people)
    adapted = learned['adapted']

    def rate(**changed):
        changed = learned | {'adapted': adapted | changed}
        scores = search(probes, gallery, people, learned=changed)['adapted']
        return np.mean(scores.argmax(axis=1) == np.arange(n))

    unchanged = Whitening(np.empty((0, D)), np.empty(0), 1.0).arrays()
    unchanged = {f'every.{name}': array for name, array in unchanged.items()}
    reference = unit(probes - adapted['every.probe_mean'])
    assert rate() > 0.9
    alone = rate(**unchanged, **{'every.reference': np.empty((0, D))})
    assert alone < rate(**unchanged, **{'every.reference': reference}) < rate()


def renders_like(rng, faces, noise, n=9):
    """Renders of each face, n of them."""
    return [(face + noise * rng.normal(size=(n, D))).astype(np.float32) for face in faces]


def test_soft_renders_and_mirror_images_help_adapted():
    """Otherwise what shows people as in photographs is made, and not looked at."""
    rng = np.random.default_rng(7)
    people = [f'{number:03}' for number in range(120)]
    faces = rng.normal(size=(120, D))
    # every side has an error of its own, as large as people differ
    every, soft = (renders_like(rng, faces + rng.normal(size=(120, D)), 0.3) for _ in range(2))
    seen, mirrored = (faces + rng.normal(size=(2, 120, D))).astype(np.float32)
    nothing = [rows[:0] for rows in every]

    def rate(soft, mirrored):
        gallery = [Renders(*some) for some in zip(every, every, soft, strict=True)]
        probes = VectorProbes(seen, 'euclidean', mirrored)
        learned = {'adapted': learn(Training(gallery, people, probes))['adapted']}
        scores = score(probes, gallery, people, learned)['adapted'].scores
        return np.mean(scores.argmax(axis=1) == np.arange(120))

    alone = rate(nothing, None)
    assert alone + 0.05 < rate(soft, None) < rate(soft, mirrored)
    assert alone + 0.05 < rate(nothing, mirrored)
    # a scan without them is compared by what it has
    assert rate([nothing[0], *soft[1:]], mirrored) > alone


def test_the_studys_decisions_know_no_other_renders_and_no_mirror_image():
    """Otherwise the rows that repeat the study are not the study's."""
    rng = np.random.default_rng(8)
    probes, gallery = make()
    others = [rng.normal(size=(9, D)).astype(np.float32) for _ in gallery]
    mirrored = rng.normal(size=probes.shape).astype(np.float32)
    more = [Renders(one, one, two) for one, two in zip(gallery, others, strict=True)]
    with_all = VectorProbes(probes, 'euclidean', mirrored)
    learned = learn(Training(more, PEOPLE, with_all))
    results = score(with_all, more, PEOPLE, learned)
    for name, scores in search(probes, gallery).items():
        same = np.array_equal(results[name].scores, scores, equal_nan=True)
        assert same == (name != 'adapted'), name


def test_a_single_photograph_can_be_searched_with():
    """Otherwise the mean of the photographs takes away the only one there is."""
    probes, gallery = make(sizes=(9,) * 6, n_probes=1, shift=0.1)
    learned = learned_of(probes, gallery)
    means = learned['adapted']
    expected = (probes[0] + PRIOR_PROBES * means['every.gallery_mean']) / (1 + PRIOR_PROBES)
    np.testing.assert_allclose(means['every.probe_mean'], expected, rtol=1e-12)
    for name, scores in search(probes, gallery, learned=learned).items():
        assert PEOPLE[int(scores[0].argmax())] == 'ann', name


def test_no_photograph_and_no_scan():
    """Otherwise a run stops where no photograph, or no scan, has a face."""
    probes, gallery = make()
    nothing = probes[:0]
    learned = learned_of(nothing, gallery, similarity='cosine')
    means = learned['adapted']
    np.testing.assert_array_equal(means['every.probe_mean'], means['every.gallery_mean'])
    results = results_of(nothing, gallery, similarity='cosine', learned=learned)
    assert set(results) == set(DECISIONS)
    for result in results.values():
        assert result.scores.shape == (0, 6)
        assert result.enrolled.tolist() == [len(template) > 0 for template in gallery]
    empty = [np.empty((0, 0), np.float32)] * 2
    results = search(probes, empty, ['ann', 'ben'])
    assert set(results) == {'best', 'pooled', 'adapted'}
    assert all(np.isnan(scores).all() for scores in results.values())
    assert search(nothing, empty, ['ann', 'ben'])['adapted'].shape == (0, 2)
    assert search(probes, [], [])['best'].shape == (6, 0)


@pytest.mark.parametrize('people', [['ann'], ['ann', 'ann']])
def test_one_participant_alone(people):
    """Otherwise a first try with one scan ends in a traceback."""
    probes, gallery = make()
    results = search(probes, gallery[: len(people)], people)
    # there is nobody to tell them from
    assert set(results) == {'best', 'pooled', 'adapted'}
    assert all(np.isfinite(scores).all() for scores in results.values())


def test_a_part_that_shows_one_person_only():
    """Otherwise a shard of a person whose others are elsewhere ends in an error."""
    probes, gallery = make()
    learned = learned_of(probes, gallery)
    alone = learned | {'svm': {'others': gallery[0], 'owners': np.array(['ann'] * 4)}}
    assert (search(probes, gallery[:2], PEOPLE[:2], learned=alone)['svm'] == 0).all()


@pytest.mark.parametrize('similarity', SIMILARITIES)
@pytest.mark.parametrize('value', [0.0, 1.5])
def test_features_that_are_all_the_same_give_finite_scores(similarity, value):
    """Otherwise a broken extractor ends in NaN, which no rank can be made of."""
    probes = np.full((3, D), value, np.float32)
    gallery = [np.full((n, D), value, np.float32) for n in (2, 1, 3)]
    results = search(probes, gallery, ['ann', 'ben', 'cat'], similarity)
    assert set(results) == set(DECISIONS)
    for scores in results.values():
        assert np.isfinite(scores).all()
        # a tie counts against the match
        assert (scores == scores[0, 0]).all() or np.ptp(scores) < 0.5


def test_features_may_be_longer_than_there_are_renders():
    """Otherwise extractors with long features end in an error."""
    rng = np.random.default_rng(1)
    gallery = [rng.normal(size=(2, 500)).astype(np.float32) for _ in range(3)]
    probes = np.array([template[0] for template in gallery])
    for name, scores in search(probes, gallery, ['ann', 'ben', 'cat']).items():
        assert scores.argmax(axis=1).tolist() == [0, 1, 2], name


def test_other_scans_of_a_person_are_nobody_elses():
    """Otherwise an SVM learns to reject the second scan of whoever it looks for."""
    probes, gallery = make()
    svm = learned_of(probes, gallery)['svm']
    without = [template for n, template in enumerate(gallery) if n != 1]
    people = [person for n, person in enumerate(PEOPLE) if n != 1]
    other = learned_of(probes, without, people)['svm']
    np.testing.assert_array_equal(
        svm['others'][svm['owners'] != 'ann'], other['others'][other['owners'] != 'ann']
    )
    assert set(svm['owners']) == set(PEOPLE) - {'ben'}


def test_a_large_gallery_is_learned_from_a_part_of_it(monkeypatch):
    """Otherwise 100,000 templates are read twice, and an SVM takes days."""
    monkeypatch.setattr(training, 'FIT_SCANS', 10)
    monkeypatch.setattr(training, 'SVM_OTHERS', 4)
    rng = np.random.default_rng(2)
    templates = list(rng.normal(size=(50, 3, D)).astype(np.float32))
    people = [f'{number:02}' for number in range(50)]
    read = []

    class Noted(list):
        def __getitem__(self, scan):
            read.append(scan)
            return super().__getitem__(scan)

    probes = rng.normal(size=(2, D)).astype(np.float32)
    photographs = VectorProbes(probes, 'euclidean')
    learned = learn(Training(Noted(renders_of(templates)), people, photographs))
    assert sorted(set(read)) == [0, 5, 11, 16, 22, 27, 33, 38, 44, 49]
    # once for each decision that learns
    assert len(read) == 20
    assert sorted(set(learned['svm']['owners'])) == ['00', '16', '33', '49']
    monkeypatch.setattr(decisions, 'SVM_SCANS', 49)
    assert 'svm' not in learned_of(probes, templates, people)
    assert FIT_SCANS == 2000


@pytest.mark.parametrize('place', ['probes', 'template'])
def test_wrong_input_is_named(place):
    """Otherwise a mixed-up file gives a plausible wrong rate instead of an error."""
    probes, gallery = make()
    learned = learned_of(probes, gallery)
    if place == 'probes':
        probes = probes[:, :3]
    else:
        gallery[3] = np.full_like(gallery[3], np.nan)
    with pytest.raises(ValueError, match='template'):
        learned_of(probes, gallery)
    with pytest.raises(ValueError, match='template'):
        search(probes, gallery, learned={'best': {}})
    with pytest.raises(ValueError, match=r'template|shapes \(6,3\)'):
        search(probes, gallery, learned=learned)


def test_decisions_that_learn_take_all_views():
    """Otherwise an attacker who looks where no detector sees a face is underestimated."""
    probes, gallery = make()
    blind = [np.empty((0, 0), np.float32), *gallery[1:]]
    learned = learned_of(probes, gallery, similarity='cosine')
    part = results_of(probes, gallery, similarity='cosine', learned=learned, with_face=blind)
    whole = results_of(probes, gallery, similarity='cosine', learned=learned)
    for name in ('best', 'pooled'):
        assert np.isnan(part[name].scores[:, 0]).all()
        np.testing.assert_array_equal(part[name].scores[:, 1:], whole[name].scores[:, 1:])
        assert part[name].enrolled.tolist() == [len(template) > 0 for template in blind]
    for name in ('svm', 'adapted'):
        np.testing.assert_array_equal(part[name].scores, whole[name].scores)
        assert part[name].enrolled.tolist() == [len(template) > 0 for template in gallery]
