"""SECURITY.md says how each promise is tested: what it names has to be there."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / 'SECURITY.md').read_text('utf-8')
NUMBERS = (ROOT / 'docs' / 'promises.md').read_text('utf-8')


def modules() -> set[str]:
    """Names of the modules that the pages tell people to run."""
    short = re.findall(r'measure (\w+)', PAGE)
    full = re.findall(r'-m (benchmarks\.[\w.]+)', PAGE + NUMBERS)
    named = {*full, *(f'benchmarks.promises.{name}' for name in short)}
    return named - {'benchmarks.promises.X'}


@pytest.mark.parametrize('name', sorted(modules()))
def test_what_measures_a_promise_is_there(name: str) -> None:
    assert find_spec(name) is not None
    assert f'-m {name}' in NUMBERS, 'docs/promises.md has no row for it'


def test_the_tests_named_are_there() -> None:
    """A promise whose test was renamed is tested by nothing that anybody finds."""
    named = set(re.findall(r'\btests/[\w/]+(?:\.py)?', PAGE + NUMBERS))
    assert len(named) > 5
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_every_promise_has_a_test() -> None:
    """One without would be a hope."""
    rows = [line.split('|')[1:-1] for line in PAGE.splitlines() if line.startswith('| **')]
    assert len(rows) > 10
    assert [row[0] for row in rows if len(row) != 2 or '`' not in row[1]] == []
