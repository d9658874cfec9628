"""Texts that people read are plain English: spelling, phrases, and the length of sentences.

A steward has a minute for a message, and is seldom a native speaker. Each rule here comes from a
sentence that a reader misunderstood, or had to read twice.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / 'bids_reid'
SPELLED = ('bids_reid', 'docs', 'tools', *('README.md', 'CHANGELOG.md', 'CONTRIBUTING.md'))
"""Files and folders whose spelling is checked."""
LONGEST = 25
"""Words of a sentence in captions and column dictionaries, at most."""
LONGEST_IN_MESSAGES = 30
"""Words of a part of a message: messages are written as ``file: problem: remedy``."""
AVERAGE, AVERAGE_IN_MESSAGES = 15, 10
"""Words of a sentence, or a part, on average in each file or folder."""
PHRASES = (
    r'what has none',
    r'that which',
    r'as it must\b',
    r'nobody recorded',
    r'is told in a line',
    r'could be of two',
    r'the (latter|former)\b',
    r'(is|are) taken away: ',
    r'\bit is about\b',
    r'\bare about it\b',
    r'\blook(ing)? at (it|them) yourself',
    r'\bgets? a look\b',
    r'\bgot a look\b',
    r'\band alike\b',
    r'\bdoes not lie where it does\b',
    r'\bleaves out all \d+ of\b',
    r'\bhas to be removed is removed\b',
    r'\bmakes no sense\b',
    r'\bnot as it was (left|written)\b',
    r'\bto whoever asks\b',
    r'\bis not its business\b',
    r'\bwhat its weights were\b',
    r'\bonly linkage or photographs can tell\b',
)
"""Never in a text that people read: readers did not understand them."""
IN_MESSAGES = (
    r'(?<!there )\bis no (text|proportion|photograph|method|scan|surface|number|NIfTI)\b',
    r'\btells? of\b',
    r'\bnobody knows\b',
    r'\bso that it is not known\b',
    r'\bits name says \w+-',
    r'\bstands out in it\b',
    r'\btaken for distractors\b',
)
"""Never in messages and reasons; nobody reads docstrings in a hurry."""
SENTENCE_END = re.compile(r'[.!?](?=\s|$)|\n\s*\n|\n\s*[-*|]')
PART_END = re.compile(r'[.!?:;](?=\s|$)|\n\s*\n|\n\s*[-*|]')
ABBREVIATIONS = re.compile(r'\b(e\.g|i\.e|et al|etc|vs|cf|No|Fig|D|St)\.')


class Text(NamedTuple):
    """A text and its place."""

    place: str
    words: str


def sources() -> Iterator[Path]:
    """Yield the modules of the package."""
    return (path for path in sorted(PACKAGE.rglob('*.py')) if '__pycache__' not in path.parts)


def _short(path: Path) -> str:
    return (path.relative_to(ROOT) if path.is_relative_to(ROOT) else path).as_posix()


def joined(node: ast.expr) -> str | None:
    """Return the text of a literal; a name stands for what is filled in."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        parts = (
            one.value if isinstance(one, ast.Constant) else 'X'
            for one in node.values
            if isinstance(one, ast.Constant | ast.FormattedValue)
        )
        return ''.join(map(str, parts))
    return None


def literals(path: Path, *, messages: bool) -> list[Text]:
    """Return the texts of a module: all, or those that are no docstrings and no single words."""
    return [
        text
        for text, said in parsed(path)
        if not messages or (said and len(text.words.split()) > 3)
    ]


@cache
def parsed(path: Path) -> list[tuple[Text, bool]]:
    """Return the texts of a module, and whether each is more than a docstring."""
    tree = ast.parse(path.read_text(encoding='utf-8'))
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    inside = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
        if part is not node
    }
    return [
        (Text(f'{_short(path)}:{node.lineno}', text), id(node) not in statements)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in inside
        if (text := joined(node)) is not None and ' ' in text
    ]


def entries(path: Path) -> Iterator[Text]:
    """Yield the texts in a file of JSON."""
    stack: list[tuple[str, object]] = [('', json.loads(path.read_text(encoding='utf-8')))]
    while stack:
        key, value = stack.pop()
        if isinstance(value, dict):
            stack += [(f'{key}/{name}', one) for name, one in value.items()]
        elif isinstance(value, list):
            stack += [(f'{key}/{i}', one) for i, one in enumerate(value)]
        elif isinstance(value, str) and ' ' in value:
            yield Text(f'{path.relative_to(ROOT)}{key}', value)


def pages() -> Iterator[Text]:
    """Yield the templates, and the pages that are written by hand."""
    written = [ROOT / name for name in ('README.md', 'CONTRIBUTING.md', 'SECURITY.md')]
    written += [*(ROOT / 'docs').rglob('*.md'), *PACKAGE.rglob('*.md'), *PACKAGE.rglob('*.j2')]
    for path in sorted(written):
        yield Text(_short(path), path.read_text(encoding='utf-8'))


def sentences(text: str, end: re.Pattern[str] = SENTENCE_END) -> list[list[str]]:
    """Split a text into sentences, or parts, and these into words."""
    plain = ABBREVIATIONS.sub(lambda match: match[1].replace('.', ''), text)
    plain = re.sub(r'<[^>]*>', ' ', re.sub(r'`[^`]*`', 'X', plain))
    some = (re.findall(r"[\w'%/.-]*\w[\w'%/.-]*", one) for one in end.split(plain))
    return [words for words in some if words]


def dictionaries() -> list[Path]:
    """Files of captions and of descriptions."""
    data = PACKAGE / 'data'
    return [
        data / 'captions.json',
        data / 'group_summary.schema.json',
        *sorted((data / 'columns').glob('*.json')),
    ]


def too_long(
    texts: Iterable[Text], most: int = LONGEST, end: re.Pattern[str] = SENTENCE_END
) -> list[str]:
    """Name the places of sentences that are too long."""
    return [
        f'{text.place}: {len(words)} words: {" ".join(words)}'
        for text in texts
        for words in sentences(text.words, end)
        if len(words) > most
    ]


def average(texts: Iterable[Text], end: re.Pattern[str] = SENTENCE_END) -> float:
    """Words of a sentence on average."""
    return fmean([len(words) for text in texts for words in sentences(text.words, end)] or [0])


def found_in(texts: Iterable[Text], phrases: Iterable[str]) -> list[str]:
    """Name the places of phrases."""
    banned = re.compile('|'.join(phrases), re.IGNORECASE)
    return [
        f'{text.place}: {match[0]}'
        for text in texts
        for match in banned.finditer(' '.join(text.words.split()))
    ]


def test_words_are_spelled_right() -> None:
    """A misspelt option or column is searched for in vain."""
    if importlib.util.find_spec('codespell_lib') is None:
        assert os.environ.get('CI') != 'true', 'codespell is missing: it is in the dev group'
        pytest.skip('codespell is not installed')
    done = subprocess.run(
        [sys.executable, '-m', 'codespell_lib', *SPELLED],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_phrases_that_nobody_understands_do_not_come_back() -> None:
    """`what has none, or could be of two, is told in a line` was in the help of an option."""
    texts = [text for path in sources() for text in literals(path, messages=False)]
    texts += [text for path in PACKAGE.rglob('*.json') for text in entries(path)]
    texts += pages()
    assert len(texts) > 1000
    assert found_in(texts, PHRASES) == []


def test_messages_name_the_thing_and_the_remedy() -> None:
    """`its name says sub-02, its folder sub-01` leaves open whose name."""
    texts = [text for path in sources() for text in literals(path, messages=True)]
    assert len(texts) > 500
    assert found_in(texts, IN_MESSAGES) == []


@pytest.mark.parametrize(
    'sentence',
    [
        'what has none, or could be of two, is told in a line, the latter as a failed row',
        'rates of an earlier run are taken away: without --photos there are none',
        'NOT as it must',
        'nobody recorded what its weights were: do so with bids-reid-models fetch',
        'which condition is to be shared: page, sentences and --max-risk are about it',
        'filters.json: T1w: leaves out all 2 of 2 images',
        'a face is there; only linkage or photographs can tell whose',
        'its name says sub-02, its folder sub-01',
        't.tsv is no text: a table has to be a TSV',
        'the header tells of 4.1 GB of numbers',
    ],
)
def test_sentences_that_readers_did_not_understand_are_found(sentence: str) -> None:
    """A pattern with a slip forbids nothing."""
    assert found_in([Text('x', sentence)], [*PHRASES, *IN_MESSAGES])


@pytest.mark.parametrize('path', dictionaries(), ids=lambda path: path.name)
def test_sentences_about_columns_and_figures_are_short(path: Path) -> None:
    """Whoever opens a table on another day has only these words."""
    texts = list(entries(path))
    assert too_long(texts) == []
    assert average(texts) <= AVERAGE


@pytest.mark.parametrize(
    'folder', sorted({path.parent for path in sources()}), ids=lambda path: path.name
)
def test_sentences_of_messages_are_short(folder: Path) -> None:
    """A message is read once, in a hurry, often on a narrow terminal."""
    paths = [path for path in sources() if path.parent == folder]
    texts = [text for path in paths for text in literals(path, messages=True)]
    assert too_long(texts, LONGEST_IN_MESSAGES, PART_END) == []
    assert average(texts, PART_END) <= AVERAGE_IN_MESSAGES


@pytest.mark.parametrize(
    ('text', 'lengths', 'parts'),
    [
        ('The image shows a face.', [5], [5]),
        ('cannot read X: it ends early; run again', [8], [3, 3, 2]),
        ('VGG-Face (Parkhi et al., 2015), 12.5 mm', [7], [7]),
        ('Use `a b c d` or <b>this</b>. Or not.', [4, 2], [4, 2]),
        ('', [], []),
    ],
)
def test_sentences_are_counted_as_people_read_them(
    text: str, lengths: list[int], parts: list[int]
) -> None:
    """A measure that splits wrongly passes everything."""
    assert [len(words) for words in sentences(text)] == lengths
    assert [len(words) for words in sentences(text, PART_END)] == parts


def test_a_long_sentence_and_a_phrase_are_found(tmp_path: Path) -> None:
    """The measures must be able to fail."""
    assert too_long([Text('x', 'word ' * LONGEST)]) == []
    assert len(too_long([Text('x', 'word ' * (LONGEST + 1))])) == 1
    module = tmp_path / 'bids_reid' / 'some.py'
    module.parent.mkdir()
    module.write_text(
        '"""It is about a file, which tells of it."""\n'
        'x = f"{y} is no text: it tells of\\n{z} now"\n'
    )
    texts = list(literals(module, messages=False))
    assert len(found_in(texts, PHRASES)) == 1
    said = list(literals(module, messages=True))
    assert [text.words for text in said] == ['X is no text: it tells of\nX now']
    assert len(found_in(said, IN_MESSAGES)) == 2
