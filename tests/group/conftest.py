"""The study on made-up templates, made once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bids_reid.records import Scan, Template
from tests.support.study import PEOPLE, D, Study, image_file, make_study, save, use_toys


@pytest.fixture(scope='module')
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """Scans and photographs, for tests that change none of them."""
    with pytest.MonkeyPatch.context() as patch:
        use_toys(patch)
        yield make_study(tmp_path_factory.mktemp('study'))


@pytest.fixture
def own_study(study: Study, tmp_path: Path) -> Study:
    """A copy of the scans, for a test that changes them."""
    shutil.copytree(study.out.parent, tmp_path / 'copy')
    return replace(study, out=tmp_path / 'copy' / 'out')


@pytest.fixture
def defaced(own_study: Study) -> Study:
    """With a blank version of the first session's scan of five people."""
    blank = Template(np.full((1, D), 0.5, np.float32), np.zeros(1, np.int32))
    for label in PEOPLE[:5]:
        name = f'sub-{label}_ses-a'
        path = image_file(own_study.out.parent / 'defaced', name, 'T1w')
        save(own_study.out, Scan(label, 'a', 'T1w', name, path, 'defaced'), blank)
    return own_study
