"""The program from Python: a notebook gets what the command line writes."""

from __future__ import annotations

import doctest
import importlib
import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import bids_reid
from bids_reid import api
from bids_reid.bids.tables import written
from bids_reid.errors import Exit, NoInputError, UsageError
from bids_reid.risk.presence import Presence
from bids_reid.settings import Settings
from tests.support.scan_records import scan_record


def test_run_takes_the_settings_of_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An option that is dropped on the way would give another result without a word."""
    given: list[Settings] = []
    monkeypatch.setattr('bids_reid.levels.run_levels', lambda s: given.append(s) or Exit.OK)
    monkeypatch.chdir(tmp_path)
    code = api.run(
        'ds', 'out', ['group'], photos='photos', derivatives={'defaced': 'de'}, max_risk=0.05
    )
    assert code is Exit.OK
    (settings,) = given
    assert settings.bids_dir == tmp_path / 'ds'
    assert settings.levels == ('group',)
    assert settings.photos == tmp_path / 'photos'
    assert settings.derivatives == (('defaced', tmp_path / 'de'),)
    assert (settings.max_risk, settings.audited) == (0.05, 'defaced')


def test_names_and_paths_may_be_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that is taken for a list of letters would select nobody, or everybody."""
    given: list[Settings] = []
    monkeypatch.setattr('bids_reid.levels.run_levels', lambda s: given.append(s) or Exit.OK)
    monkeypatch.chdir(tmp_path)
    bids_reid.run(
        'ds',
        'out',
        'group',
        participants='sub-01,02',
        sessions=['ses-a', 'b'],
        modalities='T1w',
        breakdown='age',
        database_dir='db',
        against=tmp_path / 'earlier',
    )
    (settings,) = given
    assert settings.participants == ('01', '02')
    assert settings.sessions == ('a', 'b')
    assert settings.modalities == ('T1w',)
    assert settings.breakdown == ('age',)
    assert settings.database_dir == tmp_path / 'db'
    assert settings.against == tmp_path / 'earlier'


@pytest.mark.parametrize(
    ('option', 'meant'),
    [
        ('max_risks', 'max_risk'),
        ('participant_label', 'participants'),
        ('nprocs', 'n_procs'),
        ('mem', 'memory_gb'),
        ('photo', 'photos'),
    ],
)
def test_a_misspelt_option_is_answered_with_what_was_meant(option: str, meant: str) -> None:
    """Also one that is spelled as on the command line."""
    with pytest.raises(TypeError, match=f"no option '{option}': did you mean {meant}"):
        bids_reid.run('ds', 'out', **{option: 1})
    with pytest.raises(TypeError, match=r"no option 'unknown'$"):
        bids_reid.run('ds', 'out', unknown=1)


def test_every_setting_is_an_option() -> None:
    """Otherwise the command line can do what a notebook cannot."""
    of_positionals = {'bids_dir', 'output_dir', 'levels', 'command'}
    names = {field.name for field in fields(Settings)} - of_positionals
    assert set(api.Options.__annotations__) == names
    # each of them is turned into what the command line makes of it
    kinds = {field.name: str(field.type) for field in fields(Settings)}
    assert {name for name in names if 'Path' in kinds[name]} == {*api._PATHS, 'derivatives'}
    assert {name for name in names if 'tuple[str, ...]' in kinds[name]} == set(api._NAMES)


@pytest.mark.parametrize(
    'options',
    [
        {'levels': 'groups'},
        {'levels': ()},
        {'max_risk': 5},
        {'derivatives': {'raw': 'de'}},
        {'parts': 'eyes,nsoe'},
        {'n_procs': -1},
    ],
)
def test_values_that_the_command_line_refuses_are_refused(options: dict[str, Any]) -> None:
    """A limit of 5 instead of 5% passes everything, and a misspelt level does nothing."""
    with pytest.raises(UsageError):
        api.run('ds', 'out', **options)


def test_load_reads_labels_as_they_are_written(tmp_path: Path) -> None:
    """Sub-01 read as the number 1 would be nobody's, and n/a no number."""
    with pytest.raises(NoInputError):
        api.load(tmp_path)
    (tmp_path / 'group_ranks.tsv').write_text('photo\trank\n01\tn/a\n"02\t3\n')
    record = tmp_path / 'sub-01' / 'anat' / 'sub-01_desc-skin_T1w.json'
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps(scan_record(status='failed').to_json()))
    output = api.load(tmp_path)
    assert output.tables['group_ranks']['photo'].tolist() == ['01', '"02']
    assert output.tables['group_ranks']['rank'].isna().tolist() == [True, False]
    assert output.scans[0].line.participant == '01'
    assert output.summary == {}
    assert (output.outcome, output.reasons, output.folder) == (None, (), tmp_path)
    assert 'the group level has not run' in repr(output)
    for name in ('images', 'identification', 'report'):
        with pytest.raises(NoInputError, match='is missing: run the group level'):
            getattr(output, name)
    # odd names come back, and damage is told in one line
    table = tmp_path / 'group_ranks.tsv'
    for path in ('=1', "'x", 'a\nb', r'a\nb', '\x1b'):
        table.write_text(f'photo\tpath\n01\t{written(path)}\n', encoding='utf-8')
        assert api.load(tmp_path).tables['group_ranks']['path'].tolist() == [path]
    for damage in (b'', b'a\tb\n1\n2\t3\t4\n', b'\xff\xfe\x00'):
        table.write_bytes(damage)
        with pytest.raises(NoInputError, match=r'group_ranks\.tsv is damaged'):
            api.load(tmp_path)
    lines = [f'01\t{cell}' for cell in ('x', 'True', '3', 'n/a', "'=1")]
    table.write_text('photo\trank\n' + '\n'.join(lines * 9) + '\n')
    assert api.load(tmp_path).tables['group_ranks']['rank'].tolist()[-1] == '=1'
    table.write_text('photo\trank\n' + '01\tTrue\n01\tn/a\n' * 9)
    assert api.load(tmp_path).tables['group_ranks']['rank'].tolist()[0] is True
    table.unlink()
    for limits in ([], {'parts': 3}, {'parts': ['beard']}, 'x'):
        (tmp_path / 'group_summary.json').write_text(json.dumps({'limits': limits}))
        assert len(api.load(tmp_path).scans) == 1


def test_tables_have_their_types(tmp_path: Path) -> None:
    """Whole numbers with a gap are no fractions, and a column of digits may be text."""
    (tmp_path / 'sub-01' / 'anat').mkdir(parents=True)
    record = tmp_path / 'sub-01' / 'anat' / 'sub-01_desc-skin_T1w.json'
    record.write_text(json.dumps(scan_record(status='failed').to_json()))
    (tmp_path / 'group_images.tsv').write_text(
        'path\tbytes\tsha256\tsession_id\tface_score\treviewed_by\n'
        'a\t12\t00123\t01\t0.5\tn/a\nb\tn/a\tn/a\tn/a\tn/a\tn/a\n'
    )
    (tmp_path / 'group_identification.tsv').write_text('k\trate\n1\t0.25\n')
    (tmp_path / 'group.html').touch()
    reasons = [{'outcome': 'look first', 'sentence': 'One.', 'paths': []}]
    summary = {'outcome': 'look first', 'reasons': reasons}
    (tmp_path / 'group_summary.json').write_text(json.dumps(summary))
    output = bids_reid.load(tmp_path)
    kinds = output.images.dtypes.astype(str).to_dict()
    assert kinds['bytes'] == 'Int64'
    assert kinds['face_score'] == 'float64'
    assert {kinds[name] for name in ('path', 'sha256', 'reviewed_by')} <= {'str', 'object'}
    assert output.images['sha256'].tolist()[0] == '00123'
    assert output.images['session_id'].tolist()[0] == '01'
    assert output.images['bytes'].isna().tolist() == [False, True]
    assert output.identification['rate'].tolist() == [0.25]
    assert output.outcome == 'look first'
    assert output.reasons == ('One.',)
    assert output.report == tmp_path / 'group.html'
    assert repr(output) == f"Output('{tmp_path}': look first, 1 scan, 2 tables)"


PROBE = """
import sys
import bids_reid
assert 'api' not in vars(bids_reid)
heavy = {'numpy', 'pandas', 'nipype', 'pyvista', 'vtkmodules', 'bids', 'scipy', 'bids_reid.api'}
assert not heavy & set(sys.modules)
assert {'run', 'load', 'assess', 'Output'} <= set(dir(bids_reid))
assert bids_reid.run.__module__ == bids_reid.load.__module__ == 'bids_reid.api'
assert not {'numpy', 'pandas', 'nipype'} & set(sys.modules)
try:
    bids_reid.lode
except AttributeError as error:
    assert "no attribute 'lode'" in str(error)
else:
    raise AssertionError
from bids_reid import *
assert callable(assess)
"""


def test_the_package_is_imported_quickly() -> None:
    """A program that only asks for the version must not load a renderer."""
    done = subprocess.run(
        [sys.executable, '-c', PROBE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_type_checkers_read_it() -> None:
    """Without the marker a misspelt option is found only when it is run."""
    package = Path(bids_reid.__file__).parent
    assert (package / 'py.typed').exists()
    assert set(bids_reid._MODULES) == set(bids_reid.__all__) - {'__version__'}


def test_the_examples_in_the_documentation_are_true() -> None:
    """Whoever copies one must get what it says."""
    options = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    for name in (
        'api',
        'arguments',
        'config_file',
        'models',
        'settings',
        'suggestions',
        'text_table',
        'bids.head_images',
    ):
        module = importlib.import_module(f'bids_reid.{name}')
        result = doctest.testmod(
            module, optionflags=doctest.ELLIPSIS if name == 'api' else options
        )
        assert result.attempted > 0, name
        assert result.failed == 0, name


def test_a_judgement_can_be_read() -> None:
    """In a notebook nobody unpacks a mapping."""
    parts = {'brow': 'removed', 'nose': 'left'}
    presence = Presence('yes', 0.9876, 'review', 'no', 'a nose is left', parts)
    assert repr(presence) == (
        "Presence(verdict='review', face_present='yes', face_score=0.99, parts_left='nose', "
        "brain_loss='no', reason='a nose is left')"
    )
    nothing = Presence(None, None, 'could not assess', None, 'unreadable')
    assert 'face_score=n/a' in repr(nothing)
    assert 'parts_left=None' in repr(nothing)


@pytest.mark.slow
def test_an_image_is_assessed_as_by_the_participant_level(tmp_path: Path) -> None:
    """A notebook that judges otherwise than the audit would make one of them wrong."""
    from bids_reid.demo.phantom_dataset import write_phantom_dataset

    write_phantom_dataset(tmp_path, people=1, distractors=0, spacing=2.0)
    image = tmp_path / 'bids' / 'sub-01' / 'anat' / 'sub-01_T1w.nii.gz'
    presence = api.assess(image)
    out = tmp_path / 'out'
    assert api.run(tmp_path / 'bids', out, ['participant'], extractors=('orb',)) is Exit.OK
    (scan,) = api.load(out).scans
    assert (presence.verdict, presence.face_present) == ('review', 'yes')
    assert scan.line.verdict == presence.verdict
    assert scan.line.face_score == pytest.approx(presence.face_score, abs=0.05)
