"""Programs run, or say in a line why not, wherever containers and schedulers start them."""

from __future__ import annotations

import os
import resource
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bids_reid import surroundings
from bids_reid.surroundings import MemoryLimit, memory_limit

PROGRAMS = {
    'bids-reid': ('bids_reid.cli', '{data} {out} participant --dry-run', 0),
    'bids-reid of nothing': ('bids_reid.cli', '/nowhere {out} participant', 66),
    'bids-reid without a word': ('bids_reid.cli', '', 64),
    'bids-reid --extractors': ('bids_reid.cli', '--extractors', 0),
    'bids-reid-check': ('bids_reid.check', '{data} {data}', 66),
    'bids-reid-plan': ('bids_reid.plan', '--max-risk 5% --attacks 3', 0),
    'bids-reid-models': ('bids_reid.models', 'list', 0),
    'bids-reid-purge': ('bids_reid.purge', '/nowhere', 66),
    'bids-reid-demo': ('bids_reid.demo.command', '{data} --people 0', 64),
}
NO_ACCOUNT = """
import os, pwd, sys
os.environ.pop('HOME', None)

def nobody(*_):
    raise KeyError('getpwuid(): uid not found')

pwd.getpwuid = pwd.getpwnam = nobody
"""
HOMELESS = ('HOME', 'LOGNAME', 'USER', 'LNAME', 'USERNAME', 'XDG_DATA_HOME', 'BIDS_REID_MODELS')


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A dataset with one scan, in a folder whose name has a letter beyond ASCII."""
    folder = tmp_path / 'datü'
    (folder / 'sub-01' / 'anat').mkdir(parents=True)
    (folder / 'dataset_description.json').write_text('{"Name": "x", "BIDSVersion": "1.10.0"}')
    (folder / 'sub-01' / 'anat' / 'sub-01_T1w.nii').write_bytes(b'12345678')
    return folder


def each(*names: str) -> list[Any]:
    """Programs of those names; those that import the libraries first are slow."""
    heavy = ('bids-reid', 'bids-reid of nothing')
    return [pytest.param(one, marks=pytest.mark.slow) if one in heavy else one for one in names]


def command(name: str, data: Path, before: str = '') -> tuple[list[str], int]:
    """Return a program's command, after other code, and its exit code."""
    module, words, code = PROGRAMS[name]
    given = words.format(data=data, out=data.parent / 'out').split()
    program = f'{before}\nimport sys\nfrom {module} import main\nsys.exit(main())'
    return [sys.executable, '-c', program, *given], code


@pytest.mark.parametrize('name', each(*PROGRAMS))
def test_nobody_without_a_home_gets_a_traceback(data: Path, name: str) -> None:
    """Containers run as a number that no table of users has, and schedulers drop HOME."""
    words, code = command(name, data, NO_ACCOUNT)
    environment = {key: value for key, value in os.environ.items() if key not in HOMELESS}
    environment['TMPDIR'] = str(data.parent)
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, 'Traceback' in done.stderr) == (code, False), done.stderr
    # what was made for it is gone
    assert not list(data.parent.glob('bids_reid_home_*'))


def test_models_are_not_kept_in_a_home_that_is_thrown_away(data: Path) -> None:
    """Hundreds of megabytes would be fetched for nothing."""
    program = f'{NO_ACCOUNT}\nfrom bids_reid.models import main\nsys.exit(main())'
    environment = {key: value for key, value in os.environ.items() if key not in HOMELESS}
    done = subprocess.run(
        [sys.executable, '-c', program, 'fetch', 'ArcFace'],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 64
    assert done.stderr.startswith('bids-reid-models: this account has no home folder')
    assert 'set HOME or BIDS_REID_MODELS' in done.stderr


def test_a_home_that_is_there_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.delenv(surroundings.TEMPORARY_HOME, raising=False)
    surroundings.prepare_surroundings(is_program=True)
    assert os.environ['HOME'] == str(tmp_path)
    assert surroundings.has_home()


def test_a_home_of_nobody_is_one_line(data: Path) -> None:
    """A shell leaves ~name as it is if there is no such account."""
    words = [sys.executable, '-m', 'bids_reid', '~nobody_of_that_name/x', str(data), 'group']
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 64
    assert done.stderr.count('\n') == 1
    assert "there is no home folder for '~nobody_of_that_name/x'" in done.stderr


@pytest.mark.parametrize('closed', ['2>&-', '>&-', '<&- >&- 2>&-'])
@pytest.mark.parametrize('name', each('bids-reid', 'bids-reid of nothing', 'bids-reid-plan'))
def test_closed_streams_change_no_exit_code(data: Path, name: str, closed: str) -> None:
    """Services close them; what the exit code says is all that they hear."""
    words, code = command(name, data)
    done = subprocess.run(
        ['bash', '-c', f'{shlex.join(words)} {closed}'],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert 'Traceback' not in done.stdout + done.stderr


def test_no_file_takes_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    """What a library of C complains about would be written into a result."""
    program = (
        'import os, sys\n'
        'from bids_reid.surroundings import prepare_surroundings\n'
        'prepare_surroundings(is_program=True)\n'
        'file = open(sys.argv[1], "w")\n'
        'os.write(2, b"complaint")\n'
        'os.write(1, b"more")\n'
        'print("x", file=sys.stderr)\n'
        'file.close()\n'
    )
    words = shlex.join([sys.executable, '-c', program, str(tmp_path / 'x')])
    subprocess.run(['bash', '-c', f'{words} >&- 2>&-'], check=True)
    assert (tmp_path / 'x').read_text() == ''


def test_workers_inherit_streams_that_were_closed(tmp_path: Path) -> None:
    """Each scan of a service failed, as if memory were short."""
    program = (
        'import subprocess, sys\n'
        'from bids_reid.surroundings import prepare_surroundings\n'
        'prepare_surroundings(is_program=True)\n'
        'worker = "import os, sys; [os.fstat(number) for number in (0, 1, 2)]"\n'
        'done = subprocess.run([sys.executable, "-c", worker])\n'
        'sys.exit(done.returncode)\n'
    )
    words = shlex.join([sys.executable, '-c', program])
    for closed in ('2>&-', '<&- >&- 2>&-'):
        subprocess.run(['bash', '-c', f'{words} {closed}'], check=True)


@pytest.mark.parametrize('name', each('bids-reid of nothing', 'bids-reid without a word'))
def test_a_full_standard_error_changes_no_exit_code(data: Path, name: str) -> None:
    words, code = command(name, data)
    with Path('/dev/full').open('w') as full:
        assert subprocess.run(words, stderr=full, check=False).returncode == code


@pytest.mark.parametrize('name', each('bids-reid', 'bids-reid-plan', 'bids-reid-models'))
def test_a_full_standard_output_is_told(data: Path, name: str) -> None:
    """Python would end with 120, and a message about itself."""
    words, _ = command(name, data)
    with Path('/dev/full').open('w') as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 73
    assert done.stderr == f'{name}: No space left on device\n'


@pytest.mark.slow
@pytest.mark.parametrize(
    'given',
    [
        {'PYTHONIOENCODING': 'ascii'},
        {'LC_ALL': 'C', 'PYTHONUTF8': '0'},
        {'LC_ALL': 'C', 'PYTHONUTF8': '0', 'PYTHONCOERCECLOCALE': '0'},
    ],
)
def test_names_beyond_ascii_are_escaped_for_a_terminal_that_lacks_them(
    data: Path, given: dict[str, str]
) -> None:
    """One umlaut in a path was a traceback on a cluster's nodes."""
    environment = os.environ | given
    words = [sys.executable, '-m', 'bids_reid', str(data), str(data.parent / 'öut'), 'participant']
    done = subprocess.run(
        [*words, '--dry-run'], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert r'dat\xfc/sub-01/anat/sub-01_T1w.nii' in done.stdout
    words[3] += '2'
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count('\n')) == (66, 1)
    assert r'dat\xfc2' in done.stderr


def test_too_strict_a_limit_of_memory_is_told_before_anything_hangs(data: Path) -> None:
    """Below it, libraries end the process without a word, or wait for ever."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (300_000_000, 300_000_000))

    words, _ = command('bids-reid', data)
    done = subprocess.run(
        words, preexec_fn=limit, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 73
    assert done.stderr == (
        'bids-reid: not enough memory: the limit is 0.3 GB (ulimit -v): raise it, or lower '
        '--nprocs\n'
    )


@pytest.mark.parametrize(
    ('line', 'file'),
    [
        ('0::/job/1', 'job/1/memory.max'),
        ('4:memory:/job/1', 'memory/job/1/memory.limit_in_bytes'),
        # a container sees its own group at the top
        ('0::/job/1', 'memory.max'),
        ('4:memory:/job/1', 'memory/memory.limit_in_bytes'),
    ],
)
def test_limits_of_control_groups_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, file: str
) -> None:
    """Both versions of them are in use."""
    own = tmp_path / 'cgroup'
    own.write_text(f'1:cpu:/else\n{line}\n')
    groups = tmp_path / 'groups'
    (groups / file).parent.mkdir(parents=True)
    (groups / file).write_text('2000000000\n')
    monkeypatch.setattr(surroundings, '_CGROUPS', groups)
    monkeypatch.setattr(surroundings, '_OWN_GROUPS', own)
    monkeypatch.setattr(resource, 'getrlimit', lambda _: (resource.RLIM_INFINITY,) * 2)
    assert memory_limit() == MemoryLimit(2 * 10**9, 'the control group or container', False)
    (groups / file).write_text('max\n' if 'max' in file else f'{2**63 - 4096}\n')
    assert memory_limit() is None


@pytest.mark.slow
def test_a_name_cannot_write_on_the_terminal(tmp_path: Path) -> None:
    """A file's name may clear the screen, or look like a line of the program's own."""
    name = 'x\n\x1b[2JFINE'
    words = [sys.executable, '-m', 'bids_reid', str(tmp_path / name), str(tmp_path), 'group']
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 66
    assert r'x\n\x1b[2JFINE' in done.stderr
    assert done.stderr.count('\n') == 1


def test_neither_home_nor_temporary_folder_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Programs that need none of them run; others say what they lack."""
    monkeypatch.setenv('HOME', str(tmp_path / 'gone'))
    monkeypatch.delenv(surroundings.TEMPORARY_HOME, raising=False)

    def refuses(**_: str) -> str:
        raise FileNotFoundError(2, 'No usable temporary directory found')

    monkeypatch.setattr('tempfile.mkdtemp', refuses)
    surroundings.prepare_surroundings(is_program=False)
    assert surroundings.has_home()
