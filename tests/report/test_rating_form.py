"""The rating form in a real browser, under the page's own content security policy."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from bids_reid.bids.ratings import FOLDER, read_ratings
from bids_reid.participant.content import ParticipantReport, Provenance, ScanLine, ScanReport
from bids_reid.report.participant import participant_page

BROWSER = shutil.which('chromium') or shutil.which('google-chrome')
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason='there is no Chromium'),
]
LINE = ScanLine('01', None, 'T1w', 'raw', 'a.nii', 'ok', verdict='review', parts_left='chin')
NASTY = '</script><script>alert(1)</script>"\''
SCANS = tuple(
    ScanReport(replace(LINE, condition=condition, source=f'{condition}.nii'), sha256=letter * 64)
    for condition, letter in (('raw', 'a'), (NASTY, 'b'), ('refaced', 'c'))
)
PRESS = """
const press = (key, on = document.body) =>
  on.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
const type = (field, text) => {
  field.value = text;
  field.dispatchEvent(new Event('input', { bubbles: true }));
};
const note = (number) => document.querySelectorAll('fieldset.rate input[type=text]')[number];
"""
SAVE = """
URL.createObjectURL = (blob) => {
  blob.text().then((text) => { document.title = 'SAVED ' + text; });
  return '#';
};
document.getElementById('download').click();
"""


def run(page: str, script: str, folder: Path) -> str:
    """Open a page with one more script that its policy allows; return what it became."""
    digest = b64encode(sha256(script.encode()).digest()).decode()
    page = page.replace('script-src ', f"script-src 'sha256-{digest}' ", 1)
    path = folder / 'page.html'
    path.write_text(page.replace('</body>', f'<script>{script}</script></body>'), 'utf-8')
    assert BROWSER is not None
    command = [
        *(BROWSER, '--headless', '--no-sandbox', '--disable-gpu', '--virtual-time-budget=3000'),
        *(f'--user-data-dir={folder / "profile"}', '--dump-dom', path.as_uri()),
    ]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def saved(dom: str) -> dict[str, Any]:
    found = re.search(r'<title>SAVED (.*?)</title>', dom, re.DOTALL)
    assert found is not None, dom[-2000:]
    return json.loads(unescape(found[1]))  # type: ignore[no-any-return]


@pytest.fixture(scope='module')
def page() -> str:
    """The page of a participant with three versions of a scan."""
    return participant_page(ParticipantReport('demo', '01', SCANS, Provenance('0', 'x')))


def test_ratings_by_keyboard_are_saved_as_the_group_level_reads_them(
    page: str, tmp_path: Path
) -> None:
    """Otherwise a curator rates a thousand scans, and none of it counts."""
    script = (
        PRESS
        + "press('1'); press('n'); press('d'); type(note(1), 'a fold');"
        # letters in a note are text
        + "press('2', note(0)); type(document.getElementById('rater'), ' Kim ');"
        + SAVE
    )
    content = saved(run(page, script, tmp_path))
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / 'sub-01_ratings.json').write_text(json.dumps(content))
    (file,) = read_ratings(tmp_path)
    assert content['participant'] == 'sub-01'
    first, second = file.ratings
    assert (first.sha256, first.rating, first.condition) == ('a' * 64, 'agree', 'raw')
    assert (second.sha256, second.rating, second.note) == ('b' * 64, 'disagree', 'a fold')
    assert second.condition == NASTY
    assert (first.by, first.verdict, first.parts_left) == ('Kim', 'review', 'chin')
    assert first.brain_loss is None


def test_nothing_is_saved_without_a_name(page: str, tmp_path: Path) -> None:
    """A rating that nobody signed counts for nothing."""
    dom = run(page, PRESS + "press('a');" + SAVE, tmp_path)
    assert 'SAVED' not in dom.partition('</title>')[0]
    assert 'Fill in your name first. 1 of 3 rated' in dom


def test_the_form_says_what_it_means_to_disagree(page: str, tmp_path: Path) -> None:
    """Otherwise who sees a face on an image without a verdict disagrees, and so passes it."""
    assert run(page, PRESS, tmp_path).count('>Is the verdict right? Disagree if you see no') == 3
    unread = page.replace('data-verdict="review"', 'data-verdict="could not assess"')
    dom = run(unread, PRESS, tmp_path)
    assert dom.count('If you see one, agree, and say so in the note') >= 3
    assert '>Is the verdict right?' not in dom


def test_nobody_signs_the_ratings_of_another_by_accident(page: str, tmp_path: Path) -> None:
    """Two people share a browser: one opinion would count as two."""
    as_kim = "type(document.getElementById('rater'), 'Kim'); press('a');"
    run(page, PRESS + as_kim, tmp_path)
    as_lee = "type(document.getElementById('rater'), 'Lee');"
    dom = run(page, PRESS + as_lee + SAVE, tmp_path)
    assert 'SAVED' not in dom.partition('</title>')[0]
    assert 'Some ratings are by Kim.' in dom
    twice = SAVE + "document.getElementById('download').click();"
    assert saved(run(page, PRESS + as_lee + twice, tmp_path))['ratings'][0]['by'] == 'Lee'
    own = saved(run(page, PRESS + as_lee + "press('d');" + SAVE, tmp_path))['ratings']
    assert [(one['by'], one['rating']) for one in own] == [('Lee', 'disagree')]


def test_the_keyboard_can_be_left_to_other_programs(page: str, tmp_path: Path) -> None:
    """Who dictates types letters without meaning to."""
    script = PRESS + "document.getElementById('keys').checked = false; press('a');"
    assert '0 of 3 rated' in run(page, script, tmp_path)


def test_a_rating_of_an_earlier_verdict_is_not_shown_again(page: str, tmp_path: Path) -> None:
    """Otherwise a click that was right then passes something else now."""
    run(page, PRESS + "press('a');", tmp_path)
    assert '1 of 3 rated' in run(page, PRESS, tmp_path)
    changed = page.replace('data-parts-left="chin"', 'data-parts-left="nose"')
    assert '0 of 3 rated' in run(changed, PRESS, tmp_path)


def test_no_other_script_runs(page: str, tmp_path: Path) -> None:
    """Otherwise a name of a file could send the pictures of a page away."""
    other = page.replace('</body>', "<script>document.title = 'RUN';</script></body>")
    dom = run(other, 'document.body.dataset.own = 1;', tmp_path)
    assert 'data-own="1"' in dom
    assert '<title>RUN' not in dom


def test_without_scripts_the_page_says_how(page: str) -> None:
    """Otherwise a hospital that blocks scripts has no form and no hint."""
    plain = re.sub(r'<script>.*?</script>', '', page, flags=re.DOTALL)
    assert plain.count('<fieldset class="rate"') == plain.count('hidden>\n<legend>') == 3
    assert 'You can also write the file by hand' in plain
    example = re.search(r'<pre><code>(.*?)</code></pre>', plain, re.DOTALL)
    assert example is not None
    content = json.loads(unescape(example[1]))
    assert sorted(content) == ['participant', 'ratings', 'schema_version']
