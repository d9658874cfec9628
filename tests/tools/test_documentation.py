"""The documentation: pages that are made from the code, and the site as a whole."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from bids_reid.cli import build_parser
from bids_reid.errors import Exit

ROOT = Path(__file__).parents[2]


@pytest.fixture
def documentation(
    tool: Callable[[str], ModuleType], tools: Path, monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    # MkDocs does the same while it imports a hook
    monkeypatch.syspath_prepend(tools)
    return tool('documentation')


def test_every_option_is_described(documentation: ModuleType) -> None:
    """Somebody who looks up an option of a colleague's command must find it."""
    page = documentation.options_page()
    for action in build_parser()._actions:
        for name in action.option_strings:
            assert '_' in name or name in {'-h', '--help'} or f'`{name}' in page, name
    assert '%(' not in page
    assert '%%' not in page
    for code in Exit:
        assert f'| {int(code)} |' in page


def test_every_column_is_described(documentation: ModuleType) -> None:
    page = documentation.columns_page()
    for path in (ROOT / 'bids_reid' / 'data' / 'columns').glob('group_*.json'):
        assert f'## {path.stem}.tsv' in page
    assert '| `manifest' not in page
    assert re.search(r'\| `verdict` \| .*could not assess', page)
    assert not re.search(r'^\| `\w+` \|  \|$', page, re.MULTILINE), 'a column without a word'


def test_messages_are_those_of_the_code(documentation: ModuleType) -> None:
    """With the exit code of each, so that a script's author can look either up."""
    found = {one.text: one.effect for one in documentation.message_list.messages()}
    full = [text for text in found if 'not enough memory' in text]
    assert full
    assert str(int(Exit.MACHINE)) in found[full[0]]
    assert len(found) > 200
    assert len(found) == len(documentation.message_list.messages()), 'a message twice'
    sources = [path.read_text() for path in (ROOT / 'bids_reid').rglob('*.py')]
    for word in documentation.MARKS:
        assert any(
            f"'{word}" in text or f'"{word}"' in text or f' {word}: ' in text for text in sources
        ), word
    page = documentation.messages_page()
    letters = re.findall(r'^## (\w)$', page, re.MULTILINE)
    assert letters == sorted(set(letters))


def test_a_docstring_becomes_markdown(documentation: ModuleType) -> None:
    def example(a: int) -> int:
        """Do it.

        Parameters
        ----------
        a
            The ``number``,
            of things.

        Returns
        -------
        Another.
        """
        return a

    lines = list(documentation._documented('x.example', example))
    text = '\n'.join(lines)
    assert 'x.example(\n    a: int,\n) -> int' in text
    assert '**Parameters**' in text
    assert '`a`\n:   The `number`,\n    of things.' in text
    assert '---' not in text


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_asks_nobody(tmp_path: Path) -> None:
    """A broken link, or a page that calls somebody's server from a lab without a network."""
    command = (sys.executable, '-m', 'mkdocs', 'build', '--strict', '--quiet', '-d', tmp_path)
    # an advertisement for the theme's successor
    environment = os.environ | {'NO_MKDOCS_2_WARNING': '1'}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    pages = list(tmp_path.rglob('*.html'))
    assert len(pages) > 15
    for page in pages:
        text = page.read_text()
        loaded = re.findall(r'<(?:script|img|link|iframe)[^>]*(?:src|href)="(https?:[^"]*)', text)
        assert not loaded, page
