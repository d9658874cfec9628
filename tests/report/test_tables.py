"""Files of the group level: each test says what a user loses if it fails."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from pathlib import Path

import numpy as np

from bids_reid.bids.tables import read_table
from bids_reid.group.result import Curve
from bids_reid.report.group_figures import group_drawings
from bids_reid.report.tables import write_results
from tests.report.test_pages import ATTACK, make_report, make_results


def test_the_numbers_of_a_curve_can_be_read_from_its_table(tmp_path: Path) -> None:
    """A figure without its numbers has to be measured with a ruler."""
    rates = (0.25, 0.25, 0.5, 0.5, 0.5, 1.0)
    nobody = replace(ATTACK, decision='svm')
    report = make_report(make_results(3, 6), 6)
    curves = (Curve(ATTACK, rates), Curve(nobody, (nan, nan)))
    write_results(tmp_path, replace(report, curves=curves), '')
    rows = read_table(tmp_path / 'group_cmc.tsv')
    assert {row['decision'] for row in rows} == {ATTACK.decision}
    ks, values = zip(*((int(row['k']), float(row['rate'])) for row in rows), strict=True)
    assert ks == (1, 3, 6)
    read = [values[np.searchsorted(ks, k, side='right') - 1] for k in range(1, 7)]
    assert tuple(read) == rates


def test_figures_and_methods_are_written_with_the_tables(tmp_path: Path) -> None:
    """Otherwise the page leads to files that are not there, or to those of another run."""
    report = make_report(make_results(3, 6), 6)
    drawings = group_drawings(report)
    write_results(tmp_path, report, '', drawings)
    names = {path.name for path in (tmp_path / 'figures').iterdir()}
    assert names == {'cmc_T1w-raw.svg', 'cmc_T1w-raw.pdf'}
    text = (tmp_path / 'logs' / 'CITATION.md').read_text('utf-8')
    assert 'rank-k identification rate' in text
    assert '@article{wilson1927' in (tmp_path / 'logs' / 'CITATION.bib').read_text('utf-8')
    # a run without photographs
    audit = replace(report, photos=None, rows=(), curves=())
    write_results(tmp_path, audit, '', group_drawings(audit))
    assert not list((tmp_path / 'figures').iterdir())
    assert not (tmp_path / 'group_cmc.tsv').exists()
    assert 'wilson1927' not in (tmp_path / 'logs' / 'CITATION.bib').read_text('utf-8')
