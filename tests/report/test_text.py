"""What the terminal shows of a result."""

from __future__ import annotations

from dataclasses import replace

from bids_reid.group.result import PhotoLine
from bids_reid.messages import Line
from bids_reid.records import STRANGER
from bids_reid.report.text import (
    MOST_ATTACKS,
    change_lines,
    outcome_lines,
    rate_lines,
    result_lines,
    strongest_rows,
    unread_photographs,
)
from bids_reid.risk.gate import GAP, Reason, gate
from bids_reid.risk.identification import IdentificationRow
from bids_reid.risk.pairing import ReductionRow
from tests.report.test_pages import make_report, make_results
from tests.support.images import image_line

REPORT = replace(make_report(make_results(1, 2), 2), rows=(), reductions=(), audited='defaced')


def row(extractor: str, n_correct: int, n_gallery: int = 20, **other: object) -> IdentificationRow:
    """A rate of an attack on twenty people."""
    attack = IdentificationRow(
        *('defaced', 'T1w', extractor, 'best', 'participant', 1, 20, n_gallery, 0, 1),
        n_correct,
        rate=n_correct / 20,
        ci_low=0.0,
        ci_high=0.5,
        chance=1 / n_gallery,
    )
    return replace(attack, **other)  # type: ignore[arg-type]


def change(condition: str, n_before: int, n_after: int, n_people: int = 8) -> ReductionRow:
    """What became of some people from raw scans to a condition."""
    return ReductionRow(
        *('raw', condition, 'T1w', 'orb', 'best', n_people, 8, 8, n_before, n_after, 0, 0),
        *(n_before / n_people, n_after / n_people, (n_before - n_after) / n_people),
        *(0.0, 0.9, None, None, 0.0, 0.9, None),
        n_tests=1,
        still_identified=tuple(f'{number:02}' for number in range(n_after)),
    )


def test_the_table_is_of_what_would_be_shared_the_strongest_first() -> None:
    """Rates of the originals among those of the release were taken for the release's."""
    rows = [row(f'e{n}', n) for n in range(8)]
    rows += [
        row('raw', 20, condition='raw'),
        row('photo', 20, unit='photo'),
        row('rank5', 20, k=5),
        row('alone', 20, n_gallery=1),
        row('few', 20, n_gallery=3),
    ]
    strongest = strongest_rows(rows, 'defaced')
    assert [one.extractor for one in strongest] == [*(f'e{n}' for n in range(7, -1, -1)), 'few']
    title, header, *lines = rate_lines(replace(REPORT, rows=tuple(rows)))
    assert 'defaced' in title.text
    assert f'{MOST_ATTACKS} of 9' in title.text
    assert len(lines) == MOST_ATTACKS
    assert header.text.split()[:3] == ['scans', 'attack', 'recognised']
    assert lines[0].text.split() == ['T1w', 'e7', '7', 'of', '20', '35%', '0-50%', '5%', '1']


def test_without_a_rate_there_is_a_reason() -> None:
    """No table at all reads like no risk."""
    (line,) = rate_lines(replace(REPORT, rows=(row('orb', 0, n_probes=0, rate=None),)))
    assert line.text.startswith('Nobody with a defaced T1w scan was photographed')
    assert rate_lines(REPORT) == []


def test_changes_say_before_and_after_the_release_first() -> None:
    reductions = (change('refaced', 8, 4), change('defaced', 7, 2), change('other', 1, 1, 1))
    title, first, second = change_lines(replace(REPORT, reductions=reductions))
    assert 'before -> after' in title.text
    assert first.text == (
        '  T1w defaced: 7 -> 2 of 8 participants by orb (-62 points, 95% interval -90 to +0); '
        'recognised after: sub-00, sub-01'
    )
    assert second.text.endswith('recognised after: sub-00, sub-01, sub-02 and 1 more')
    assert change_lines(REPORT) == []


def test_the_outcome_comes_last_with_its_reasons() -> None:
    """Whoever reads the last lines only has to know whether to share."""
    found = image_line(verdict='review', reason='a face is there')
    judged = gate([found], condition='defaced', gaps=[Reason(GAP, 'x is missing.')])
    result = replace(REPORT, rows=(row('orb', 5),), gate=judged, release='share', remarks=('r',))
    *_, headline, finding, gap, remark, step = result_lines(result)
    assert headline == Line('DO NOT SHARE: share, 1 image', 'bad')
    assert finding.text.startswith('  found: ')
    assert gap == Line('  not known: x is missing.', 'caution')
    assert remark == Line('  besides: r')
    assert step.text.startswith('  next: ')
    clean = gate([image_line(verdict='no findings')], condition='defaced')
    assert outcome_lines(replace(result, gate=clean))[0].tone == 'good'
    assert outcome_lines(replace(result, gate=None)) == []


def test_any_terminal_can_show_it() -> None:
    """On a terminal without Unicode a dash became ``\\u2013``, in the middle of an interval."""
    result = replace(REPORT, rows=(row('orb', 5),), reductions=(change('defaced', 7, 2),))
    assert all(line.text.isascii() for line in result_lines(result))


def test_photographs_that_cannot_be_read_are_named() -> None:
    """A person whose only photograph is damaged is in no rate: nobody would know."""
    photos = [
        PhotoLine('a.jpg', '01', True, 'ok'),
        PhotoLine('b.jpg', '02', True, 'unreadable', 'too large: 1 x 2 pixels'),
        PhotoLine('c.jpg', '03', True, 'no_face', 'no face was found'),
    ]
    assert list(unread_photographs(photos)) == ['NOT READ b.jpg: too large: 1 x 2 pixels']


def test_those_of_distractors_are_counted_only() -> None:
    """The name of a file may be a stranger's."""
    photos = [
        PhotoLine('distractor 1', None, False, 'unreadable', 'damaged'),
        PhotoLine('distractor 2', STRANGER, False, 'unreadable', 'damaged'),
        PhotoLine('distractor 3', None, False, 'unreadable', 'gone'),
        PhotoLine('distractor 4', None, False, 'ok'),
    ]
    assert list(unread_photographs(photos)) == [
        'NOT READ 2 photographs of distractors: damaged',
        'NOT READ 1 photograph of distractors: gone',
    ]
