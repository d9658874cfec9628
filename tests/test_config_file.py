"""Options in a file do what the same options do on the command line."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from bids_reid.cli import build_parser, main, parse, settings_from
from bids_reid.config_file import OPTIONS, option_name, settings_text
from bids_reid.errors import UsageError
from bids_reid.settings import Settings

COMPLETE = Settings(
    bids_dir=Path('/data'),
    output_dir=Path('/out'),
    levels=('participant', 'group'),
    work_dir=Path('/w "x" \\ ü\n\x7f'),
    participants=('01', '02'),
    sessions=('a',),
    modalities=('T1w', 'FLAIR'),
    extractors=('orb',),
    allow_network=True,
    models_dir=Path('/m'),
    photos=Path('/p'),
    consent=Path('/c.tsv'),
    derivatives=(('defaced', Path('/d')), ('refaced', Path('/r'))),
    max_risk=0.05,
    max_findings=0.0,
    audit='defaced',
    release=Path('/release'),
    refaced=('refaced',),
    reviewed=Path('/reviewed.tsv'),
    parts=('eyes', 'nose'),
    against=Path('/earlier'),
    breakdown=('age', 'handedness'),
    seed=7,
    filter_file=Path('/f.json'),
    database_dir=Path('/db'),
    skip_validation=True,
    n_procs=3,
    memory_gb=2.5,
    omp_threads=2,
    device='cpu',
    plugin_file=Path('/plugin.yml'),
    stop_on_first_crash=True,
    dry_run=True,
    reports_only=True,
    keep='renders',
    report_faces=True,
    complete_face=True,
    stamp=True,
    verbosity=2,
)
"""A run in which every option has another value than by default."""


def read(path: Path, *words: str) -> Settings:
    arguments = ['/data', '/out', 'participant', 'group', *words, '--config-file', str(path)]
    return settings_from(parse(arguments), command='')


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / 'options.toml'


def test_what_a_run_used_can_be_run_again(file: Path) -> None:
    """An option that is lost on the way gives other results, without a word."""
    file.write_text(settings_text(COMPLETE), 'utf-8')
    assert read(file) == COMPLETE
    plain = Settings(bids_dir=Path('/data'), output_dir=Path('/out'), levels=COMPLETE.levels)
    for field in fields(Settings):
        if field.name not in {'bids_dir', 'output_dir', 'levels', 'command'}:
            assert getattr(COMPLETE, field.name) != getattr(plain, field.name), field.name
    file.write_text(settings_text(plain), 'utf-8')
    assert read(file) == plain


def test_the_file_says_how_to_use_it() -> None:
    said = settings_text(COMPLETE)
    assert 'bids-reid BIDS_DIR OUTPUT_DIR participant group --config-file' in said
    assert '# BIDS_DIR was "/data"' in said
    assert 'do not share it' in said


def test_a_log_names_no_folder(file: Path) -> None:
    """People pass logs on: where they keep their data is nobody's business."""
    said = settings_text(
        replace(COMPLETE, bids_dir=Path('/home/me/data'), photos=Path('/home/me/faces/photos')),
        whole_paths=False,
    )
    assert '/' not in said
    assert '# BIDS_DIR was "data"' in said
    assert 'complete the paths' in said
    file.write_text(said, 'utf-8')
    assert read(file).photos == file.parent / 'photos'
    assert read(file).derivatives[0] == ('defaced', file.parent / 'd')


def test_names_in_the_file_are_those_of_the_options() -> None:
    """Otherwise a file that a run has written cannot be read."""
    options = build_parser()._option_string_actions
    for field in fields(Settings):
        if field.name not in {'bids_dir', 'output_dir', 'levels', 'command'}:
            assert options[f'--{option_name(field.name)}'].dest == field.name
    assert set(OPTIONS) <= {field.name for field in fields(Settings)}


def test_the_command_line_wins(file: Path) -> None:
    """A list on the command line takes the place of that in the file."""
    file.write_text(
        'participant-label = ["01", "02"]\nmax-risk = "5%"\nmodalities = "T1w,FLAIR"\n'
        '[derivatives]\ndefaced = "d"\n'
    )
    settings = read(file, '--participant-label', '03', '--max-risk', '0.1', '-d', 'x=/x')
    assert settings.participants == ('03',)
    assert settings.max_risk == 0.1
    assert settings.derivatives == (('x', Path('/x')),)
    assert settings.modalities == ('T1w', 'FLAIR')
    # a value that is the default wins as well
    file.write_text('random-seed = 5\nparts = ["ears"]')
    assert read(file, '--seed', '0', '--parts', 'brow').seed == 0
    assert read(file).parts == ('ears',)


def test_paths_are_relative_to_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file that is kept beside the data works from any folder."""
    monkeypatch.chdir('/')
    monkeypatch.setenv('HOME', '/home/me')
    file.write_text(
        'photos = "photos"\nwork_dir = "~/w"\nderivatives = ["a=versions/a", "b=/b"]\n'
    )
    settings = read(file)
    assert settings.photos == tmp_path / 'photos'
    assert settings.work_dir == Path('/home/me/w')
    assert settings.derivatives == (('a', tmp_path / 'versions' / 'a'), ('b', Path('/b')))


def test_spellings_of_the_command_line_are_known(file: Path) -> None:
    file.write_text('n_procs = 2\nmem = "2000MB"\nsession_id = "ses-a"\nverbose = true\n')
    settings = read(file)
    assert (settings.n_procs, settings.memory_gb) == (2, 2.0)
    assert (settings.sessions, settings.verbosity) == (('a',), 1)
    file.write_text('dry-run = false\nnotrack = true\nverbose = 0\n')
    assert read(file) == replace(read(file), dry_run=False, verbosity=0)


WRONG = {
    'misspelt': ('max-rsk = 0.1', "unknown option 'max-rsk': did you mean max-risk?"),
    'positional': ('bids_dir = "x"', "'bids_dir': it belongs on the command line"),
    'not for files': ('config-file = "x"', "unknown option 'config-file'"),
    'twice': ('nprocs = 1\nn-procs = 2', "'nprocs' and 'n-procs' are the same option"),
    'a share': ('max-risk = 5', 'did you mean 5%?'),
    'a level of nothing': ('keep = "render"', 'did you mean renders?'),
    'a part': ('parts = ["nsoe"]', 'did you mean nose?'),
    'a flag': ('dry-run = "yes"', 'dry-run: give true or false'),
    'a number of a flag': ('dry-run = 1', 'dry-run: give true or false'),
    'a word for true': ('photos = true', 'photos: give text or a number, not true'),
    'a list': ('photos = ["a", "b"]', 'photos: give one value, not a list'),
    'an empty list': ('modalities = []', 'the list is empty'),
    'an empty path': ('photos = ""', 'the path is empty'),
    'a table': ('[photos]\na = "b"', 'photos: give text or a number, not {"a": "b"}'),
    'a section': ('[bids-reid]\nnprocs = 1', '[bids-reid] is not known: write options without'),
    'a date': ('modalities = [2020-01-01]', 'not "2020-01-01"'),
    'a dash': ('modalities = ["--dry-run"]', "'--dry-run' begins with a dash"),
    'an empty condition': ('[derivatives]\ndefaced = ""', 'is not NAME=DIR'),
    'not TOML': ('max-risk: 0.1', 'is not valid TOML'),
}


@pytest.mark.parametrize(('text', 'words'), WRONG.values(), ids=WRONG)
def test_a_slip_in_the_file_is_one_line_that_names_it(
    file: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    """Otherwise a setting is silently not used, or nobody knows where to look."""
    file.write_text(text)
    try:
        code = main(['/data', '/out', 'group', '--config-file', str(file)])
    except SystemExit as leaving:
        code = int(leaving.code or 0)
    said = capsys.readouterr().err
    assert code == 64
    assert words in said
    assert str(file) in said
    assert said.count('\n') == 1
    assert said.startswith('bids-reid: ')


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['/data', '/out', 'group', '--config-file', str(tmp_path / 'gone')]) == 66
    assert f'--config-file {tmp_path}/gone: No such file' in capsys.readouterr().err
    assert main(['/data', '/out', 'group', '--config-file', str(tmp_path)]) == 66
    (tmp_path / 'latin').write_bytes(b'photos = "\xff"')
    assert main(['/data', '/out', 'group', '--config-file', str(tmp_path / 'latin')]) == 64


def test_settings_from_python_are_checked() -> None:
    """No parser has seen them."""
    folders = {'bids_dir': Path('/data'), 'output_dir': Path('/out')}
    for wrong, words in (
        ({'levels': ('particpant',)}, 'did you mean participant'),
        ({'n_procs': -1}, 'n_procs is at least 0'),
        ({'omp_threads': 0}, 'omp_threads is at least 1'),
        ({'max_risk': 5.0}, 'did you mean 0.05'),
        ({'seed': -1}, 'seed is at least 0'),
        ({'memory_gb': 0.0}, 'memory_gb is above 0'),
        ({'keep': 'all'}, 'choose from templates, renders'),
        ({'parts': ('nsoe',)}, 'did you mean nose'),
    ):
        with pytest.raises(UsageError, match=words):
            Settings(**{**folders, 'levels': ('group',), **wrong})
