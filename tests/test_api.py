"""The program from Python: a notebook gets what the command line writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bids_reid import api
from bids_reid.bids.tables import written
from bids_reid.errors import Exit, NoInputError, UsageError
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
    with pytest.raises(TypeError, match='unknown'):
        api.run('ds', 'out', unknown=1)


@pytest.mark.parametrize(
    'options',
    [{'levels': 'groups'}, {'levels': ()}, {'max_risk': 5}, {'derivatives': {'raw': 'de'}}],
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
