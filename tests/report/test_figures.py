"""Figures of the group level: each test says what a user loses if it fails."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bids_reid.bids.files import Batch
from bids_reid.bids.sensitive import FIGURE, output_files
from bids_reid.group.result import Curve
from bids_reid.records import AttackKey
from bids_reid.report.canvas import About
from bids_reid.report.change_figure import MOST_NAMES, change_figure
from bids_reid.report.drawing import Drawing
from bids_reid.report.figure_files import add_figures
from bids_reid.report.figures import cmc_figure, det_figure, distribution_figure, growth_figure
from bids_reid.report.published import bars, studies
from bids_reid.report.published_figure import published_figure
from bids_reid.report.references import references
from bids_reid.risk.attacks import StrongestRow
from bids_reid.risk.changes import ChangeRow
from bids_reid.risk.distributions import DistributionRow
from bids_reid.risk.growth import GrowthRow
from bids_reid.risk.verification import DetRow

KEY = ('raw', 'T1w', 'orb', 'best')
ATTACK = AttackKey(*KEY)


def about(kind: str) -> About:
    return About(kind, f'{kind}_T1w-raw', 'T1w · raw', f'A {kind} <of> this & that', f'{kind}.tsv')


def strongest(rate: float, condition: str = 'raw') -> StrongestRow:
    return StrongestRow(
        *(condition, 'T1w', 'orb', 'best', 4, 24, 24, 0, 0, 24, round(24 * rate), rate),
        *(0.1, 0.9, 0.1, 0.9, ''),
    )


def changes(n: int, n_still: int) -> list[ChangeRow]:
    return [
        ChangeRow(f'sub-{i:04}', 'raw', 'defaced', 'T1w', 'orb', 'best', 1, rank, n, n)
        for i in range(n)
        for rank in [1 if i < n_still else None if i == n - 1 else i + 1]
    ]


def cmc(**curves: tuple[float, ...]) -> Drawing:
    return cmc_figure(
        about('cmc'), {name: Curve(ATTACK, rates) for name, rates in curves.items()}, []
    )


def drawn(kind: str) -> Drawing:
    """One figure of each kind."""
    if kind == 'cmc':
        return cmc(best=(0.5, 0.6, 0.75, 1.0), worst=(0.1, 0.2, 0.3, 0.4))
    if kind == 'growth':
        sizes = [(2, 'yes'), (20, 'yes'), (1000, 'no'), (10**6, 'no')]
        rows = [
            GrowthRow(*KEY, n, how, 20, 9, 20, 0.9 - 0.1 * i, 0.1, 0.95, 1 / n, 0, None)
            for i, (n, how) in enumerate(sizes)
        ]
        return growth_figure(about('growth'), rows)
    if kind == 'distributions':
        sides = [
            [DistributionRow(*KEY, side, low, low + 1.0, 3) for low in (start, start + 1.0)]
            for side, start in (('mated', 2.0), ('nonmated', 0.0))
        ]
        return distribution_figure(about('distributions'), *sides)
    if kind == 'changes':
        return change_figure(about('changes'), changes(30, 2), ['0000', '0001'])
    if kind == 'det':
        points = [(0.6, 0.0), (0.2, 0.1), (0.05, 0.4)]
        return det_figure(about('det'), {'T1w': [DetRow(*KEY, *point) for point in points]})
    return published_figure(about('published'), bars([strongest(0.5), strongest(0.1, 'defaced')]))


KINDS = ('cmc', 'growth', 'distributions', 'changes', 'det', 'published')


@pytest.mark.parametrize('kind', KINDS)
def test_page_and_files_show_the_same_figure(kind: str) -> None:
    """A figure that cannot be put into a paper is drawn again by hand, with mistakes."""
    drawing = drawn(kind)
    element = ET.fromstring(drawing.inline)
    file = ET.fromstring(drawing.svg_file)
    space = '{http://www.w3.org/2000/svg}'
    for one in (element, file):
        title, text = one.find(f'{space}title'), one.find(f'{space}desc')
        assert title is not None
        assert text is not None
        assert title.text == f'A {kind} <of> this & that'
        assert text.text == drawing.description
        assert one.get('aria-labelledby') == f'{title.get("id")} {text.get("id")}'
        assert one.get('role') == 'img'
    shown = [[one.text for one in each.iter(f'{space}text')] for each in (element, file)]
    assert shown[0] == shown[1]
    assert drawing.pdf.startswith(b'%PDF-')
    # the page lends its colour; the file is black on white
    assert 'currentColor' in drawing.inline
    assert '#000000' not in drawing.inline
    assert drawing.inline.count('<style') == 0
    # so do its fonts; a viewer of the file may lack the one that was measured with
    assert 'font-family' not in drawing.inline
    fonts = re.findall(r'font-family: ([^;"]*)', drawing.svg_file)
    assert fonts
    assert all(font.endswith(', sans-serif') for font in fonts)
    assert 'fill="#ffffff"' in drawing.svg_file
    assert '#000000' in drawing.svg_file
    ids = re.findall(r'\bid="([^"]+)"', drawing.inline)
    assert all(name.startswith(f'{kind}_T1w-raw-') for name in ids)
    assert len(ids) == len(set(ids))
    assert FIGURE.fullmatch(f'{drawing.name}.svg')


@pytest.mark.parametrize('kind', KINDS)
def test_the_same_numbers_are_the_same_bytes(kind: str) -> None:
    """Otherwise every run looks like a change, and a date says when a dataset was audited."""
    assert drawn(kind) == drawn(kind)
    assert not re.search(rb'/(CreationDate|ModDate|Producer|Creator)\b', drawn(kind).pdf)


@pytest.mark.parametrize('kind', KINDS)
def test_the_description_has_numbers(kind: str) -> None:
    """Who cannot see a figure is told only that there is one."""
    assert re.search(r'\d', drawn(kind).description)


def test_curves_are_named_where_they_are() -> None:
    """A legend makes readers match colours; where curves are apart, names stand beside them."""
    apart = cmc(best=(0.8, 0.85, 0.88, 0.9, 0.9), worst=(0.1, 0.12, 0.15, 0.16, 0.16))
    alike = cmc(**{f'attack {n}': (0.5, 0.75, 1.0) for n in range(5)})
    for drawing, has_legend in ((apart, False), (alike, True)):
        assert ('legend_1' in drawing.svg) == has_legend
        assert 'guessing' in drawing.inline
    for name in ('best, 80%', 'worst, 10%'):
        assert name in apart.inline
    # without colours, dashes tell curves apart
    dashes = re.findall(r'stroke-dasharray: ([\d. ,]+);', alike.svg)
    assert len(set(dashes)) > 3


def test_names_of_people_are_few_however_many_are_recognised() -> None:
    """A thousand labels over each other say nothing and make the page heavy."""
    rows = changes(1000, 40)
    still = [row.participant_id[4:] for row in rows if row.rank_after == 1]
    drawing = change_figure(about('changes'), rows, still)
    assert len(set(re.findall(r'>(sub-\d+)<', drawing.inline))) == MOST_NAMES
    assert 'and 30 more' in drawing.inline
    assert 'and 30 more' in drawing.description
    assert '40 of 1,000 first' in drawing.inline
    assert 'failed' in drawing.inline
    assert len(drawing.inline) < 150_000


def test_a_dollar_sign_in_a_name_is_no_formula() -> None:
    """Names are the user's: two dollar signs broke the figure."""
    assert 'a$b$' in cmc(**{'a$b$': (0.5, 1.0), 'a': (0.1, 1.0)}).inline


def test_every_published_rate_has_its_reference_and_number_of_people() -> None:
    """A rate without its source cannot be checked."""
    for study in studies():
        assert study.study in references()
        assert 0 <= study.low <= study.high <= 1
        assert study.n_people > 0
        assert study.label.split(',')[0].split()[-1] == str(study.reference.year)
        assert study.reference.authors[0].startswith(study.label.split()[0])
    lines = bars([strongest(0.5)])
    assert lines[0].own
    assert (lines[0].ci_low, lines[0].ci_high) == (0.1, 0.9)
    for bar in lines[1:]:
        assert (bar.ci_low is None) == (bar.low != bar.high)
        if bar.ci_low is not None and bar.ci_high is not None:
            assert bar.ci_low <= bar.low <= bar.ci_high


def write(folder: Path, *drawings: Drawing) -> None:
    with Batch() as batch:
        former = add_figures(batch, folder, drawings)
        batch.publish(lambda: [path.unlink() for path in former] and None)


def test_figures_of_another_run_go_and_files_of_others_stay(tmp_path: Path) -> None:
    """A figure that is left from an earlier run is taken for one of this run."""
    write(tmp_path, drawn('cmc'), drawn('det'))
    (tmp_path / 'figures' / 'mine.svg').touch()
    write(tmp_path, replace(drawn('cmc'), name='cmc_FLAIR-raw'))
    names = {path.name for path in (tmp_path / 'figures').iterdir()}
    assert names == {'cmc_FLAIR-raw.svg', 'cmc_FLAIR-raw.pdf', 'mine.svg'}
    kinds = {file.path.rpartition('/')[2]: file.kind for file in output_files(tmp_path)}
    assert kinds == {
        'cmc_FLAIR-raw.svg': 'report',
        'cmc_FLAIR-raw.pdf': 'report',
        'mine.svg': 'other',
    }
    assert np.all(
        [
            (tmp_path / 'figures' / name).stat().st_mode & 0o077 == 0
            for name in kinds
            if name != 'mine.svg'
        ]
    )
