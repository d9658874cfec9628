"""Run the cells of a notebook in a folder of its own, and store or compare what they print.

    python tools/notebook.py docs/notebook.ipynb

Cells are plain Python, and only what they print, or what their last line is, counts: so neither
Jupyter nor a kernel is needed to test them.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any


def run_cells(notebook: dict[str, Any]) -> list[str]:
    """Run the cells of code one after the other; return the text that each leaves.

    Raises
    ------
    Exception
        Whatever a cell raises.
    """
    names: dict[str, Any] = {'__name__': '__main__'}
    return [
        _run(''.join(cell['source']), names)
        for cell in notebook['cells']
        if cell['cell_type'] == 'code'
    ]


def _run(source: str, names: dict[str, Any]) -> str:
    """Run a cell; its last line is shown if it is a value, as notebooks do."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, 'cell', 'exec'), names)  # noqa: S102
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), 'cell', 'eval'), names)  # noqa: S307
            if value is not None:
                print(repr(value))
    return printed.getvalue()


def main(path: Path) -> None:
    """Run a notebook and store what its cells print."""
    notebook = json.loads(path.read_text(encoding='utf-8'))
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        printed = run_cells(notebook)
    cells = [cell for cell in notebook['cells'] if cell['cell_type'] == 'code']
    for number, (cell, text) in enumerate(zip(cells, printed, strict=True), 1):
        lines = text.splitlines(keepends=True)
        stored = {'output_type': 'stream', 'name': 'stdout', 'text': lines}
        cell |= {'execution_count': number, 'outputs': [stored] if lines else []}
    path.write_text(json.dumps(notebook, indent=1) + '\n', encoding='utf-8')


if __name__ == '__main__':
    os.environ.setdefault('OMP_NUM_THREADS', '1')
    main(Path(sys.argv[1]).absolute())
