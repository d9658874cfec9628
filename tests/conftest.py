"""What all tests share."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bids_reid.views.selftest import use_offscreen_window

# before anything imports VTK
use_offscreen_window()

Call = Callable[..., 'subprocess.CompletedProcess[str]']


@pytest.fixture(autouse=True)
def importable_in_workers(pytestconfig: pytest.Config) -> Iterator[None]:
    """Put the checkout last on the path, which workers take over: the package stays what it is.

    What tests define and give to another process has to be found there too.
    """
    sys.path.append(str(pytestconfig.rootpath))
    yield
    sys.path.remove(str(pytestconfig.rootpath))


@pytest.fixture(scope='session')
def call() -> Call:
    """Call a console script as a user does: ``call('bids-reid', bids_dir, ...)``."""

    def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [Path(sys.executable).with_name(script), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)

    return run
