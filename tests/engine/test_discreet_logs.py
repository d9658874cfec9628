"""Nipype's own messages, which -v and -vv show, name nobody on a photograph."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from nipype.utils.misc import dict_diff

from bids_reid.engine.discreet_logs import LEFT_OUT
from bids_reid.engine.execution import configure
from bids_reid.records import Photo


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Nipype's logger hands to its handlers."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    logger = logging.getLogger('nipype.workflow')
    monkeypatch.setattr(logger, 'handlers', [Keep()])
    return lines


@pytest.mark.parametrize('n_before', [0, 1, 20])
def test_inputs_that_changed_name_nobody(said: list[str], n_before: int) -> None:
    """A run that takes up with other photographs tells at -vv what each step had and has."""
    photos = [Photo('Jane Roe.jpg', None, Path('/people/Jane Roe.jpg'))] * n_before
    other = [Photo('Max M.jpg', None, Path('/people/Max M.jpg'))]
    configure(stop_on_first_crash=False, verbosity=3)
    try:
        for old, new in ((photos, other), (repr(photos), repr(other))):
            logging.getLogger('nipype.workflow').debug(
                dict_diff({'photos': old, 'n': 1}, {'photos': new, 'n': 2}, 10)
            )
    finally:
        configure(stop_on_first_crash=False, verbosity=0)
    assert len(said) == 2
    for text in said:
        assert LEFT_OUT in text
        assert 'n: 2 != 1' in text
        assert not any(part in text for part in ('Jane', 'Roe', 'Max', '/people', '.jpg'))


def test_names_of_files_do_not_reach_the_terminal_raw(said: list[str]) -> None:
    configure(stop_on_first_crash=False, verbosity=3)
    try:
        logging.getLogger('nipype.workflow').debug('folder %s', 'a\x1b[2Jb')
    finally:
        configure(stop_on_first_crash=False, verbosity=0)
    assert said == [r'folder a\x1b[2Jb']
