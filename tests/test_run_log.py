"""The log of a run: everything that was said, for whoever helps, and nothing private."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bids_reid import run_log
from bids_reid.bids.sensitive import output_files
from bids_reid.errors import CannotWriteError
from bids_reid.levels import _named_paths
from bids_reid.messages import logger
from bids_reid.run_log import HIDDEN, RunLog, begin_log, hide_in_log
from bids_reid.settings import Settings


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RunLog]:
    """Keep the messages of a run that reads a dataset of Jane's."""
    before = logger.level
    handler = RunLog('photos = "/home/jane/photos"\n', [Path('/home/jane doe/my bids')])
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(before)
    handler.close()


def text_of(log: RunLog) -> str:
    assert log.path is not None
    return log.path.read_text('utf-8')


def test_what_is_said_before_the_folder_is_ours_is_kept(log: RunLog, tmp_path: Path) -> None:
    """A refused run must leave nothing, and the header must not be lost to the others."""
    logger.info('first')
    assert not (tmp_path / 'logs').exists()
    begin_log(tmp_path)
    begin_log(tmp_path)
    logger.debug('second')
    first, second = text_of(log).splitlines()
    assert first.endswith('INFO    first')
    assert second.endswith('DEBUG   second')
    assert first[:4].isdigit()
    assert first[19] == 'Z'
    (settings,) = (tmp_path / 'logs').glob('*.toml')
    assert settings.read_text() == 'photos = "photos"\n'
    assert {path.stem for path in (tmp_path / 'logs').iterdir()} == {settings.stem}


def test_it_names_no_folder_and_no_photograph(log: RunLog, tmp_path: Path) -> None:
    """The output is passed on: folders tell who somebody is, and photographs who took part."""
    begin_log(tmp_path)
    hide_in_log(['jane-smile.jpg', '/photos/jane-smile.jpg'])
    logger.info('NOT READ jane-smile.jpg: damaged')
    logger.info('dataset: /home/jane doe/my bids')
    logger.info('cannot read /home/jane/sub-01_T1w.nii')
    logger.info('two\nlines\x1b[2J')
    said = text_of(log)
    assert 'jane' not in said
    assert f'NOT READ {HIDDEN}: damaged' in said
    assert 'dataset: my bids' in said
    assert 'cannot read sub-01_T1w.nii' in said
    assert '\x1b' not in said


@pytest.mark.parametrize('field', ['photos', 'consent', 'reviewed', 'against', 'models_dir'])
def test_no_path_of_an_option_is_told(field: str, tmp_path: Path) -> None:
    """A blank in a name ends what looks like a path: the user's name would stay in the log."""
    path = Path('/home/jane doe/my files/x.tsv')
    settings = Settings(
        bids_dir=tmp_path,
        output_dir=tmp_path / 'out',
        levels=('group',),
        **{field: path},  # type: ignore[arg-type]
    )
    log = RunLog('', _named_paths(settings))
    assert log.discreet(f'cannot read {path}: no such file') == 'cannot read x.tsv: no such file'
    assert str(tmp_path) not in log.discreet(f'made {tmp_path}/out/work/a b')


def test_runs_with_the_same_number_and_second_have_own_files(
    log: RunLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every container of a job array may be process 7."""
    monkeypatch.setattr(run_log.time, 'strftime', lambda *_: '20260101T000000Z')
    other = RunLog('', [])
    log.open(tmp_path)
    other.open(tmp_path)
    other.close()
    assert log.path != other.path
    assert len(list((tmp_path / 'logs').glob('*.log'))) == 2


def test_only_the_owner_reads_it(log: RunLog, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        log.open(tmp_path)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / 'logs').iterdir()} == {0o600}


def test_a_folder_that_cannot_be_written_is_named(log: RunLog, tmp_path: Path) -> None:
    (tmp_path / 'logs').write_text('')
    with pytest.raises(CannotWriteError, match='logs'):
        log.open(tmp_path)


def test_a_purge_knows_whose_file_it_is(log: RunLog, tmp_path: Path) -> None:
    """A log taken for another program's file would stay for good."""
    log.open(tmp_path)
    kinds = {file.path: file.kind for file in output_files(tmp_path)}
    assert {kind for path, kind in kinds.items() if path.startswith('logs/')} == {'report'}


def test_a_wrong_message_of_a_library_ends_no_run(
    log: RunLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nipype's messages are written, too, and a day of work must not depend on them."""
    monkeypatch.setattr(logging, 'raiseExceptions', False)
    log.open(tmp_path)
    log.handle(logging.LogRecord('nipype', logging.INFO, '', 0, '%d scans', ('two',), None))
    logger.info('next')
    assert text_of(log).endswith('next\n')
