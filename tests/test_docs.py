"""README and docs say what the program does: options, numbers of people, files and links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from bids_reid.errors import Exit
from bids_reid.plan import main as plan
from bids_reid.records import IDENTIFYING, PART_NAMES
from bids_reid.risk.planning import people_needed

ROOT = Path(__file__).parents[1]
README = ROOT / 'README.md'
PAGES = sorted((ROOT / 'docs').glob('*.md'))
OF_PROGRAMS = [page for page in (README, *PAGES) if page.name != 'promises.md']
"""The other page has options of benchmarks."""
PROGRAMS = ('cli', 'check', 'plan', 'models', 'purge', 'demo.command')
OTHERS = frozenset(
    {
        # of Docker, Apptainer, pip, apt-get, git, DataLad, OpenNeuro and Slurm
        *('--rm', '--network', '--read-only', '--tmpfs', '--user', '--containall', '--no-home'),
        *('--net', '--no-deps', '--no-build-isolation', '--no-install-recommends', '--output'),
        *('--affirmDefaced', '--to', '--not', '--remotes', '--all', '--prefix', '--array'),
        *('--cpus-per-task', '--mem', '--time', '--if-possible', '--dist', '--check'),
        '--help',
    }
)


def read(page: Path) -> str:
    return page.read_text('utf-8')


def known_options() -> set[str]:
    parsers = [import_module(f'bids_reid.{name}').build_parser() for name in PROGRAMS]
    return {name for one in parsers for action in one._actions for name in action.option_strings}


@pytest.mark.parametrize('page', OF_PROGRAMS, ids=lambda page: page.name)
def test_options_in_the_text_are_there(page: Path) -> None:
    """Whoever copies one that was renamed gets an error."""
    named = set(re.findall(r'(?<![\w-])--[a-z][\w-]+', read(page)))
    assert named - known_options() - OTHERS == set()


def test_readme_is_short_and_its_links_lead_somewhere() -> None:
    text = read(README)
    assert len(text.split()) <= 700
    links = re.findall(r'\]\((?!http)([^)#]+)', text)
    assert len(links) > 12
    # the picture is made from the demo's page
    missing = {link for link in links if not (ROOT / link).exists()}
    assert missing <= {'docs/images/demo-group.png'}


def planned_rows() -> Iterator[tuple[float, list[tuple[int, int]]]]:
    text = read(ROOT / 'docs' / 'choosing-a-risk.md')
    for line in re.findall(r'^\| (\d+%.*) \|$', text, re.MULTILINE):
        limit, *cells = line.split(' | ')
        pairs = [tuple(map(int, cell.split(' / '))) for cell in cells]
        yield int(limit.rstrip('%')) / 100, [(first, second) for first, second in pairs]


def test_numbers_of_people_are_those_of_the_program() -> None:
    """A study that is planned by the page must be able to pass."""
    rows = list(planned_rows())
    assert [limit for limit, _ in rows] == [0.02, 0.05, 0.1, 0.2]
    for limit, cells in rows:
        for n_attacks, cell in zip((1, 5, 15), cells, strict=True):
            needed = tuple(people_needed(limit, n_attacks, power=power) for power in (0.8, 0.95))
            assert cell == needed, (limit, n_attacks)


def test_output_of_the_plan_is_that_of_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody who compares the two would not know which one to trust."""
    assert plan(['--max-risk', '5%', '--attacks', '5']) == Exit.OK
    assert f'```text\n{capsys.readouterr().out}```' in read(ROOT / 'docs' / 'choosing-a-risk.md')


def test_parts_that_have_to_be_removed_are_named() -> None:
    """A steward relies on the list of parts; by default ears may stay."""
    text = ' '.join(read(ROOT / 'docs' / 'audit.md').split())
    *most, last = PART_NAMES
    assert f'{", ".join(most)} and {last}' in text
    *most, last = IDENTIFYING
    assert f'{", ".join(most).capitalize()} and {last} have to be removed' in text


def test_results_named_as_sources_are_there() -> None:
    """A number whose source is missing cannot be checked."""
    named = {
        name
        for page in (README, *PAGES)
        for name in re.findall(
            r'`((?:benchmarks|bids_reid|tools|docs)/[\w./-]+\.\w+)`', read(page)
        )
    }
    assert len(named) > 5
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_every_table_is_listed() -> None:
    """A table that nobody knows of is read by nobody."""
    page = read(ROOT / 'docs' / 'files.md')
    tables = {path.stem for path in (ROOT / 'bids_reid/data/columns').glob('group_*.json')}
    assert {name for name in tables if f'`{name}.tsv`' not in page} == set()
