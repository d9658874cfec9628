"""The notebook of the documentation."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

NOTEBOOK = Path(__file__).parents[2] / 'docs' / 'notebook.ipynb'


def test_a_cell_shows_its_last_line_as_a_notebook_does(
    tool: Callable[[str], ModuleType],
) -> None:
    cells = [['x = 2\n', 'print(x)\n', 'x + 1'], ['x\n'], ['None']]
    notebook = {'cells': [{'cell_type': 'code', 'source': source} for source in cells]}
    assert tool('notebook').run_cells(notebook) == ['2\n3\n', '2\n', '']


@pytest.mark.slow
def test_it_runs_and_prints_the_same_as_it_shows(tools: Path, tmp_path: Path) -> None:
    """Readers copy its cells: they must work, and give the outputs that stand below them."""
    again = tmp_path / 'notebook.ipynb'
    again.write_bytes(NOTEBOOK.read_bytes())
    done = subprocess.run(
        [sys.executable, tools / 'notebook.py', again], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(again.read_text()) == json.loads(NOTEBOOK.read_text())
