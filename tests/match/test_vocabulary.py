"""Each test names what a user loses if it fails."""

from __future__ import annotations

import numpy as np
import pytest

from bids_reid.match import decisions
from bids_reid.match import vocabulary as words
from bids_reid.match.decisions import learn, score
from bids_reid.match.probes import KeypointProbes, Renders
from bids_reid.match.training import Training
from bids_reid.match.vocabulary import Vocabulary, learn_words
from bids_reid.records import Keypoints
from tests.support.study import keypoints

PEOPLE = ('ann', 'ann', 'ben', 'cat', 'dan', 'eve')


@pytest.fixture(params=['hamming', 'euclidean'])
def study(request):
    """Distance, photographs of five people and six scans: each has some of 40 patterns."""
    rng = np.random.default_rng(8)
    patterns = rng.integers(0, 256, (40, 16), dtype=np.uint8)
    has = {person: rng.permutation(40)[:12] for person in PEOPLE}

    def seen(person):
        chosen = patterns[rng.choice(has[person], 20)]
        spoilt = rng.random(chosen.shape) < 0.1
        return np.where(spoilt, chosen ^ 1, chosen).astype(np.uint8)

    gallery = [keypoints([seen(person) for _ in range(6)]) for person in PEOPLE]
    return request.param, [keypoints([seen(person)]) for person in PEOPLE[1:]], gallery


def renders_of(gallery):
    return [Renders(one, one, ()) for one in gallery]


def learned_of(probes, gallery, people, distance):
    return learn(Training(renders_of(gallery), people, KeypointProbes(probes, distance)))


def results_of(probes, gallery, people, distance, learned=None):
    """Results of every decision."""
    learned = learned or learned_of(probes, gallery, people, distance)
    assert list(learned) == ['best', 'pooled', 'svm']
    renders = renders_of(gallery)
    return score(KeypointProbes(probes, distance), renders, people, learned)


def test_a_vector_says_how_often_each_word_is_there():
    """Otherwise the machine learns from something else than what is on the picture."""
    vocabulary = Vocabulary(np.array([[0, 0], [0, 9], [9, 9]], np.float32), 'euclidean')
    rows = np.array([[1, 0], [0, 8], [0, 1], [2, 1], [9, 7]], np.uint8)
    vectors = vocabulary.vectors(keypoints([rows[:4], rows[:0], rows[4:]]))
    np.testing.assert_allclose(vectors**2, [[0.75, 0.25, 0], [0, 0, 0], [0, 0, 1]], atol=1e-6)
    bits = Vocabulary(np.eye(8, dtype=np.float32), 'hamming')
    one_bit = keypoints([np.array([[128], [1], [1], [1]], np.uint8)])
    np.testing.assert_allclose(bits.vectors(one_bit)[0] ** 2, [0.25, *[0] * 6, 0.75])


def test_a_face_is_told_from_others(study):
    """Otherwise the table has a method that cannot recognise anybody."""
    distance, probes, gallery = study
    result = results_of(probes, gallery, PEOPLE, distance)['svm']
    assert result.enrolled.all()
    assert [PEOPLE[scan] for scan in result.scores.argmax(axis=1)] == list(PEOPLE[1:])


def test_scores_depend_on_their_scan_and_probe_alone(study):
    """Otherwise the order of files, the size of a part or who else is there changes a rate."""
    distance, probes, gallery = study
    learned = learned_of(probes, gallery, PEOPLE, distance)
    whole = results_of(probes, gallery, PEOPLE, distance, learned)
    order = [4, 1, 5, 0, 3, 2]
    people, turned = [PEOPLE[n] for n in order], [gallery[n] for n in order]
    again = results_of(probes, gallery, PEOPLE, distance)
    moved = results_of(probes, turned, people, distance)
    # a product of another size may round the last bit, of float64, differently
    alone = results_of(probes[2:3], gallery, PEOPLE, distance, learned)
    for name, result in whole.items():
        np.testing.assert_array_equal(again[name].scores, result.scores)
        np.testing.assert_array_equal(moved[name].scores, result.scores[:, order])
        np.testing.assert_allclose(alone[name].scores, result.scores[2:3], rtol=1e-6)
    for size in (1, 2, 4):
        for first in range(0, len(gallery), size):
            scans = slice(first, first + size)
            part = results_of(probes, gallery[scans], PEOPLE[scans], distance, learned)
            for name, result in part.items():
                np.testing.assert_array_equal(result.scores, whole[name].scores[:, scans])


def test_scans_without_a_template_and_pictures_without_keypoints(study):
    """Otherwise a failure stops the run, or passes for a score."""
    distance, probes, gallery = study
    nothing = keypoints([np.empty((0, 16), np.uint8)])
    failed = Keypoints(np.empty((0, 0), np.uint8), nothing.positions, np.zeros(1, np.int64))
    no_views = Keypoints(nothing.descriptors, nothing.positions, np.zeros(1, np.int64))
    last = gallery[4]
    gallery[1:5] = [failed, no_views, keypoints([nothing.descriptors] * 2), None]
    gallery[4] = keypoints([last[0].descriptors, nothing.descriptors])
    for result in results_of([*probes, nothing], gallery, PEOPLE, distance).values():
        assert result.enrolled.tolist() == [True, False, False, True, True, True]
        np.testing.assert_array_equal(np.isnan(result.scores).all(axis=0), ~result.enrolled)
        assert np.isfinite(result.scores[:, result.enrolled]).all()
    for result in results_of([], gallery, PEOPLE, distance).values():
        assert result.scores.shape == (0, 6)
        assert result.enrolled.sum() == 4


def test_galleries_without_an_svm(study, monkeypatch):
    """Otherwise one person is told from nobody, or a run takes days."""
    distance, probes, gallery = study
    failed = Keypoints(np.empty((0, 0), np.uint8), np.empty((0, 2), np.float32), np.zeros(1, int))
    blank = keypoints([np.empty((0, 16), np.uint8)])

    def made(scans, people):
        return set(learned_of(probes, scans, people, distance))

    assert made(gallery[:2], PEOPLE[:2]) == {'best', 'pooled'}
    assert made([gallery[0], failed], ('ann', 'ben')) == {'best', 'pooled'}
    assert made([failed, failed], ('ann', 'ben')) == {'best', 'pooled'}
    assert made([blank, blank], ('ann', 'ben')) == {'best', 'pooled'}
    monkeypatch.setattr(decisions, 'SVM_SCANS', 5)
    assert made(gallery, PEOPLE) == {'best', 'pooled'}


def test_words_are_learned_from_a_part_of_many_people(monkeypatch):
    """Otherwise all templates of a large gallery have to be in memory."""
    rng = np.random.default_rng(6)
    monkeypatch.setattr(words, 'WORDS_PEOPLE', 3)
    monkeypatch.setattr(words, 'WORDS_SAMPLE', 50)
    scans = [keypoints([rng.integers(0, 256, (30, 8), np.uint8)] * 2) for _ in range(9)]
    read = []

    class Noted(list):
        def __getitem__(self, scan):
            read.append(scan)
            return scans[scan]

    people = [f'{number:02}' for number in range(9)]
    vocabulary = learn_words(Noted(scans), people, distance='euclidean')
    assert read == [0, 4, 8]
    # no more words than descriptors to learn them from
    assert vocabulary.words.shape == (50, 8)
    assert words.WORDS == 128


def test_products_with_words_are_exact(study):
    """Otherwise a keypoint's word depends on what else is multiplied, and on the processor."""
    distance, _, gallery = study
    vocabulary = learn_words(gallery, PEOPLE, distance=distance)
    steps = vocabulary.words * (256 if distance == 'hamming' else 1)
    np.testing.assert_array_equal(steps, np.round(steps))
    assert steps.max() <= 256
