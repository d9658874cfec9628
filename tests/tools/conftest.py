"""What the tests of tools share."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope='session')
def tools(pytestconfig: pytest.Config) -> Path:
    """Return the folder of the tools."""
    return pytestconfig.rootpath / 'tools'


@pytest.fixture(scope='session')
def tool(tools: Path) -> Callable[[str], ModuleType]:
    """Return a function that imports a tool, which is a script and in no package."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f'tool_{name}', tools / f'{name}.py')
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        # dataclasses look their module up
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    return load
