"""What all tests share."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bids_reid.views.selftest import use_offscreen_window

# before anything imports VTK
use_offscreen_window()

Call = Callable[..., 'subprocess.CompletedProcess[str]']
Recipe = Callable[[str], str]


_NETWORK = ('socket.connect', 'socket.sendto', 'socket.getaddrinfo', 'socket.gethostbyname')
_attempts: list[str] = []


def _is_here(address: object) -> bool:
    """Tell whether an address is a file, or this machine."""
    host = address[0] if isinstance(address, tuple) else address
    if host is None or isinstance(host, bytes):
        return True
    return str(host).startswith(('/', '127.', '\0')) or host in {'', '::1', 'localhost'}


def _refuse_network(event: str, arguments: tuple[object, ...]) -> None:
    """Refuse to leave this machine, whatever library tries, and remember that it was tried."""
    if event in _NETWORK:
        address = arguments[1] if event in {'socket.connect', 'socket.sendto'} else arguments[0]
        if not _is_here(address):
            _attempts.append(f'{event} {address}')
            raise PermissionError(f'a test opens no connection: {event} {address}')


# what Python does not see, and other processes, are looked at in tests/test_offline.py
sys.addaudithook(_refuse_network)


@pytest.fixture(autouse=True)
def network_attempts() -> Iterator[list[str]]:
    """Fail a test in which anything tried to connect, even if it took the refusal quietly."""
    _attempts.clear()
    yield _attempts
    assert not _attempts, f'something called home: {_attempts}'


@pytest.fixture(autouse=True)
def importable_in_workers(pytestconfig: pytest.Config) -> Iterator[None]:
    """Put the checkout last on the path, which workers take over: the package stays what it is.

    What tests define and give to another process has to be found there too.
    """
    sys.path.append(str(pytestconfig.rootpath))
    yield
    sys.path.remove(str(pytestconfig.rootpath))


@pytest.fixture(scope='session')
def recipe(pytestconfig: pytest.Config) -> Recipe:
    """Return the code block below ``<!-- name -->`` in the README: what people copy is tested."""

    def block(name: str) -> str:
        text = (pytestconfig.rootpath / 'README.md').read_text('utf-8')
        found = re.search(rf'<!-- {re.escape(name)} -->\n+```\w*\n(.*?)\n```', text, re.DOTALL)
        assert found, f'README.md has no block {name!r}'
        return found[1]

    return block


@pytest.fixture(scope='session')
def call() -> Call:
    """Call a console script as a user does: ``call('bids-reid', bids_dir, ...)``."""

    def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [Path(sys.executable).with_name(script), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)

    return run
