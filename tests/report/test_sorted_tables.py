"""The tables of the group page in a real browser, under its own content security policy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bids_reid.report.html import render_page
from tests.report.test_rating_form import BROWSER, run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason='there is no Chromium'),
]
TABLE = """
<table data-tools>
<thead><tr><th>Attack</th><th>Rate</th></tr></thead>
<tbody><tr><th colspan="2">T1w</th></tr>
<tr><td>sift</td><td>9%</td></tr><tr><td>orb</td><td>10%</td></tr><tr><td>x</td><td>n/a</td></tr>
</tbody></table>
"""


def sorted_by(column: int, folder: Path) -> list[str]:
    """Press the heading of a column; return the text of the first cells."""
    page = render_page('base.html.j2', scripts=('tables.js',), report={'provenance': _Empty()})
    page = page.replace('<main class="wrap">', f'<main class="wrap">{TABLE}')
    dom = run(page, f"document.querySelectorAll('button.sort')[{column}].click();", folder)
    body = dom.partition('<tbody>')[2].partition('</tbody>')[0]
    return re.findall(r'<tr[^>]*><t[hd][^>]*>(.*?)</t', body)


class _Empty:
    """Provenance of a page that nothing made."""

    version = command = renderer = ''
    models = software = ()


@pytest.mark.parametrize(
    ('column', 'order'), [(0, ['T1w', 'orb', 'sift', 'x']), (1, ['T1w', 'sift', 'orb', 'x'])]
)
def test_a_group_keeps_its_heading(column: int, order: list[str], tmp_path: Path) -> None:
    """Otherwise attacks on de-faced scans stand below the heading of raw ones."""
    assert sorted_by(column, tmp_path) == order
