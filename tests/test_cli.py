"""The command line: what people type is what is run, and mistakes end in one line and a code."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import fields, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from bids_reid import __version__
from bids_reid.bids.files import file_sha256
from bids_reid.cli import build_parser, guarded, main, settings_from, shown
from bids_reid.errors import Exit
from bids_reid.records import Origin
from bids_reid.settings import Settings
from tests.support.plugins import write_plugin
from tests.support.scan_records import scan_record

HEAVY = ('numpy', 'nipype', 'pyvista', 'vtkmodules', 'bids', 'cv2', 'dlib', 'scipy', 'nibabel')


def parse(*options: str, levels: tuple[str, ...] = ('participant',)) -> Settings:
    arguments = ['/data', '/out', *levels, *options]
    return settings_from(build_parser().parse_args(arguments), command='')


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A dataset with one scan of 8 bytes."""
    root = tmp_path / 'data'
    anat = root / 'sub-01' / 'anat'
    anat.mkdir(parents=True)
    (root / 'dataset_description.json').write_text('{"Name": "tiny", "BIDSVersion": "1.10.0"}')
    (anat / 'sub-01_T1w.nii').write_bytes(b'12345678')
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


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """Run the program; return its code and its one line on stderr."""
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as leaving:
        code = int(leaving.code or 0)
    said = capsys.readouterr().err
    assert said.startswith('bids-reid: ')
    assert said.count('\n') == 1, said
    assert 'Traceback' not in said
    return code, said


ALIASES = [
    (
        'participants',
        ('--participant-label', '--participant_label', '--participant-labels', '--subject-label'),
        ('01', '02'),
        ('01', '02'),
    ),
    ('sessions', ('--session-label', '--session-id', '--session_label'), ('a',), ('a',)),
    (
        'n_procs',
        ('--nprocs', '--n-procs', '--n_procs', '--nthreads', '--n-cpus', '--n_cpus'),
        ('3',),
        3,
    ),
    ('omp_threads', ('--omp-nthreads',), ('3',), 3),
    ('device', ('--device',), ('cpu',), 'cpu'),
    ('memory_gb', ('--mem', '--mem-gb', '--mem_gb'), ('2.5',), 2.5),
    ('work_dir', ('-w', '--work-dir'), ('/w',), Path('/w')),
    ('skip_validation', ('--skip-bids-validation', '--skip_bids_validation'), (), True),
    ('filter_file', ('--bids-filter-file',), ('/f.json',), Path('/f.json')),
    ('database_dir', ('--bids-database-dir',), ('/db',), Path('/db')),
    ('plugin_file', ('--use-plugin',), ('/p.yml',), Path('/p.yml')),
    ('stop_on_first_crash', ('--stop-on-first-crash',), (), True),
    ('dry_run', ('--dry-run',), (), True),
    ('reports_only', ('--reports-only',), (), True),
    ('stamp', ('--stamp',), (), True),
    (
        'modalities',
        ('-m', '--modality', '--modalities'),
        ('T2w', 'UNIT1'),
        ('T2w', 'UNIT1'),
    ),
    ('extractors', ('--extractors',), ('a', 'b'), ('a', 'b')),
    ('allow_network', ('--allow-network',), (), True),
    ('photos', ('--photos',), ('/p',), Path('/p')),
    (
        'derivatives',
        ('-d', '--derivatives'),
        ('defaced=/d', 'b2=/e=f'),
        (('defaced', Path('/d')), ('b2', Path('/e=f'))),
    ),
    ('max_risk', ('--max-risk',), ('5%',), 0.05),
    ('max_findings', ('--max-findings',), ('0',), 0.0),
    ('release', ('--release',), ('/r',), Path('/r')),
    ('refaced', ('--refaced',), ('a', 'b'), ('a', 'b')),
    ('parts', ('--parts',), ('eyes', 'ears', 'eyes'), ('eyes', 'ears')),
    ('reviewed', ('--reviewed',), ('/r.tsv',), Path('/r.tsv')),
    ('consent', ('--consent',), ('/c.tsv',), Path('/c.tsv')),
    ('audit', ('--audit',), ('defaced',), 'defaced'),
    ('models_dir', ('--models-dir',), ('/m',), Path('/m')),
    ('against', ('--against',), ('/o',), Path('/o')),
    ('breakdown', ('--breakdown',), ('age', 'site'), ('age', 'site')),
    ('seed', ('--random-seed', '--random_seed', '--seed'), ('7',), 7),
    ('complete_face', ('--complete-face',), (), True),
    ('keep', ('--keep',), ('renders',), 'renders'),
    ('report_faces', ('--report-faces',), (), True),
    ('stamp', ('--stamp',), (), True),
    ('verbosity', ('-v', '--verbose'), (), 1),
]


@pytest.mark.parametrize(
    ('field', 'alias', 'given', 'meant'),
    [
        (field, alias, given, meant)
        for field, aliases, given, meant in ALIASES
        for alias in aliases
    ],
)
def test_every_spelling_sets_its_field_and_no_other(
    field: str, alias: str, given: tuple[str, ...], meant: object
) -> None:
    """Otherwise an option is taken and ignored, or one that people know is refused."""
    settings = parse(alias, *given)
    assert getattr(settings, field) == meant
    assert replace(settings, **{field: getattr(parse(), field)}) == parse()


def test_every_option_of_the_help_is_tested_above() -> None:
    """Otherwise a new option can be accepted and do nothing."""
    spellings = {name for action in build_parser()._actions for name in action.option_strings}
    tested = {alias for _, aliases, _, _ in ALIASES for alias in aliases}
    of_no_field = {'-h', '--help', '--version', '--config-file', '--no-sub', '--notrack'}
    assert spellings - tested == of_no_field
    of_positionals = {'bids_dir', 'output_dir', 'levels', 'command'}
    assert {field.name for field in fields(Settings)} - of_positionals == {a[0] for a in ALIASES}


def test_labels_may_have_their_prefix_and_be_repeated() -> None:
    """Otherwise sub-01 selects nobody, or a second --participant-label drops the first."""
    settings = parse(
        *('--participant-label', 'sub-01', '01', '02', '--session-id', 'ses-a', 'a'),
        *('--participant_label', '03', 'sub-02', '--session-label', 'b'),
    )
    assert settings.participants == ('01', '02', '03')
    assert settings.sessions == ('a', 'b')
    # what one call was given does not stay for the next
    assert parse().participants == ()
    # only the prefix goes
    assert parse('--participant-label', 'sub-sub').participants == ('sub',)


def test_levels_run_in_their_order_and_once() -> None:
    """Otherwise the group level runs before there is anything to read."""
    assert parse(levels=('group', 'participant')).levels == ('participant', 'group')
    assert parse(levels=('group', 'group')).levels == ('group',)


def test_modalities_and_extractors_are_not_repeated() -> None:
    """Otherwise a scan is counted twice."""
    settings = parse('--modalities', 'T1w', 'T1w', '--extractors', 'a', 'b', 'a')
    assert settings.modalities == ('T1w',)
    assert settings.extractors == ('a', 'b')


def test_paths_are_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Otherwise Nipype, which changes folders, looks for the data elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('HOME', '/home/me')
    options = build_parser().parse_args(['d', '~/out', 'group', '--photos', 'p', '-w', './w'])
    settings = settings_from(options, command='')
    assert settings.bids_dir == tmp_path / 'd'
    assert settings.output_dir == Path('/home/me/out')
    assert settings.photos == tmp_path / 'p'
    assert settings.work_dir == settings.work == tmp_path / 'w'
    assert replace(settings, work_dir=None).work == Path('/home/me/out/work')


def test_the_condition_audited_is_what_will_be_shared() -> None:
    """Otherwise the gate judges the raw scans, or the wrong version."""
    versions = ('-d', 'defaced=/d', 'refaced=/r')
    assert parse().audited == 'raw'
    assert parse(*versions).audited == 'refaced'
    assert parse(*versions, '-d', 'x=/x').audited == 'x'
    assert parse(*versions, '--audit', 'defaced').audited == 'defaced'


def test_reports_do_not_tell_where_versions_are_kept() -> None:
    """The name of a condition has to be there, the folders of a disk not."""
    said = shown('bids-reid', ['/a/data', '-d', 'defaced=/home/me/defaced', 'x=/y/z'])
    assert said == 'bids-reid data -d defaced=defaced x=z'


@pytest.mark.parametrize(
    'options',
    [
        [],
        ['/data'],
        ['/data', '/out'],
        ['/data', '/out', 'participant', '--no-such-option'],
        ['/data', '/out', 'participant', '--nprocs', '0'],
        ['/data', '/out', 'participant', '--nprocs', '1.5'],
        ['/data', '/out', 'participant', '--nprocs', 'all'],
        ['/data', '/out', 'participant', '--mem', '-1'],
        ['/data', '/out', 'participant', '--mem', 'nan'],
        ['/data', '/out', 'participant', '--keep', 'everything'],
        ['/data', '/out', 'participant', '--participant-label'],
        ['', '/out', 'participant'],
        ['/data', '', 'participant'],
        ['/data', '/out', 'participant', '--photos', ''],
        ['/data', '/out', 'participant', '-d', '/defaced'],
        ['/data', '/out', 'participant', '-d', 'de-faced=/defaced'],
        ['/data', '/out', 'participant', '-d', 'raw=/defaced'],
        ['/data', '/out', 'participant', '-d', 'defaced='],
        ['/data', '/out', 'participant', '-d', 'a=/b', '--derivatives', 'A=/c'],
        ['/data', '/out', 'group', '--max-risk', '5'],
        ['/data', '/out', 'group', '--max-risk', 'nan'],
        # a list of names that are not there would end with 0, as a pass does
        ['/data', '/out', 'group', '--max-findings', '0', '--extractors'],
        ['--extractors', '--max-findings', '0', '/data', '/out', 'group'],
        ['--extractors', '/data', '/out', 'group'],
    ],
)
def test_wrong_usage_ends_with_64(capsys: pytest.CaptureFixture[str], options: list[str]) -> None:
    """Otherwise a script cannot tell a typing error, or an unset variable means this folder."""
    code, said = refused(capsys, *options)
    assert code == 64
    assert '--help' in said


REFUSED = {
    'unknown extractor': ('{data} out participant --extractors x', 64, 'face_recognition'),
    'no weights': (
        '{data} out participant --extractors deepface-ArcFace --models-dir {tmp}',
        *(66, 'deepface-ArcFace.*bids-reid-models fetch'),
    ),
    # a misspelt level would do nothing and look done
    'unknown level': ('{data} out participant session', 17, "'session'"),
    'not BIDS': (
        '{tmp}/empty out participant',
        *(16, 'dataset_description.json is missing: add .*--skip-bids-validation'),
    ),
    'damaged filter': ('{data} out participant --bids-filter-file {file}', 64, '{file}'),
    'damaged plugin': ('{data} out participant --use-plugin {file}', 64, '{file}'),
    # needed after the whole search, which would be in vain
    'nothing earlier': ('{data} out participant group --against {tmp}/empty', 66, 'no results of'),
    'no earlier one': (
        '{data} {tmp}/empty participant group --against {tmp}/empty/../empty',
        *(64, '--against names output_dir'),
    ),
    'no dataset': ('{tmp}/gone out participant', 66, 'bids_dir: cannot read {tmp}/gone'),
    'no photographs': ('{data} out participant --photos /gone', 66, '--photos: cannot read /gone'),
    'no filter': (
        '{data} out participant --bids-filter-file /gone',
        66,
        '--bids-filter-file: cannot read',
    ),
    'no plugin': ('{data} out participant --use-plugin /gone', 66, '--use-plugin: cannot'),
    'no models': ('{data} out participant --models-dir /gone', 66, '/gone'),
    'no versions': ('{data} out participant -d defaced={tmp}/gone', 66, 'defaced'),
    'versions in the output': (
        '{data} {tmp}/empty participant -d x={tmp}/empty',
        73,
        'never writes',
    ),
    # a script that relies on exit code 3 must not read 0 as a pass
    'a gate of nothing': (
        '{data} out participant --max-risk 0.1',
        64,
        'at the group level: leave them',
    ),
    'an audit of nothing': ('{data} out participant --audit defaced', 64, '-d defaced=DIR'),
    'parts of none': ('{data} out participant --parts beard', 64, 'beard'),
    'consent for nothing': ('{data} out group --consent {file}', 64, 'of the --photos'),
    'reviews of nothing': (
        '{data} out participant group --reviewed {file}',
        64,
        'no column sha256',
    ),
    'breakdown by nothing': ('{data} out participant group --breakdown x', 64, 'participants.tsv'),
    'session of nobody': ('{data} out participant --session-label 9', 18, 'a session ses-9'),
    'refaced nowhere': ('{data} out participant --refaced x', 64, 'or add the group level'),
    'no release': ('{data} out participant --release {tmp}/none', 66, 'none: No such file'),
    # the system refuses too long a name as it does another user's folder, and root, too
    'closed output': ('{data} {long}/out participant', 73, 'xxx/out: File name too long'),
    'closed output, group': ('{data} {long}/out group', 73, 'xxx/out: File name too long'),
    'closed, dry run': ('{data} {long}/out participant --dry-run', 73, 'xxx/out: File name too'),
    'closed dataset': ('{long} out participant group', 66, 'xxx: File name too long'),
    'closed photographs': ('{data} out participant group --photos {long}', 66, 'xxx: File name'),
    # a night of work, and then nothing to search with
    'scans for photographs': (
        '{data} out participant group --photos {data}',
        64,
        'the dataset of',
    ),
    'scans of one': ('{data} out participant group --photos {data}/sub-01', 64, 'folder of scans'),
    'no photograph': ('{data} out participant group --photos {tmp}/empty', 64, 'no photographs'),
    'closed versions': ('{data} out participant group -d x={long}', 66, 'xxx: File name too long'),
    'unknown participant': (
        '{data} out participant --participant-label 01 9',
        *(18, 'has no sub-9: it has sub-01'),
    ),
    'no scan': ('{data} out participant --modalities T2w', 18, 'T2w|filters'),
    'no session': ('{data} out participant --session-label x', 18, 'x|filters'),
    'output below a file': ('{data} {file}/out participant', 73, '{file}/out'),
    'output is the dataset': ('{data} {data} participant', 73, 'bids_dir'),
    'output is it with dots': ('{data} {data}/sub-01/.. participant', 73, 'bids_dir'),
    'output is a link to it': ('{data} {tmp}/link participant', 73, 'bids_dir'),
    'output is another dataset': ('{data} {tmp}/other participant', 73, '{tmp}/other'),
    'work below a file': ('{data} out participant --work-dir {file}/x', 73, '{file}/x'),
    'index below a file': ('{data} out participant --bids-database-dir {file}/x', 73, '{file}/x'),
    'group level first': ('{data} out group', 66, 'participant level'),
}


@pytest.mark.usefixtures('_as_it_was')
@pytest.mark.parametrize(('line', 'code', 'words'), REFUSED.values(), ids=REFUSED)
def test_mistakes_are_named_before_any_work(
    capsys: pytest.CaptureFixture[str],
    dataset: Path,
    tmp_path: Path,
    line: str,
    code: int,
    words: str,
) -> None:
    """Otherwise hours pass before a misspelt path is noticed, or a dataset is overwritten."""
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'link').symlink_to(dataset)
    shutil.copytree(dataset, tmp_path / 'other', ignore=shutil.ignore_patterns('sub-*'))
    file = dataset / 'dataset_description.json'
    places = {'data': dataset, 'tmp': tmp_path, 'file': file, 'long': tmp_path / ('x' * 300)}
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob('*')}
    told, said = refused(capsys, *line.format(**places).split())
    assert told == code
    assert re.search(words.format(**places), said)
    assert {path: path.is_file() and path.read_bytes() for path in before} == before
    # a work folder may be below the output, which is made first
    assert set(tmp_path.rglob('*')) == set(before) or '--work-dir' in line


@pytest.mark.usefixtures('_as_it_was')
class TestRefusals:
    """What the user can mend is told in one line that names it."""

    def test_what_is_shared_may_be_raw(
        self, capsys: pytest.CaptureFixture[str], dataset: Path, tmp_path: Path
    ) -> None:
        """BIDSonym puts the originals into -d: by default the page would be about them."""
        folder = tmp_path / 'out' / 'sub-01' / 'anat'
        folder.mkdir(parents=True)
        image = next(dataset.rglob('*_T1w.nii*'))
        for name in ('', 'original'):
            uri = f'bids:{name or "raw"}:{image.relative_to(dataset)}'
            origin = Origin(name or 'raw', (uri,), file_sha256(image), {'bids_reid': __version__})
            record = scan_record('orb', condition=name or 'raw', origin=origin)
            path = folder / f'sub-01_desc-{name}skin_T1w.json'
            path.write_text(json.dumps(record.to_json()))
            path.with_suffix('.surf.gii').touch()
        options = ('group', '-d', f'original={dataset}', '--dry-run', '--audit')
        asked = [str(each) for each in (dataset, tmp_path / 'out', *options)]
        assert main([*asked, 'raw']) == 0
        capsys.readouterr()
        # without --max-risk, too, a condition that is not there is no other one's page
        code, said = refused(capsys, *asked, 'defaced')
        assert code == 18
        assert '-d defaced=DIR' in said

    def test_not_bids_may_be_skipped(
        self, capsys: pytest.CaptureFixture[str], dataset: Path
    ) -> None:
        """It goes on to the search for scans."""
        (dataset / 'dataset_description.json').unlink()
        (dataset / 'sub-01' / 'anat' / 'sub-01_T1w.nii').unlink()
        code, _ = refused(capsys, dataset, 'out', 'participant', '--skip-bids-validation')
        assert code == 18


@pytest.mark.usefixtures('_as_it_was')
def test_a_dry_run_writes_nothing(
    capsys: pytest.CaptureFixture[str], dataset: Path, tmp_path: Path
) -> None:
    """Otherwise a look at what would be done changes the disk."""
    before = sorted(tmp_path.rglob('*'))
    assert main([str(dataset), str(tmp_path / 'out'), 'participant', '--dry-run']) == 0
    assert 'sub-01_T1w.nii' in capsys.readouterr().out
    assert sorted(tmp_path.rglob('*')) == before


@pytest.mark.usefixtures('_as_it_was')
def test_a_run_that_will_disappoint_says_so_first(
    capsys: pytest.CaptureFixture[str], dataset: Path, tmp_path: Path
) -> None:
    """After a night of work it is late to learn of it."""
    inside = dataset / 'derivatives' / 'reid'
    asked = ('participant', '--dry-run', '--photos', str(tmp_path))
    assert main([str(dataset), str(inside), *asked]) == 0
    said = capsys.readouterr().out
    assert 'warning: --photos has no effect without the group level' in said
    assert 'warning: the output is inside the folder to be shared' in said
    assert main([str(dataset), str(tmp_path / 'out'), 'participant', '--dry-run']) == 0
    assert 'warning' not in capsys.readouterr().out


@pytest.mark.parametrize(
    ('number', 'file', 'code'),
    [
        (errno.EACCES, '/data/sub-01', 66),
        (errno.EACCES, b'/data/sub-01', 66),
        (errno.EACCES, '/out/sub-01', 73),
        (errno.ENOSPC, None, 73),
    ],
)
def test_a_file_that_the_system_refuses_is_one_line(
    capsys: pytest.CaptureFixture[str], number: int, file: str | bytes | None, code: int
) -> None:
    """Whatever file it is: a traceback helps nobody to mend rights or to clear a disk."""

    def run() -> Exit:
        raise OSError(number, os.strerror(number), file)

    assert guarded('bids-reid', run, written=[Path('/out')]) == code
    said = capsys.readouterr().err
    where = f'{os.fsdecode(file)}: ' if file else ''
    assert said == f'bids-reid: {where}{os.strerror(number)}\n'
    # who asks for more is told where it was
    assert guarded('bids-reid', run, written=[Path('/out')], verbose=True) == code
    assert capsys.readouterr().err.startswith('Traceback')


def test_errors_that_name_no_file_are_not_hidden() -> None:
    """What is wrong with the program itself has to be reported, with its traceback."""

    def run() -> Exit:
        raise OSError('a pipe that nobody expected')

    with pytest.raises(OSError, match='a pipe'):
        guarded('bids-reid', run)


@pytest.mark.usefixtures('_as_it_was')
class TestExtractorsOfOtherPackages:
    """Whoever installs a matcher has to see what it does to the program."""

    @pytest.fixture
    def packages(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.syspath_prepend(tmp_path / 'packages')
        return tmp_path / 'packages'

    def test_all_are_listed_without_a_dataset(
        self, capsys: pytest.CaptureFixture[str], packages: Path
    ) -> None:
        """Also one that is broken, in a line."""
        write_plugin(packages, 'acme')
        write_plugin(packages, 'cloud', package='service', uses_network=True)
        write_plugin(packages, 'broken', package='b', module='import nothing_that_there_is')
        assert main(['--extractors']) == 0
        said, complaints = capsys.readouterr()
        header, *lines = said.splitlines()
        assert header.split()[:4] == ['extractor', 'package', 'kind', 'network']
        words = {line.split()[0]: ' '.join(line.split()) for line in lines}
        assert words['orb'] == f'orb bids_reid {__version__} keypoints no yes'
        assert words['acme'] == 'acme acme-matcher 1.0 vector no yes'
        assert words['cloud'].startswith('cloud service 1.0 vector yes no: it sends images')
        assert words['broken'].startswith('broken b 1.0 n/a n/a no: b 1.0 cannot be loaded: Mod')
        assert not complaints
        assert main(['--allow-network', '--extractors']) == 0
        assert 'cloud                  service 1.0' in capsys.readouterr().out

    def test_a_folder_of_models_that_is_not_there(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code, said = refused(capsys, '--extractors', '--models-dir', '/gone')
        assert code == 66
        assert '/gone: No such file' in said

    @pytest.mark.parametrize(
        ('plugin', 'options', 'code', 'words'),
        [
            ({'uses_network': True}, '', 64, 'acme cannot run: it sends images to a network'),
            ({'module': '1 / 0'}, '', 66, 'acme-matcher 1.0 cannot be loaded: ZeroDivisionError'),
            ({'more': 'Means.dimension = 0'}, '', 66, 'does not follow the protocol: dimension'),
            ({}, '-d ac={data}', 64, 'condition ac would share file names with acme of raw'),
        ],
    )
    def test_what_cannot_run_is_a_line(
        self,
        capsys: pytest.CaptureFixture[str],
        packages: Path,
        dataset: Path,
        plugin: dict[str, Any],
        options: str,
        code: int,
        words: str,
    ) -> None:
        write_plugin(packages, 'acme', **plugin)
        if options:
            write_plugin(packages, 'me', package='another')
        asked = ('--extractors', 'acme', *options.format(data=dataset).split())
        told, said = refused(capsys, dataset, 'out', 'participant', *asked)
        assert told == code
        assert words in said

    def test_what_was_not_asked_for_stops_nobody(
        self, capsys: pytest.CaptureFixture[str], packages: Path, dataset: Path
    ) -> None:
        write_plugin(packages, 'acme', module='1 / 0')
        write_plugin(packages, 'cloud', package='service', uses_network=True)
        asked = [str(dataset), 'out', 'participant', '--dry-run']
        assert main([*asked, '--extractors', 'orb']) == 0
        assert 'acme' not in capsys.readouterr().out
        assert main(asked) == 0
        said = capsys.readouterr().out
        assert 'not run: acme: acme-matcher 1.0 cannot be loaded: ZeroDivisionError' in said
        assert 'not run: cloud: it sends images to a network' in said
        assert main([*asked, '--allow-network']) == 0
        assert ', cloud\n' in capsys.readouterr().out


PROBE = """
import sys
from {module} import main
try:
    main([{option!r}])
except SystemExit as leaving:
    assert not leaving.code, leaving.code
loaded = [name for name in {heavy!r} if name in sys.modules]
assert not loaded, loaded
"""


@pytest.mark.parametrize('module', ['bids_reid.cli', 'bids_reid.demo.command'])
@pytest.mark.parametrize('option', ['--help', '--version'])
def test_help_loads_no_science(module: str, option: str) -> None:
    """Otherwise help takes seconds, or fails where a library is broken."""
    program = PROBE.format(module=module, option=option, heavy=HEAVY)
    done = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    assert ('usage' in done.stdout) == (option == '--help')


def test_help_tells_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(['--help'])
    assert leaving.value.code == 0
    said = ' '.join(capsys.readouterr().out.split())
    for code in (
        '0 Done',
        '16 The dataset',
        '17 The level',
        '18 The filters',
        '64 Wrong',
        '73 The',
    ):
        assert code in said


def test_all_programs_are_installed() -> None:
    """Otherwise the commands of the README do not exist."""
    project = tomllib.loads((Path(__file__).parents[1] / 'pyproject.toml').read_text())
    named = project['project']['scripts']
    assert set(named) == {
        *('bids-reid', 'bids-reid-check', 'bids-reid-demo', 'bids-reid-models'),
        *('bids-reid-plan', 'bids-reid-purge'),
    }
    installed = {entry.name: entry for entry in entry_points(group='console_scripts')}
    for name, target in named.items():
        assert installed[name].value == target
        program = Path(sys.executable).with_name(name)
        done = subprocess.run([program, '--version'], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout == f'bids-reid {__version__}\n'


def test_the_module_runs_too(tmp_path: Path) -> None:
    """``python -m bids_reid`` is what containers and schedulers call; its code must come out."""
    done = subprocess.run(
        [sys.executable, '-m', 'bids_reid', tmp_path, 'out', 'both'],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 17
    assert "unknown level 'both'" in done.stderr
