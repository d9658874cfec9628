"""Re-faced images: a face is meant to be there, and nobody must be known by it."""

from __future__ import annotations

from typing import Any

import pytest

from bids_reid.risk.linkage import LinkageRow
from bids_reid.risk.refacing import (
    NO_ORIGINAL,
    judge_refaced,
    linkage_reasons,
    skull_sentence,
)
from bids_reid.surface.change import FaceChange


def change(
    share: float | None = 0.3, part: str | None = 'nose', left: float = 0.5, aligned: bool = True
) -> FaceChange:
    return FaceChange(share, part, left, 0.1, 1.2, 0.02, 0.0, 2000, aligned)


@pytest.mark.parametrize(
    ('one', 'verdict', 'said'),
    [
        (change(), 'no findings', 'the original face is gone'),
        (change(0.98, left=1.0), 'review', 'the face is still the original face'),
        (change(0.5, 'nose', 0.97), 'review', 'the original nose is still there'),
        (change(0.5, 'eyes', 0.97), 'review', 'the original eyes are still there'),
        (change(0.3, None), 'no findings', 'the original face is gone'),
        (change(0.98, aligned=False), 'could not assess', 'is not in the same position'),
        # a head that was moved looks changed all over
        (change(0.1, aligned=False), 'could not assess', 'is not in the same position'),
        (change(None, aligned=False), 'could not assess', 'no skin or no face'),
        (None, 'could not assess', 'no skin or no face'),
    ],
)
def test_an_image_is_judged_by_its_original(
    one: FaceChange | None, verdict: str, said: str
) -> None:
    """The tool failed, and the participant's own face is published as somebody else's."""
    assert judge_refaced(one, has_original=True)[0] == verdict
    assert said in judge_refaced(one, has_original=True)[1]


def test_without_an_original_nobody_can_tell() -> None:
    """A face that is meant to be there would pass whosever it is."""
    for one in (None, change()):
        assert judge_refaced(one, has_original=False) == ('could not assess', NO_ORIGINAL)
    assert 'only against its original' in NO_ORIGINAL


def row(
    n_correct: int = 0,
    p: float | None = 1.0,
    way: tuple[str, str] = ('face_recognition', 'pose'),
    n: int = 8,
    n_gallery: int = 24,
    **fields: Any,
) -> LinkageRow:
    """Re-faced T1w scans of a session searched among the originals of the same."""
    values: dict[str, Any] = dict.fromkeys(LinkageRow.__dataclass_fields__)
    values |= {
        'probe_dataset': 'this',
        'gallery_dataset': 'this',
        'probe_condition': 'refaced',
        'gallery_condition': 'raw',
        'probe_session': '01',
        'gallery_session': '01',
        'probe_modality': 'T1w',
        'gallery_modality': 'T1w',
        'extractor': way[0],
        'decision': way[1],
        'n_probes': n,
        'n_gallery': n_gallery,
        'n_failed_probe': 0,
        'n_failed_gallery': 0,
        'n_correct': n_correct,
        'rate': n_correct / n,
        'p_value': p,
    }
    return LinkageRow(**(values | fields))


def reasons(*rows: LinkageRow, **options: Any) -> list[tuple[str, str]]:
    told = linkage_reasons(rows, condition='refaced', **options)
    return [(reason.outcome, reason.sentence) for reason in told]


SKULL = ('surface', 'head')
FACE = ('surface', 'face')


def test_faces_at_chance_are_nothing_to_tell() -> None:
    """A dataset that was re-faced well was never shared."""
    assert reasons(row(0), row(1, 0.3, FACE), row(7, 0.001, SKULL), modalities=['T1w']) == []


def test_faces_that_are_linked_are_a_finding() -> None:
    """The nose was smoothed, and 7 of 8 people are still found by their faces."""
    ((outcome, sentence),) = reasons(row(7, 0.001), row(3, 0.004, FACE))
    assert outcome == 'do not share'
    assert sentence == (
        'The faces of refaced T1w scans are still linked to their originals: by face_recognition '
        '(pose), the strongest of 2 ways, 7 of 8 people of ses-01 are matched first with their '
        'own original among 24 (expected by guessing: 0.3; p = 0.001).'
    )
    ((_, sentence),) = reasons(row(1, 0.02, probe_session=None, gallery_session=None))
    assert (
        'by face_recognition (pose), 1 of 8 people is matched first with their own original'
        in sentence
    )


def test_the_level_allows_for_all_ways_but_not_for_the_skull() -> None:
    """Of three ways that say nothing one is below 0.05 in every seventh dataset."""
    ways = [row(2, 0.02), row(0, 1.0, ('face_recognition', 'centred')), row(0, 1.0, FACE)]
    assert reasons(*ways) == []
    assert reasons(*ways[:2])[0][0] == 'do not share'
    assert reasons(*ways[:2], row(7, 0.001, SKULL)) == reasons(*ways[:2])


@pytest.mark.parametrize(
    'other',
    [
        {'probe_condition': 'raw'},
        {'probe_condition': 'defaced'},
        {'gallery_condition': 'defaced'},
        {'gallery_session': '02'},
        {'gallery_modality': 'FLAIR'},
        {'gallery_dataset': 'other'},
        {'probe_dataset': 'other'},
    ],
)
def test_other_comparisons_do_not_count(other: dict[str, str]) -> None:
    """Raw scans of two sessions find each other, as they should."""
    assert reasons(row(0), row(8, 0.001, **other)) == []


@pytest.mark.parametrize(
    ('n', 'n_gallery', 'failed', 'n_ways', 'told'),
    [
        (8, 24, 0, 3, False),
        # 1 / 24, 1 / 120 and 1 / (24 * 23) at best, and 0.05 / 3
        (4, 4, 0, 3, True),
        (4, 4, 0, 1, False),
        (5, 5, 0, 3, False),
        (2, 24, 0, 3, False),
        (1, 24, 0, 1, False),
        (1, 24, 0, 3, True),
        (8, 24, 8, 1, True),
        (8, 24, 7, 3, True),
        # dealing out identities a thousand times shows no smaller p-value than 1 / 1001
        (8, 24, 0, 60, True),
    ],
)
def test_too_few_people_to_tell_are_a_gap(
    n: int, n_gallery: int, failed: int, n_ways: int, told: bool
) -> None:
    """Three people who are all found prove nothing; three who are not do not, either."""
    ways = [
        row(0, 1.0, (f'x{number}', 'pose'), n, n_gallery, n_failed_probe=failed)
        for number in range(n_ways)
    ]
    result = reasons(*ways)
    assert [outcome for outcome, _ in result] == ['look first'] * told
    if told and n > failed:
        noun = 'person' if n - failed == 1 else 'people'
        assert result[0][1].endswith(f': {n - failed} {noun} could be searched for.')


def test_a_modality_that_was_not_linked_is_a_gap() -> None:
    """FLAIR scans of one participant only, or without a template, are in no row at all."""
    assert reasons(modalities=['T1w']) == [
        (
            'look first',
            'There are too few people to test by linkage whether refaced T1w scans still have '
            'their original faces.',
        )
    ]
    told = reasons(row(0), modalities=['T1w', 'FLAIR'])
    assert [outcome for outcome, _ in told] == ['look first']
    assert 'FLAIR' in told[0][1]


def test_one_session_with_people_enough_speaks_for_its_modality() -> None:
    """The last session of a long study has three people, and the same tool."""
    last: dict[str, Any] = {'probe_session': '09', 'gallery_session': '09'}
    assert reasons(row(0), row(0, 1.0, n=2, n_gallery=2, **last)) == []
    assert len(reasons(row(0), row(8, 0.001, **last))) == 1


def test_the_skull_is_told_and_is_no_finding() -> None:
    """Otherwise nobody knows that scans can be linked, or no re-faced dataset is ever shared."""
    some = [row(0), row(7, 0.001, SKULL), row(1, 0.3, SKULL, probe_session=None)]
    sentence = skull_sentence(some, condition='refaced')
    assert sentence is not None
    assert '7 of 8 people of ses-01 are matched first with their own original' in sentence
    assert 'does not count as a finding' in sentence
    assert reasons(*some) == []
    guessed = skull_sentence([row(1, 0.3, SKULL)], condition='refaced')
    assert guessed is not None
    assert guessed.endswith('p = 0.3). This result may be due to chance.')
    assert skull_sentence([row(0)], condition='refaced') is None
    assert skull_sentence(some, condition='defaced') is None
