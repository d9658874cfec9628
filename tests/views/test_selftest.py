"""Before any work the user is told whether this machine renders, and what to install if not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import pytest

from bids_reid.errors import RenderingError
from bids_reid.views import selftest, window


def test_the_renderer_is_named() -> None:
    name = selftest.check_rendering()
    assert name
    assert '\n' not in name
    assert name != 'unknown'


def crash(_: object) -> None:
    """Do what a missing driver does."""
    os.abort()


def say_nothing(_: object) -> None:
    """End without an answer."""


def hang(_: object) -> None:
    """Do what a driver that waits for a screen does."""
    time.sleep(60)


@pytest.mark.parametrize('driver', [crash, say_nothing])
def test_what_to_install_is_said(
    monkeypatch: pytest.MonkeyPatch, driver: Callable[[object], None]
) -> None:
    """A missing driver ends the process without a word; so may anything in its place."""
    monkeypatch.setattr(selftest, '_answer', driver)
    with pytest.raises(RenderingError, match=r'apt-get install libegl1 libgl1-mesa-dri') as caught:
        selftest.check_rendering()
    assert '\n' not in str(caught.value)


def test_a_driver_that_hangs_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, '_answer', hang)
    monkeypatch.setattr(selftest, 'SECONDS', 0.2)
    with pytest.raises(RenderingError, match='does not answer'):
        selftest.check_rendering()


def test_what_the_driver_complains_about_is_not_shown() -> None:
    """Users get one line that says what to do."""
    program = """
import os
from bids_reid.views import selftest

def complain():
    os.write(1, b'driver: oh')
    os.write(2, b'driver: no')
    return 'a renderer'

selftest.render_square = complain
reading, writing = os.pipe()

class Question:
    def send(self, name):
        os.write(writing, name.encode())

selftest._answer(Question())
assert os.read(reading, 100) == b'a renderer'
"""
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b'', b'')


def test_a_renderer_that_draws_nothing_is_no_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Black renders hold no face: every scan would look safe."""
    nothing = np.zeros((32, 32, 3), np.uint8)
    monkeypatch.setattr(window.Window, 'picture', lambda *_: nothing)
    with pytest.raises(RenderingError):
        selftest.render_square()


def test_a_window_that_the_user_chose_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(selftest.WINDOW_VARIABLE, 'vtkOSOpenGLRenderWindow')
    selftest.use_offscreen_window()
    assert os.environ[selftest.WINDOW_VARIABLE] == 'vtkOSOpenGLRenderWindow'
    monkeypatch.delenv(selftest.WINDOW_VARIABLE)
    selftest.use_offscreen_window()
    assert os.environ[selftest.WINDOW_VARIABLE] == 'vtkEGLRenderWindow'
