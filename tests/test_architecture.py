"""How the code lies in its folders; who may import whom is looked at by lint-imports, too."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / 'bids_reid'
MIRRORS = {'selection.py', 'tables.py'}
"""Names of modules that two folders may have: each is to the one what it is to the other."""
BELOW_REPORT = {
    *('bids', 'risk', 'match', 'phantom', 'faces', 'views', 'surface'),
    *('participant', 'group', 'engine'),
}
"""Folders that may not know the pages."""


def modules() -> list[Path]:
    """Modules of the package, relative to its folder."""
    return sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob('*.py'))


def imported(module: Path) -> Iterator[str]:
    """Full names of what a module imports, inside functions as well."""
    for node in ast.walk(ast.parse((PACKAGE / module).read_text('utf-8'))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'{module}: a relative import'
            yield from (f'{node.module}.{alias.name}' for alias in node.names)


def importers(name: str) -> set[str]:
    """First parts of the paths of the modules that import a package."""
    return {
        module.parts[0]
        for module in modules()
        if any(f'{one}.'.startswith(f'{name}.') for one in imported(module))
    }


def test_no_two_modules_share_a_name() -> None:
    """Whoever is told to look into grid.py must not have to ask which."""
    folders = defaultdict(list)
    for module in modules():
        folders[module.name].append(str(module.parent))
    shared = {name: where for name, where in folders.items() if len(where) > 1}
    assert set(shared) == MIRRORS | {'__init__.py'}, shared


def test_only_the_engine_knows_nipype() -> None:
    """Science that another engine, or a notebook, could not call would have to be written again.

    The contract in pyproject.toml names folders; this one holds for those to come.
    """
    assert importers('nipype') == {'engine'}


def test_nothing_below_the_pages_knows_them() -> None:
    """What a page needs, it asks for: measuring must not depend on how it is shown."""
    assert not importers('bids_reid.report') & BELOW_REPORT
