"""What all tests share."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bids_reid.views.selftest import use_offscreen_window

# before anything imports VTK
use_offscreen_window()

Call = Callable[..., 'subprocess.CompletedProcess[str]']


@pytest.fixture(scope='session')
def call() -> Call:
    """Call a console script as a user does: ``call('bids-reid', bids_dir, ...)``."""

    def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [Path(sys.executable).with_name(script), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)

    return run
