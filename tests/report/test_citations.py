"""Methods text and bibliography: each test says what a user loses if it fails."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bids_reid.group.result import Statistics
from bids_reid.records import AttackKey
from bids_reid.report.citations import DECISIONS, EXTRACTORS, methods, program_reference
from bids_reid.report.references import Reference, references
from bids_reid.risk.controls import ControlRow
from tests.report.test_pages import ATTACK, PROVENANCE, make_report, make_results

CITED = re.compile(r'@([a-z0-9_]+)')


def report_of(*attacks: AttackKey, **changes):
    reports = [make_report(make_results(3, 20), 20, attack) for attack in attacks]
    rows = tuple(row for report in reports for row in report.rows)
    return replace(reports[0], rows=rows, **changes)


def attack(extractor: str, decision: str = 'best') -> AttackKey:
    return replace(ATTACK, extractor=extractor, decision=decision)


def keys(text: str) -> set[str]:
    return set(CITED.findall(text))


def test_only_what_was_run_is_named_and_cited() -> None:
    """A paper that says it used what was not run is wrong, and its reviewers see it."""
    orb, svm = attack('orb'), attack('face_recognition', 'svm')
    cited = {
        name: {work.key for work in methods(report_of(*some)).works}
        for name, some in (('orb', [orb]), ('svm', [svm]), ('both', [orb, svm]))
    }
    assert {'orb', 'opencv', 'ransac'} <= cited['orb']
    assert not {'liblinear', 'sklearn', 'resnet', 'sift', 'facenet'} & cited['orb']
    assert {'liblinear', 'sklearn', 'resnet'} <= cited['svm']
    assert not {'orb', 'ransac', 'bow'} & cited['svm']
    assert cited['both'] == cited['orb'] | cited['svm']
    text = ' '.join(methods(report_of(orb)).paragraphs)
    assert 'facenet' not in text.lower()


def test_without_photographs_there_is_no_word_of_searches() -> None:
    """Otherwise an audit of images looks like a measurement of the risk."""
    audit = replace(make_report(make_results(3, 20), 20), rows=(), photos=None, curves=())
    told = methods(audit)
    text = ' '.join(told.paragraphs)
    assert 'photograph' not in text
    assert 'rank' not in text
    assert not {'wilson1927', 'iso19795'} & {work.key for work in told.works}


def test_numbers_are_those_of_the_run() -> None:
    """Text to paste with wrong numbers is worse than none."""
    text = ' '.join(methods(report_of(attack('orb'))).paragraphs)
    assert f'bids_reid {PROVENANCE.version}' in text
    assert '1 photograph of 1 participant' in text
    assert 'among 20 participants' in text


def test_nothing_is_said_to_have_been_done_that_was_not() -> None:
    """A paper would report controls of a run that had too few photographs for them."""
    negative = ControlRow(
        'raw', 'T1w', 'orb', 'best', 'negative', 8, 8, 8, 0.1, 0.1, 0.2, 0.1, 9, 0, 'ok', None
    )
    positive = replace(negative, control='positive', rate=None, verdict=None, reason='too few')
    report = report_of(attack('orb'), statistics=Statistics(controls=(negative, positive)))
    told = methods(report)
    text = ' '.join(told.paragraphs)
    assert 'As a negative control' in text
    assert 'positive control' not in text
    assert 'garwood1936' in {work.key for work in told.works}
    without = methods(replace(report, statistics=Statistics()))
    assert 'control' not in ' '.join(without.paragraphs)
    assert 'garwood1936' not in {work.key for work in without.works}
    # who agreed to what is not known here
    assert 'a negative control' not in ' '.join(without.paragraphs)


def test_text_and_bibliography_belong_together() -> None:
    """A key that the bibliography lacks comes out as a question mark."""
    told = methods(report_of(*map(attack, EXTRACTORS), *(attack('orb', d) for d in DECISIONS)))
    markdown = told.markdown
    entries = re.findall(r'^@\w+\{(\w+),$', told.bibtex, re.MULTILINE)
    assert sorted(entries) == entries
    assert len(set(entries)) == len(entries)
    assert keys(''.join(told.paragraphs)) == set(entries) == {work.key for work in told.works}
    assert set(re.findall(r'^- `@(\w+)`', markdown, re.MULTILINE)) == set(entries)
    assert told.bibtex.count('{') == told.bibtex.count('}')
    page = ''.join(told.html)
    assert set(re.findall(r'href="#ref-(\w+)"', page)) == set(entries)
    assert '[@' not in page


def test_every_work_can_be_cited_somewhere() -> None:
    """A reference that no text uses is never checked again."""
    from importlib.resources import files

    from bids_reid.report.published import studies

    package = files('bids_reid')
    source = (package / 'report' / 'citations.py').read_text('utf-8')
    used = keys(source) | {study.study for study in studies()}
    assert set(references()) <= used


@pytest.mark.parametrize('work', references().values(), ids=lambda work: work.key)
def test_references_are_complete(work: Reference) -> None:
    """Nobody finds a work by half of its details."""
    assert work.plain.endswith('.')
    assert '..' not in work.plain
    assert work.title in work.plain
    assert work.year is None or 1900 < work.year < 2100
    where = {'journal', 'booktitle', 'publisher', 'institution', 'howpublished'}
    assert len(where & set(work.fields)) == 1
    assert work.doi is None or re.fullmatch(r'10\.\d{4,}/\S+', work.doi)
    assert work.bibtex.startswith(f'@{work.type}{{{work.key},\n')


def test_names_of_the_user_are_no_citations_and_no_markup() -> None:
    """A folder called like a citation stopped the run; one with a tag changed the page."""
    told = methods(report_of(attack('orb'), release='[@nobody] <b>&'))
    assert 'nobody' not in {work.key for work in told.works}
    page = ''.join(told.html)
    assert '[@nobody] &lt;b&gt;&amp;' in page
    assert '<b>' not in page


def test_the_program_is_cited_with_its_version() -> None:
    """Results of different versions differ."""
    work = program_reference('1.2.3')
    assert '1.2.3' in work.plain
    assert '1.2.3' in work.bibtex
