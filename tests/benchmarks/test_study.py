"""The study's table and figure: what people will quote."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks.study import bars, outcome
from bids_reid.bids.tables import read_table

STUDY = (sys.executable, '-m', 'benchmarks.study')
SVG = '{http://www.w3.org/2000/svg}'
N = 182


def row(extractor: str, decision: str, found: int, **changes: str) -> dict[str, str]:
    """A row as the program writes it."""
    rate = found / N
    return {
        'condition': 'raw',
        'modality': 'FLAIR',
        'extractor': extractor,
        'decision': decision,
        'unit': 'photo',
        'k': '1',
        'n_probes': str(N),
        'n_gallery': str(N),
        'n_failed_acquire': '1',
        'n_failed_enrol': '0',
        'n_correct': str(found),
        'rate': f'{rate:.6g}',
        'ci_low': f'{max(rate - 0.07, 0):.6g}',
        'ci_high': f'{rate + 0.07:.6g}',
        'chance': f'{1 / N:.6g}',
        **changes,
    }


ROWS = [
    row('deepface-Dlib', 'best', 95),
    row('face_recognition', 'best', 100),
    row('face_recognition', 'adapted', 150),
    row('sift', 'best', 9),
    # none of the study's numbers
    row('face_recognition', 'best', 180, k='5'),
    row('face_recognition', 'best', 181, unit='participant'),
    row('face_recognition', 'best', 182, modality='T1w'),
    row('face_recognition', 'best', 1, condition='defaced'),
]


def test_the_table_has_rank_1_of_photographs_only() -> None:
    """A rank-5 rate or one of another modality would pass for the study's match rate."""
    found = outcome.methods(ROWS, 'FLAIR')
    assert [(m.name, m.n_correct) for m in found] == [
        ('sift, best', 9),
        ('face_recognition, best', 100),
        ('face_recognition, adapted', 150),
        ('deepface-Dlib, best', 95),
    ]
    assert found[1].rate == pytest.approx(100 / N, abs=1e-6)
    with pytest.raises(ValueError, match='no rank-1 rate'):
        outcome.methods(ROWS, 'T2w')


def test_published_intervals_are_those_of_the_literature() -> None:
    """Ours are compared with them: a band that is too wide finds everything reproduced."""
    best = outcome.published_interval('face_recognition', 'best')
    assert best == pytest.approx((0.44, 0.62), abs=0.005)
    assert outcome.published_interval('face_recognition', 'svm') == pytest.approx(
        (0.51, 0.66), abs=0.005
    )
    assert outcome.published_interval('orb', 'best') == pytest.approx((0, 0.021), abs=0.0005)
    assert outcome.published_interval('face_recognition', 'adapted') == (None, None)


def test_a_rate_outside_the_published_interval_is_said_to_be() -> None:
    """Otherwise a method that differs from the study would seem to reproduce it."""
    found = outcome.methods(ROWS, 'FLAIR')
    assert [m.reproduces for m in found] == [False, True, None, True]
    text = outcome.as_text(found)
    assert '| sift, best | 4.9% |' in text
    assert '9 of 182 | 0.0% to 2.1% | no |' in text
    assert 'Chance: 0.55%' in text


def test_the_table_reads_back(tmp_path: Path) -> None:
    """The committed results are of use only if other programs can read them."""
    found = outcome.methods(ROWS, 'FLAIR')
    (tmp_path / 'study.tsv').write_text(outcome.as_tsv(found))
    back = read_table(tmp_path / 'study.tsv')
    assert [r['n_correct'] for r in back] == ['9', '100', '150', '95']
    assert back[2]['published_low'] == 'n/a'
    assert float(back[1]['ci_low']) == pytest.approx(found[1].ci_low, abs=1e-3)


def test_the_figure_has_every_method_and_the_same_bytes() -> None:
    """A figure that leaves a method out, or changes at each run, cannot be compared."""
    found = outcome.methods(ROWS, 'FLAIR')
    svg = bars.bar_figure(found, '182 synthetic participants')
    assert svg == bars.bar_figure(found, '182 synthetic participants')
    texts = [''.join(text.itertext()) for text in ET.fromstring(svg).iter(f'{SVG}text')]
    for wanted in (
        '182 synthetic participants',
        'chance',
        'published, with its interval',
        '55%',
        '82%',
    ):
        assert wanted in texts
    assert {m.name for m in found} <= set(texts)


@pytest.mark.slow
def test_the_study_runs_on_four_people(tmp_path: Path) -> None:
    """The one command, small and coarse: it must come to a table, a figure and run times."""
    command = [*STUDY, tmp_path, '--people', '4', '--spacing', '2.5']
    command += ['--extractors', 'face_recognition']
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = read_table(tmp_path / 'study.tsv')
    assert {r['extractor'] for r in rows} == {'face_recognition'}
    assert {(r['n_probes'], r['n_gallery']) for r in rows} == {('4', '4')}
    assert 'best' in {r['decision'] for r in rows}
    ET.parse(tmp_path / 'study.svg')
    said = json.loads((tmp_path / 'study.json').read_text())
    assert set(said['Seconds']) == {'people', 'participant', 'group'}

    other = subprocess.run(
        [*command, '--seed', '5'], capture_output=True, text=True, check=False, timeout=60
    )
    assert other.returncode == 73
    assert 'choose another folder' in other.stderr
