"""Interfaces that the tests define have to be found by the worker processes too."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def importable_in_workers(pytestconfig: pytest.Config) -> Iterator[None]:
    """Put the checkout last on the path, which workers take over: the package stays what it is."""
    sys.path.append(str(pytestconfig.rootpath))
    yield
    sys.path.remove(str(pytestconfig.rootpath))
