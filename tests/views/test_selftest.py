"""Before any work the user is told whether this machine renders, and what to install if not."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bids_reid.errors import RenderingError
from bids_reid.views import selftest


def test_the_renderer_is_named() -> None:
    name = selftest.check_rendering()
    assert name
    assert '\n' not in name
    assert name != 'unknown'


@pytest.mark.parametrize('program', ['/bin/false', '/bin/true'])
def test_what_to_install_is_said(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """A missing driver ends the process without a word; so may anything in its place."""
    monkeypatch.setattr(sys, 'executable', program)
    with pytest.raises(RenderingError, match=r'apt-get install libegl1 libgl1-mesa-dri') as caught:
        selftest.check_rendering()
    assert '\n' not in str(caught.value)


def test_a_driver_that_hangs_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: object, **options: float) -> None:
        assert options['timeout'] == selftest.SECONDS
        raise subprocess.TimeoutExpired('python', options['timeout'])

    monkeypatch.setattr(subprocess, 'run', hang)
    with pytest.raises(RenderingError, match='libegl1'):
        selftest.check_rendering()


def test_a_window_that_the_user_chose_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(selftest.WINDOW_VARIABLE, 'vtkOSOpenGLRenderWindow')
    selftest.use_offscreen_window()
    assert os.environ[selftest.WINDOW_VARIABLE] == 'vtkOSOpenGLRenderWindow'
    monkeypatch.delenv(selftest.WINDOW_VARIABLE)
    selftest.use_offscreen_window()
    assert os.environ[selftest.WINDOW_VARIABLE] == 'vtkEGLRenderWindow'
