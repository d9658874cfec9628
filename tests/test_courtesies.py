"""What people type is understood, and what they mistype is answered with what they meant."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bids_reid import surroundings
from bids_reid.arguments import fraction, memory
from bids_reid.cli import build_parser, main, parse, settings_from, shown
from bids_reid.errors import UsageError
from bids_reid.participant.content import ScanLine
from bids_reid.participant_level import done_sentence
from bids_reid.settings import Settings
from bids_reid.suggestions import closest
from bids_reid.surroundings import MemoryLimit, check_memory, machine_memory

PROGRAMS = ('cli', 'check', 'models', 'plan', 'purge')
GB = 10**9


def settings(*words: str) -> Settings:
    return settings_from(parse(['/data', '/out', 'group', *words]), command='')


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    """Run the program; return its code and its one line on stderr."""
    try:
        code = main([str(word) for word in words])
    except SystemExit as leaving:
        code = int(leaving.code or 0)
    said = capsys.readouterr().err
    assert said.startswith('bids-reid: ')
    assert said.count('\n') == 1, said
    return code, said


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A dataset with a T1w and a FLAIR scan."""
    root = tmp_path / 'data'
    anat = root / 'sub-01' / 'anat'
    anat.mkdir(parents=True)
    (root / 'dataset_description.json').write_text('{"Name": "tiny", "BIDSVersion": "1.10.0"}')
    for suffix in ('T1w', 'FLAIR'):
        (anat / f'sub-01_{suffix}.nii').write_bytes(b'12345678')
    return root


@pytest.fixture
def _as_it_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give back the umask and the environment that a run changes."""
    import nipype  # noqa: F401 (sets variables of its own)

    from bids_reid.views import selftest

    before, umask = dict(os.environ), os.umask(0o077)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(selftest, 'check_rendering', lambda: 'none')
    yield
    os.umask(umask)
    os.environ.clear()
    os.environ.update(before)


class TestCommaLists:
    """Shells, schedulers and people write lists with commas."""

    @pytest.mark.parametrize(
        ('words', 'field', 'meant'),
        [
            ('--participant-label 01,02', 'participants', ('01', '02')),
            ('--participant-label sub-01, sub-02', 'participants', ('01', '02')),
            (
                '--participant-label 01,02 --participant-label 03',
                'participants',
                ('01', '02', '03'),
            ),
            ('--session-label ses-a,b,', 'sessions', ('a', 'b')),
            ('--modalities T1w,FLAIR,T1w', 'modalities', ('T1w', 'FLAIR')),
            ('-m T1w -m FLAIR', 'modalities', ('T1w', 'FLAIR')),
            ('--extractors orb,sift facenet', 'extractors', ('orb', 'sift', 'facenet')),
            ('--parts eyes,nose', 'parts', ('eyes', 'nose')),
            ('--refaced a,b', 'refaced', ('a', 'b')),
            ('--breakdown age,sex', 'breakdown', ('age', 'sex')),
        ],
    )
    def test_each_name_counts(self, words: str, field: str, meant: tuple[str, ...]) -> None:
        """Otherwise sub-01,02 is one participant, whom nobody has."""
        assert getattr(settings(*words.split()), field) == meant

    def test_levels_too(self) -> None:
        options = parse(['/data', '/out', 'participant,group'])
        assert settings_from(options, command='').levels == ('participant', 'group')

    @pytest.mark.parametrize('word', ['', ',', ' , '])
    def test_an_empty_name_is_refused(self, capsys: pytest.CaptureFixture[str], word: str) -> None:
        """A variable of the shell that is not set would select everybody."""
        code, said = refused(capsys, '/data', '/out', 'group', '--participant-label', word)
        assert code == 64
        assert 'a name is empty' in said


class TestShares:
    """A limit that is read otherwise than it was meant passes everything, or nothing."""

    @pytest.mark.parametrize(
        ('text', 'share'),
        [('5%', 0.05), ('5 %', 0.05), ('.5', 0.5), ('100%', 1.0), ('1.0', 1.0), ('0', 0.0)],
    )
    def test_what_is_meant(self, text: str, share: float) -> None:
        assert fraction(text) == pytest.approx(share)

    @pytest.mark.parametrize(
        ('text', 'words'),
        [
            ('5', 'above 1: did you mean 5%?'),
            ('1', 'write 1% or 100%'),
            ('500%', 'not from 0 to 100%'),
            ('-5%', 'not from 0 to 100%'),
            ('nan', 'not from 0 to 100%'),
            ('five', 'write 5% or 0.05'),
            ('5,0%', 'write 5% or 0.05'),
        ],
    )
    def test_what_is_not_clear(
        self, capsys: pytest.CaptureFixture[str], text: str, words: str
    ) -> None:
        code, said = refused(capsys, '/data', '/out', 'group', f'--max-risk={text}')
        assert code == 64
        assert words in said
        assert '--max-risk' in said


class TestMemory:
    """Some programs want MB, others GB: never silently 16,000 GB."""

    @pytest.mark.parametrize(
        ('text', 'gb'),
        [
            *(('16', 16.0), ('16GB', 16.0), ('16G', 16.0), ('16g', 16.0), ('16 gb', 16.0)),
            *(('16000MB', 16.0), ('16000M', 16.0), ('2.5', 2.5), ('1T', 1000.0)),
            *(('1GiB', 1.073741824), ('512Mi', 0.536870912)),
        ],
    )
    def test_units(self, text: str, gb: float) -> None:
        assert memory(text) == pytest.approx(gb, rel=1e-12)

    @pytest.mark.parametrize('text', ['0', '-1', 'nan', 'inf', 'all', '16KB', '1 6', '16GBs', ''])
    def test_what_is_no_amount(self, capsys: pytest.CaptureFixture[str], text: str) -> None:
        code, said = refused(capsys, '/data', '/out', 'group', f'--mem={text}')
        assert code == 64
        assert 'write 16, 16GB or 16000MB' in said

    @pytest.fixture
    def _sixteen_gb(self, monkeypatch: pytest.MonkeyPatch) -> None:
        limit = MemoryLimit(17_179_869_184, 'this machine', False)
        monkeypatch.setattr(surroundings, 'machine_memory', lambda: limit)

    @pytest.mark.usefixtures('_sixteen_gb')
    @pytest.mark.parametrize(
        ('gb', 'words'),
        [
            (
                16000.0,
                '--mem 16000 GB is more than the 17.2 GB of this machine: did you mean 16 GB',
            ),
            (32.0, '--mem 32 GB is more than the 17.2 GB of this machine: give less'),
            (32000.0, 'give less'),
        ],
    )
    def test_more_than_the_machine_has(self, gb: float, words: str) -> None:
        """The run would be killed in the night."""
        with pytest.raises(UsageError, match=re.escape(words)):
            check_memory(gb)

    @pytest.mark.usefixtures('_sixteen_gb')
    def test_what_the_machine_has_is_enough(self) -> None:
        """A machine that is sold with 16 GB has 16 GB."""
        check_memory(16.0)
        check_memory(None)

    @pytest.mark.usefixtures('_as_it_was')
    def test_before_any_work(self, capsys: pytest.CaptureFixture[str], dataset: Path) -> None:
        code, said = refused(capsys, dataset, 'out', 'participant', '--mem', '16000000')
        assert code == 64
        assert '16000000 GB is more than the' in said or '1.6e+07 GB is more than the' in said
        assert not Path('out').exists()

    def test_the_limit_of_a_container_counts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(surroundings, '_limit_of_group', lambda: 3 * GB)
        assert machine_memory() == MemoryLimit(3 * GB, 'the control group or container', False)


MISSPELT = {
    'option': (
        '{data} out participant --modalites T1w',
        64,
        '--modalites: did you mean --modalit',
    ),
    'option before folders': ('--participants 01 {data} out group', 64, '--participant-label?'),
    'option alone': ('--hepl', 64, 'unknown option --hepl: did you mean --help?'),
    # a misspelt name is not what is wrong here
    'JSON of a run': ('--json', 64, 'no --json: read .* bids-reid-check, bids-reid-plan'),
    'option with a value': ('{data} out group --max-rsk=5%', 64, 'did you mean --max-risk?'),
    'one dash': ('{data} out group -modalities T1w', 64, 'did you mean --modalities?'),
    'short option': ('{data} out group -q', 64, 'unknown option -q'),
    'folder by name': (
        '--bids-dir {data} --output-dir out group',
        *(64, '--bids-dir: write bids_dir output_dir levels in this order, without names'),
    ),
    'number': ('{data} out group --nprocs all', 64, "'all' is not a whole number above 0"),
    'two options': ('{data} out group --max 5%', 64, '--max could match --max-findings, --max-r'),
    'level': (
        '{data} out particpant',
        17,
        "unknown level 'particpant': did you mean participant?",
    ),
    'other level': ('{data} out all', 17, 'give participant, group or both'),
    'extractor': ('{data} out participant --extractors arcface', 64, 'did you mean deepface-Arc'),
    'part': ('{data} out group --parts eyes,nsoe', 64, "'nsoe' is not one of .*mean nose?"),
    'kept': ('{data} out group --keep render', 64, "'render' is not one of .*mean renders?"),
    'modality': ('{data} out participant -m t1w', 18, 'only FLAIR, T1w: did you mean T1w?'),
    'one modality': ('{data} out participant -m T1w,FLAR', 18, 'no FLAR scan.*mean FLAIR?'),
    'other modality': ('{data} out participant -m pet', 18, 'has no pet scan, only FLAIR, T1w$'),
    'known modality': ('{data} out participant -m T2w', 18, 'has no T2w scan, only FLAIR, T1w$'),
    'condition': ('{data} out participant -d defaced={tmp} --audit defacd', 64, 'mean defaced?'),
    'refaced': (
        '{data} out participant group -d refaced={tmp} --refaced refacd',
        *(64, '--refaced refacd: did you mean refaced?'),
    ),
    'participant': ('{data} out participant --participant-label 1', 18, 'did you mean sub-01?'),
}


@pytest.mark.usefixtures('_as_it_was')
@pytest.mark.parametrize(('line', 'code', 'words'), MISSPELT.values(), ids=MISSPELT)
def test_a_slip_is_answered_with_what_was_meant(
    capsys: pytest.CaptureFixture[str],
    dataset: Path,
    tmp_path: Path,
    line: str,
    code: int,
    words: str,
) -> None:
    """Otherwise people search the manual for one letter."""
    (tmp_path / 'versions').mkdir()
    told, said = refused(capsys, *line.format(data=dataset, tmp=tmp_path / 'versions').split())
    assert told == code, said
    # a question mark is one
    assert re.search(words.replace('?', r'\?'), said.strip())


@pytest.mark.usefixtures('_as_it_was')
def test_a_modality_that_bids_knows_may_be_missing(
    capsys: pytest.CaptureFixture[str], dataset: Path
) -> None:
    """One script serves datasets with and without T2w; T2w is no slip for T1w."""
    assert main([str(dataset), 'out', 'participant', '-m', 'FLAIR,T2w', '--dry-run']) == 0
    assert 'no T2w scan' in capsys.readouterr().out


@pytest.mark.usefixtures('_as_it_was')
def test_masks_may_be_asked_for(capsys: pytest.CaptureFixture[str], dataset: Path) -> None:
    """By default they are no scans, so they are not among those that there are."""
    mask = dataset / 'sub-01' / 'anat' / 'sub-01_headmask.nii'
    mask.write_bytes(b'12345678')
    assert main([str(dataset), 'out', 'participant', '-m', 'headmask', '--dry-run']) == 0
    assert mask.name in capsys.readouterr().out


def test_unlike_words_are_not_suggested() -> None:
    """A wrong guess is worse than none."""
    assert closest('threshold', ['--max-risk', '--photos']) is None
    assert closest('T1W', ['FLAIR', 'T1w']) == 'T1w'
    assert closest('x', []) is None


@pytest.mark.parametrize(
    ('word', 'field'),
    [('--max_risk=5%', 'max_risk'), ('--stop_on_first_crash', 'stop_on_first_crash')],
)
def test_underscores_are_dashes(word: str, field: str) -> None:
    """Older BIDS Apps write options with underscores."""
    assert getattr(settings(word), field) == getattr(settings(word.replace('_', '-')), field)


@pytest.mark.parametrize(
    ('word', 'field'), [('--participant', 'participants'), ('--session=a', 'sessions')]
)
def test_the_beginning_of_an_option_is_enough(word: str, field: str) -> None:
    """Two spellings of one option are no choice."""
    words = word.split('=') if '=' in word else [word, 'a']
    assert getattr(settings(*words), field) == ('a',)
    assert getattr(settings(word.partition('=')[0] + '=a'), field) == ('a',)


def test_values_keep_their_underscores() -> None:
    assert settings('--photos=/my_photos', '--models_dir', '/my_models').photos == Path(
        '/my_photos'
    )
    assert settings('--models_dir', '/my_models').models_dir == Path('/my_models')


@pytest.mark.parametrize('word', ['--no-sub', '--notrack'])
def test_nothing_is_ever_sent(word: str) -> None:
    """Scripts for other BIDS Apps say so; here it changes nothing."""
    assert settings(word) == settings()
    said = ' '.join(build_parser().format_help().split())
    assert 'bids-reid never sends anything about its use' in said


def test_reports_do_not_tell_where_things_are_kept() -> None:
    """The name of an option has to be there, the folders of a disk not."""
    assert shown('bids-reid', ['--photos=/home/me/p', '--config-file', '/a/b.toml']) == (
        'bids-reid --photos=p --config-file b.toml'
    )


@pytest.mark.usefixtures('_as_it_was')
def test_programs_read_the_list_of_extractors(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['--extractors', '--json']) == 0
    listed: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    by_name = {one['extractor']: one for one in listed}
    assert by_name['orb']['runs_by_default'] is True
    assert by_name['orb']['kind'] == 'keypoints'
    assert by_name['deepface-Dlib']['runs_by_default'] is False
    assert by_name['deepface-Dlib']['why_not']


@pytest.mark.parametrize('program', PROGRAMS)
def test_the_help_is_for_people(
    program: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fits a terminal, and ends with examples and exit codes."""
    from importlib import import_module

    monkeypatch.setenv('COLUMNS', '80')
    module = import_module(f'bids_reid.{program}')
    with pytest.raises(SystemExit):
        module.main(['--help'])
    said = capsys.readouterr().out
    assert [line for line in said.splitlines() if len(line) > 80] == []
    head, examples = said.split('\nexamples:\n')
    examples, codes = examples.split('\nexit codes:\n')
    commands = re.findall(r'^    (bids-reid\S*) ', examples, re.MULTILINE)
    assert len(commands) >= 3
    assert len(set(commands)) == 1
    assert re.search(r'^  64  Wrong usage\.$', codes, re.MULTILINE)
    # all is resolved, and nothing is left to guess
    assert '%(' not in said
    assert 'show this help message' not in head


def test_the_examples_are_commands_that_work(tmp_path: Path) -> None:
    """Whoever copies one must not be refused."""
    from bids_reid.options import EXAMPLES

    assert 4 <= len(EXAMPLES) <= 6
    (tmp_path / 'OPTIONS.toml').write_text('max-risk = "5%"')
    for command in EXAMPLES.values():
        words = command.replace('\\\n', ' ').replace('OPTIONS', f'{tmp_path}/OPTIONS').split()
        assert words[0] == 'bids-reid'
        assert settings_from(parse(words[1:]), command='').levels
    for module in ('check', 'plan', 'purge', 'models'):
        program = __import__(f'bids_reid.{module}', fromlist=['x'])
        for command in program.EXAMPLES.values():
            program.build_parser().parse_args(command.split()[1:])


def test_every_help_text_is_a_sentence() -> None:
    """The page of options is made of them."""
    for action in build_parser()._actions:
        text = build_parser()._get_formatter()._expand_help(action)
        assert text[0].isupper() or text[0] == '"', text
        assert text.endswith('.'), text
        assert '%' not in text.replace('1%', '').replace('5%', '')


def test_the_last_line_claims_no_face() -> None:
    """The detector reacts to de-faced scans: "13 with a face" beside 13 passes is no news."""
    line = ScanLine('01', None, 'T1w', 'defaced', 'a.nii', 'ok', verdict='no findings')
    lines = [line, line, replace(line, status='no_face'), replace(line, status='failed')]
    assert done_sentence(lines, 0) == (
        'participant level done: 4 scans; the face detector reacted to 2 and not to 1, 1 failed'
    )
    assert done_sentence(lines, 1).endswith('; 1 with earlier results only')
