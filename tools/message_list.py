"""The messages of the program, read from its code, for the documentation.

A list written by hand would be out of date with the first message that changes.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bids_reid import errors
from bids_reid.errors import ReidError

PACKAGE = Path(errors.__file__).parent
LOGGED = {'info', 'warning', 'error'}
SAID = {'say', 'complain', 'Line'}
REASONS = (
    *('risk/presence.py', 'risk/gate.py', 'risk/refacing.py', 'group/account.py'),
    *('group/refaced.py', 'group/selection.py', 'participant/looks.py', 'bids/examine.py'),
)
"""Modules whose sentences are reasons in the tables, not messages of their own."""
FEWEST_WORDS = 3
REASON = 'A reason in the tables and on the pages.'


@dataclass(frozen=True, slots=True, order=True)
class Message:
    """A message with ``<names>`` where it differs, and the effect of the case that it tells."""

    text: str
    effect: str

    @property
    def key(self) -> str:
        """The text as people look for it: from its first fixed word on, in lower case."""
        words = [word for word in self.text.split() if '<' not in word and word.strip('-:.,')]
        return ' '.join(words).lower()


def messages() -> list[Message]:
    """Return all messages, each once, in the order of the alphabet."""
    effects: dict[str, str] = {}
    for path in sorted(PACKAGE.rglob('*.py')):
        for message in _of_module(path, path.relative_to(PACKAGE).as_posix()):
            # a module of reasons may raise one of its sentences: that says more
            if effects.get(message.text, REASON) == REASON:
                effects[message.text] = message.effect
    found = itertools.starmap(Message, effects.items())
    return sorted(found, key=lambda message: (message.key, message))


def _of_module(path: Path, name: str) -> Iterator[Message]:
    tree = ast.parse(path.read_text(encoding='utf-8'))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            effect = _effect(node.func)
            text = _text(node.args[-1] if _name(node.func) == 'complain' else node.args[0])
            if effect and text and _is_sentence(text):
                yield Message(text, effect)
    if name in REASONS:
        for text in _sentences(tree):
            yield Message(text, REASON)


def _effect(function: ast.expr) -> str | None:
    """Say what happens besides the message; ``None`` if the call is none."""
    name = _name(function)
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, ReidError):
        if kind in {errors.ScanError, errors.PhotoError}:
            return 'The reason why one image has no result; the others go on.'
        if kind is errors.ExtractorError:
            return 'An extractor of another package failed.'
        return f'Ends the program with exit code {int(kind.exit_code)}.'
    if isinstance(function, ast.Attribute) and name in LOGGED:
        is_ours = isinstance(function.value, ast.Name) and function.value.id == 'logger'
        return 'A line of the run; it goes on.' if is_ours else None
    return 'A line of the program.' if name in SAID else None


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ''


def _text(node: ast.expr) -> str | None:
    """Return a text of the code; what is put into it becomes ``<name>``."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return ''.join(map(_part, node.values))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        sides = [_text(side) or _placeholder(side) for side in (node.left, node.right)]
        return ''.join(sides)
    return None


def _part(node: ast.expr) -> str:
    if isinstance(node, ast.FormattedValue):
        return _placeholder(node.value)
    return _text(node) or ''


def _placeholder(node: ast.expr) -> str:
    """Name a value by the last name in the expression that makes it."""
    names = [
        part.attr if isinstance(part, ast.Attribute) else part.id
        for part in ast.walk(node)
        if isinstance(part, ast.Attribute | ast.Name)
    ]
    own = [name.strip('_') for name in names if name not in {'words', 'self', 'count', 'join'}]
    return f'<{(own or ["value"])[0].lower().replace("_", " ")}>'


def _sentences(tree: ast.Module) -> Iterator[str]:
    """Return the texts of a module that are words for people, without its docstrings."""
    skipped = {id(node) for node in _docstrings(tree)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in ast.walk(node)}
        text = _text(node) if isinstance(node, ast.Constant | ast.JoinedStr) else None
        if text and _is_sentence(text):
            yield text.strip()


def _docstrings(tree: ast.Module) -> Iterator[ast.expr]:
    """Find the texts that stand alone: docstrings, of constants, too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value


def _is_sentence(text: str) -> bool:
    return sum(word.isalpha() for word in text.replace(',', ' ').split()) >= FEWEST_WORDS
