"""The part of the lock that images are made from."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import requires
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LEFT_OUT = {'opencv-python', 'opencv-contrib-python-headless'}
"""What the lock leaves out on every machine (tool.uv in pyproject.toml)."""
LOCK = """\
a==1 \\
    --hash=sha256:00
    # via bids-reid (pyproject.toml)
b==2 ; python_version < '3' \\
    --hash=sha256:01 \\
    --hash=sha256:02
    # via
    #   a
    #   tester
c==3 \\
    --hash=sha256:03
    # via tester
tester==4 \\
    --hash=sha256:04
    # via bids-reid (pyproject.toml:dev)
"""


@pytest.fixture(scope='module')
def lock_subset(tool: Callable[[str], ModuleType]) -> ModuleType:
    return tool('lock_subset')


def test_what_the_program_needs_and_nothing_else(lock_subset: ModuleType) -> None:
    """A tester in the image is weight; a missing package is an image that does not start."""
    pins = lock_subset.read_lock(LOCK)
    chosen = lock_subset.subset(pins, {lock_subset.PROJECT})
    assert [pin.name for pin in chosen] == ['a', 'b']
    assert chosen[1].lines == tuple(LOCK.splitlines()[3:6]), 'marker and hashes are kept'
    assert [pin.name for pin in lock_subset.subset(pins, {'tester'})] == ['b', 'c', 'tester']


def test_what_is_unknown_is_said(lock_subset: ModuleType) -> None:
    """An empty selection would make an empty image."""
    with pytest.raises(ValueError, match='not in the lock: d'):
        lock_subset.subset(lock_subset.read_lock(LOCK), {'d'})
    with pytest.raises(ValueError, match='who asked for a'):
        lock_subset.read_lock(re.sub(r'\n +# .*', '', LOCK))


def test_the_lock_holds_all_that_the_program_asks_for(
    lock_subset: ModuleType, tools: Path
) -> None:
    """The comments of the lock against what the packages themselves say."""
    text = (tools.parent / 'requirements.lock').read_text('utf-8')
    chosen = lock_subset.subset(lock_subset.read_lock(text), {lock_subset.PROJECT})
    names = {canonicalize_name(pin.name) for pin in chosen}
    project = tomllib.loads((tools.parent / 'pyproject.toml').read_text('utf-8'))['project']
    extras = project['optional-dependencies'].values()
    own = [*project['dependencies'], *(line for lines in extras for line in lines)]
    asked = {('bids-reid', Requirement(line).name) for line in own}
    asked |= {(name, one.name) for name in names for one in _asked_for(name)}
    missing = {pair for pair in asked if canonicalize_name(pair[1]) not in names | LEFT_OUT}
    assert not missing
    assert not names & {'pytest', 'mypy', 'ruff', 'hatchling', 'boutiques', 'face-recognition'}


def _asked_for(name: str) -> list[Requirement]:
    """Requirements of an installed package that hold on this machine; none if it is not there."""
    try:
        lines = requires(name) or []
    except ModuleNotFoundError:
        return []
    asked = [Requirement(line) for line in lines]
    return [one for one in asked if one.marker is None or one.marker.evaluate({'extra': ''})]


def test_the_lock_names_no_address(tools: Path) -> None:
    """Where packages come from is the business of who installs them."""
    text = (tools.parent / 'requirements.lock').read_text('utf-8')
    assert '://' not in text
    assert '--index' not in text


def test_the_script_prints_what_pip_reads(tools: Path) -> None:
    """It runs on a bare Python, in an image that has nothing else."""
    command = [sys.executable, '-S', tools / 'lock_subset.py', 'hatchling']
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    first, *others = done.stdout.splitlines()
    assert first.startswith('hatchling==')
    assert all(
        line.startswith(('    --hash=sha256:', *'abcdefghijklmnopqrstuvwxyz')) for line in others
    )
    command = [sys.executable, '-S', tools / 'lock_subset.py', 'no-such-package']
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == 'lock_subset: not in the lock: no-such-package\n'
