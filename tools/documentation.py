"""Pages of the documentation that are made from the code: a hook of MkDocs.

``mkdocs build --strict`` calls `on_files`. The pages are options (from the parsers), columns (from
the dictionaries of the tables), messages, the Python API (from its docstrings) and notebooks.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import re
from enum import IntEnum
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import message_list

import bids_reid
from bids_reid.bids.tables import columns
from bids_reid.errors import Exit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

PROGRAMS = (
    'bids_reid.cli',
    'bids_reid.demo.command',
    'bids_reid.check',
    'bids_reid.plan',
    'bids_reid.models',
    'bids_reid.purge',
)
EXITS = {
    Exit.OK: 'Done. A scan without a face is a result, not a failure.',
    Exit.SOME_FAILED: 'Done, but some scans failed, or keep the results of an earlier run. '
    'The reasons are in `group_images.tsv` and on the pages.',
    Exit.RISK: 'Done. A limit was given, and the outcome is not *nothing found*; or a file of the '
    'release has no verdict that passed (`bids-reid-check`).',
    Exit.NOT_BIDS: 'The folder is not a BIDS dataset.',
    Exit.UNKNOWN_LEVEL: 'The level is neither `participant` nor `group`.',
    Exit.NOTHING_SELECTED: 'The filters select no image.',
    Exit.USAGE: 'The command line is wrong.',
    Exit.NO_INPUT: 'A file or folder is missing, or an extractor cannot run.',
    Exit.MACHINE: 'The machine refuses something: disk, permission, memory, a library, or another '
    'run writes to the same folder. Nothing that is done is lost.',
}
SIGNALS = {
    129: 'Stopped by SIGHUP.',
    130: 'Stopped by Ctrl-C.',
    143: 'Stopped by SIGTERM, as of `scancel` or `docker stop`. The same command resumes the run.',
}

MARKS = {
    'FAILED': 'A scan has no result. Its row has the reason. The other scans go on.',
    'NOT DONE': 'A scan keeps the result of an earlier run, as this run could not finish it.',
    'NOT ASSESSED': 'An image could not be judged: look at it yourself.',
    'NOT READ': 'A photograph could not be opened, and is in no count.',
    'not run': 'An extractor did not run. The line says why, and how to change that.',
    'found': 'A finding: the reason for *do not share*.',
    'not known': 'A gap: a reason for *look first*.',
    'besides': 'A remark that does not change the outcome.',
    'next': 'The next step.',
}
"""Words at the beginning of a line of the terminal, and what they tell."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made from the code; called by MkDocs."""
    from mkdocs.structure.files import File

    made = {
        'options.md': options_page(),
        'columns.md': columns_page(),
        'messages.md': messages_page(),
        'reference.md': reference_page(),
    }
    for path in sorted(Path(config.docs_dir).glob('*.ipynb')):
        made[path.with_suffix('.md').name] = notebook_page(path)
    for name, content in made.items():
        files.append(File.generated(config, name, content=content))
    return files


def options_page() -> str:
    """Describe all programs, options and exit codes, from their parsers."""
    lines = ['# Options', '', 'Made from `--help` of each program.', '']
    for module in PROGRAMS:
        lines += _program(importlib.import_module(module).build_parser())
    lines += ['## Exit codes', '', '| code | meaning |', '|---:|---|']
    lines += [f'| {int(code)} | {meaning} |' for code, meaning in EXITS.items()]
    lines += [f'| {code} | {meaning} |' for code, meaning in SIGNALS.items()]
    return '\n'.join(lines) + '\n'


def _program(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Describe one program."""
    usage = re.sub(r'\s+', ' ', parser.format_usage().removeprefix('usage: ')).strip()
    yield from (f'## {parser.prog}', '', *_cells(parser.description), '')
    if len(usage) < 200:
        yield from ('```text', usage, '```', '')
    for group in parser._action_groups:
        actions = [action for action in group._group_actions if action.help != argparse.SUPPRESS]
        own = [action for action in actions if not isinstance(action, argparse._HelpAction)]
        if not own:
            continue
        title = str(group.title)
        if title not in {'positional arguments', 'options'}:
            yield from (f'### {title[:1].upper()}{title[1:]}', '')
        yield from ('| option | meaning |', '|---|---|')
        for action in own:
            yield f'| {_names(action)} | {" ".join(_cells(_help(parser, action)))} |'
        yield ''
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in dict.fromkeys(action.choices.values()):
                yield from _program(sub)


def _names(action: argparse.Action) -> str:
    """Write the spellings of an option, and its value."""
    if not action.option_strings:
        return f'`{action.metavar or action.dest}`'
    value = '' if action.nargs == 0 else f' {_value(action)}'
    return '<br>'.join(f'`{name}{value if not place else ""}`' for place, name in _spelled(action))


def _spelled(action: argparse.Action) -> list[tuple[int, str]]:
    """Number the spellings, without those that differ in underscores only."""
    names = [name for name in action.option_strings if '_' not in name]
    return list(enumerate(sorted(names, key=lambda name: not name.startswith('--'))))


def _value(action: argparse.Action) -> str:
    if action.metavar:
        name = action.metavar if isinstance(action.metavar, str) else ' '.join(action.metavar)
    elif action.choices:
        name = '{' + ','.join(map(str, action.choices)) + '}'
    else:
        name = action.dest.upper()
    return f'{name} ...' if action.nargs in {'+', '*'} else name


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    """Return the help of an option as the program prints it."""
    formatter = parser._get_formatter()
    return formatter._expand_help(action) if action.help else ''


def _cells(text: str | None) -> list[str]:
    """Make text safe in a table of Markdown."""
    lines = (text or '').split('\n')
    return [escape(line, quote=False).replace('|', '\\|') for line in lines if line]


def columns_page() -> str:
    """Describe the columns of all tables, from the dictionaries that stand beside them."""
    folder = files('bids_reid') / 'data' / 'columns'
    kinds = sorted(path.name.removesuffix('.json') for path in folder.iterdir())
    lines = ['# Tables and columns', '']
    lines += ['The JSON file beside each table holds the same descriptions.', '']
    for kind in kinds:
        if kind == 'shared':
            continue
        name = f'{kind}.tsv' if kind.startswith('group_') else f'`*_desc-{kind}_*.tsv`'
        lines += [f'## {name}', '', '| column | meaning |', '|---|---|']
        lines += [f'| `{column}` | {_column(entry)} |' for column, entry in columns(kind).items()]
        lines.append('')
    return '\n'.join(lines)


def _column(entry: dict[str, Any]) -> str:
    """Write the entry of a column as a cell."""
    parts = [_cell(entry.get('Description', ''))]
    if entry.get('Units'):
        parts.append(f'Unit: {_cell(str(entry["Units"]))}.')
    levels = entry.get('Levels', {})
    parts += [f'<br>`{level}`: {_cell(str(meaning))}' for level, meaning in levels.items()]
    return ' '.join(parts)


def _cell(text: str) -> str:
    return ' '.join(_cells(text.replace('\n', ' ')))


def messages_page() -> str:
    """List every message, with the effect of the case."""
    lines = [
        '# Messages from A to Z',
        '',
        'Words in `<angle brackets>` stand for a name or a number. Look for the first fixed words '
        'of your message, or use the search above.',
        '',
        '## Words at the beginning of a line',
        '',
        '| word | meaning |',
        '|---|---|',
        *(f'| `{word}` | {meaning} |' for word, meaning in MARKS.items()),
        '',
    ]
    letter = ''
    for message in message_list.messages():
        first = message.key[:1].upper()
        if first.isalpha() and first != letter:
            letter = first
            lines += [f'## {letter}', '']
        lines += [f'`{message.text.replace("`", "")}`', f':   {message.effect}', '']
    return '\n'.join(lines)


def reference_page() -> str:
    """Describe the functions and classes of the Python API, from their docstrings."""
    lines = ['# Python reference', '', 'See [the notebook](notebook.md) for these at work.', '']
    for name in bids_reid.__all__:
        value = getattr(bids_reid, name)
        if callable(value):
            lines += _documented(f'bids_reid.{name}', value)
    return '\n'.join(lines)


def _documented(name: str, value: Any) -> Iterator[str]:
    """Write the signature of a function, and the docstring of it or of a class."""
    yield from (f'## {name}', '')
    if inspect.isfunction(value):
        parameters = inspect.signature(value, eval_str=False)
        inside = [f'    {one},' for one in map(str, parameters.parameters.values())]
        returned = f' -> {parameters.return_annotation}'
        text = '\n'.join([f'{name}(', *inside, f'){returned}']).replace("'", '')
        yield from ('```python', text, '```', '')
    yield from _sections(inspect.getdoc(value) or '')
    if inspect.isclass(value) and issubclass(value, IntEnum):
        yield from ('', '| name | code | meaning |', '|---|---:|---|')
        yield from (f'| `{one.name}` | {int(one)} | {EXITS[one]} |' for one in value)
        yield ''


def _sections(docstring: str) -> Iterator[str]:
    """Turn a docstring in numpy's style into Markdown."""
    lines, in_list = docstring.split('\n'), False
    for place, line in enumerate(lines):
        following = lines[place + 1] if place + 1 < len(lines) else ''
        if line and set(line) == {'-'}:
            continue
        if following and set(following) == {'-'}:
            in_list = line in {'Parameters', 'Attributes', 'Raises', 'Returns', 'Yields'}
            yield from (f'**{line}**', '')
        elif in_list and line and not line.startswith(' '):
            yield from ('', f'`{line}`')
        elif in_list and line.startswith('    '):
            opens = bool(lines[place - 1]) and not lines[place - 1].startswith(' ')
            yield f':   {_code(line.strip())}' if opens else f'    {_code(line.strip())}'
        else:
            yield _code(line)


def _code(line: str) -> str:
    """Turn reStructuredText's marks of code into Markdown's."""
    return line.replace('``', '`')


def notebook_page(path: Path) -> str:
    """Turn a notebook with its stored outputs into Markdown."""
    lines = []
    for cell in json.loads(path.read_text(encoding='utf-8'))['cells']:
        source = ''.join(cell['source'])
        if cell['cell_type'] == 'markdown':
            lines += [source, '']
            continue
        lines += ['```python', source, '```', '']
        printed = ''.join(map(_output, cell['outputs']))
        if printed:
            lines += ['```text', printed.rstrip('\n'), '```', '']
    return '\n'.join(lines)


def _output(output: dict[str, Any]) -> str:
    text = output['text'] if 'text' in output else output['data']['text/plain']
    return ''.join(text) + ('' if 'text' in output else '\n')
