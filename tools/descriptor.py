"""Write what follows from the program: the Boutiques descriptor, and the version in the images.

    python tools/descriptor.py [--check]

boutiques.json comes from the argument parser of bids-reid, so that it has each option that there
is; Dockerfile and Singularity.def get the version of the package. With ``--check`` nothing is
written, and 1 is returned if something would change.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from bids_reid import __version__
from bids_reid.arguments import Ignored, fraction, memory, whole
from bids_reid.options import DESCRIPTION, EXIT_CODES, build_parser
from bids_reid.settings import LEVELS

ROOT = Path(__file__).parent.parent
WRITTEN = ('output_dir', 'work_dir', 'database_dir')
"""Paths that need not be there; Boutiques wants each File to be."""
LEVEL_CHOICES = {'levels': list(LEVELS)}
_VERSIONS = {'Dockerfile': r'(?<=\nARG VERSION=)\S+', 'Singularity.def': r'(?<=\n    version )\S+'}


def descriptor(parser: argparse.ArgumentParser) -> dict[str, Any]:
    """Describe the command line of ``parser`` (Boutiques schema 0.5)."""
    inputs = [_input(action, parser) for action in parser._actions if _is_input(action)]
    keys = ' '.join(str(described['value-key']) for described in inputs)
    return {
        'name': 'bids_reid',
        'tool-version': __version__,
        'schema-version': '0.5',
        'description': ' '.join(DESCRIPTION.split()),
        'author': 'The bids_reid developers',
        'command-line': f'{parser.prog} {keys}',
        'container-image': {'type': 'docker', 'image': f'bids-reid:{__version__}'},
        'inputs': inputs,
        'output-files': [
            _output('report', 'Report of the group level', 'group.html'),
            _output('summary', 'Summary of the group level', 'group_summary.json'),
            _output('tables', 'Tables of the group level', 'group_*.tsv') | {'list': True},
        ],
        'error-codes': [
            {'code': code, 'description': ' '.join(meaning.split())}
            for code, meaning in EXIT_CODES.items()
            if code
        ],
        'tags': {'domain': ['neuroinformatics', 'mri', 'privacy'], 'bids-app': True},
    }


def _is_input(action: argparse.Action) -> bool:
    return action.nargs != 0 or not isinstance(
        action, argparse._HelpAction | argparse._VersionAction | Ignored
    )


def _input(action: argparse.Action, parser: argparse.ArgumentParser) -> dict[str, Any]:
    """Describe one argument or option; of its spellings the first long one is given."""
    flags = sorted(action.option_strings, key=lambda flag: not flag.startswith('--'))
    described: dict[str, Any] = {
        'id': action.dest,
        'name': flags[0].strip('-') if flags else action.dest,
        'description': ' '.join(parser._get_formatter()._expand_help(action).split()),
        'value-key': f'[{action.dest.upper()}]',
        'optional': bool(flags),
        **_type(action),
    }
    if flags:
        described['command-line-flag'] = flags[0]
    choices = action.choices or getattr(action, 'among', ()) or LEVEL_CHOICES.get(action.dest)
    if choices:
        described['value-choices'] = list(choices)
    if action.nargs in {'+', '*'}:
        described |= {'list': True, 'min-list-entries': 1 if action.nargs == '+' else 0}
    return described


NUMBERS = {whole: 'int', fraction: 'float', memory: 'float'}
"""Parsers of numbers that do not bear the name of their type."""


def _type(action: argparse.Action) -> dict[str, Any]:
    if action.nargs == 0:
        return {'type': 'Flag'}
    kind = NUMBERS.get(action.type) or getattr(action.type, '__name__', 'str')
    if kind in {'int', 'float'}:
        return {'type': 'Number', 'integer': kind == 'int'}
    is_file = kind == 'absolute' and action.dest not in WRITTEN
    return {'type': 'File' if is_file else 'String'}


def _output(name: str, title: str, path: str) -> dict[str, Any]:
    return {
        'id': name,
        'name': title,
        'path-template': f'[OUTPUT_DIR]/{path}',
        # who runs one level has no file of the other
        'optional': True,
    }


def files() -> dict[Path, str]:
    """Return the files as they should be."""
    content = json.dumps(descriptor(build_parser()), indent=2, ensure_ascii=False)
    wanted = {ROOT / 'boutiques.json': content + '\n'}
    for name, place in _VERSIONS.items():
        text, count = re.subn(place, __version__, (ROOT / name).read_text(encoding='utf-8'))
        if count != 1:
            raise ValueError(f'{name} has no place for the version')
        wanted[ROOT / name] = text
    return wanted


def main() -> int:
    """Write or check the files; return the exit code."""
    parser = argparse.ArgumentParser(description='Write boutiques.json and versions of images.')
    parser.add_argument('--check', action='store_true', help='write nothing; 1 if out of date')
    check = parser.parse_args().check
    stale = [
        path
        for path, text in files().items()
        if not path.exists() or path.read_text(encoding='utf-8') != text
    ]
    for path in stale:
        print(f'{path.name} {"is out of date" if check else "written"}')
        if not check:
            path.write_text(files()[path], encoding='utf-8')
    if check and stale:
        print('run: .venv/bin/python tools/descriptor.py', file=sys.stderr)
    return int(check and bool(stale))


if __name__ == '__main__':
    sys.exit(main())
