"""The study on made-up templates, made once."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.support.study import Study, make_study, use_toys

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope='module')
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """Scans and photographs, for tests that change none of them."""
    with pytest.MonkeyPatch.context() as patch:
        use_toys(patch)
        yield make_study(tmp_path_factory.mktemp('study'))


@pytest.fixture
def own_study(study: Study, tmp_path: Path) -> Study:
    """A copy of the scans, for a test that changes them."""
    shutil.copytree(study.out, tmp_path / 'copy' / 'out')
    return replace(study, out=tmp_path / 'copy' / 'out')
