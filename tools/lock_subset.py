"""Print the part of requirements.lock that some packages need, hashes and all.

    python3 tools/lock_subset.py [--lock FILE] [PACKAGE ...]

Without a PACKAGE: what bids_reid needs when it runs, without the development group. The lock's
``# via`` comments tell who asked for what, so that nothing is resolved again and no network is
needed. Runs on a bare Python: images are built with it.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import dataclass
from pathlib import Path

PROJECT = 'bids-reid (pyproject.toml)'
"""How the lock names the project itself; what the development group asks for is named apart."""
_START = re.compile(r'(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==')
_VIA = re.compile(r'\s+# (?:via)?\s*(?P<who>.*)')


@dataclass(frozen=True)
class Pin:
    """One package of the lock: its lines, and who asked for it."""

    name: str
    lines: tuple[str, ...]
    asked_by: frozenset[str]


def read_lock(text: str) -> list[Pin]:
    """Read the lock; comments end an entry.

    Raises
    ------
    ValueError
        A package has no ``# via``: the lock was made with ``--no-annotate``.
    """
    blocks: list[list[str]] = []
    for line in text.splitlines():
        if _START.match(line):
            blocks.append([])
        if blocks:
            blocks[-1].append(line)
    return [_read_pin(block) for block in blocks]


def _read_pin(block: list[str]) -> Pin:
    start = _START.match(block[0])
    name = start['name'] if start else ''
    asked = {found['who'] for line in block if (found := _VIA.fullmatch(line)) and found['who']}
    if not asked:
        raise ValueError(f'nothing tells who asked for {name}')
    lines = tuple(line for line in block if '# ' not in line[:6])
    return Pin(name, lines, frozenset(asked))


def subset(pins: list[Pin], roots: set[str]) -> list[Pin]:
    """Return the pins that ``roots`` are or, through others, asked for; in the lock's order.

    Raises
    ------
    ValueError
        A root is neither in the lock nor asked for anything there.
    """
    unknown = roots - {pin.name for pin in pins} - {who for pin in pins for who in pin.asked_by}
    if unknown:
        raise ValueError(f'not in the lock: {", ".join(sorted(unknown))}')
    wanted, size = set(roots), 0
    while len(wanted) > size:
        size = len(wanted)
        wanted |= {pin.name for pin in pins if pin.asked_by & wanted}
    return [pin for pin in pins if pin.name in wanted]


def main() -> int:
    """Print the subset; return the exit code."""
    parser = argparse.ArgumentParser(description='Print what some packages need of the lock.')
    parser.add_argument('packages', nargs='*', metavar='PACKAGE')
    parser.add_argument(
        '--lock', type=Path, default=Path(__file__).parent.parent / 'requirements.lock'
    )
    options = parser.parse_args()
    try:
        pins = read_lock(options.lock.read_text(encoding='utf-8'))
        chosen = subset(pins, set(options.packages) or {PROJECT})
    except (OSError, ValueError) as error:
        print(f'lock_subset: {error}', file=sys.stderr)
        return 1
    print('\n'.join(line for pin in chosen for line in pin.lines))
    return 0


if __name__ == '__main__':
    sys.exit(main())
