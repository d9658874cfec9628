"""The demonstration of a release audit: its settings, and the words before and after the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bids_reid.demo.defaced_release import REFACED, treated_images, write_release
from bids_reid.messages import count
from bids_reid.records import IDENTIFYING, PART_NAMES
from bids_reid.risk.gate import NO_FINDINGS
from bids_reid.settings import LEVELS, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from bids_reid.demo.defaced_release import Treated

IMAGES_SECTION = 'Every image'
"""Heading of the table on the group page that gives every image its verdict."""
OWN_COMMAND = 'bids-reid ORIGINALS OUTPUT participant group -d defaced=RELEASE --release RELEASE'


class Drawn(NamedTuple):
    """All that decides which files are made."""

    people: int
    seed: int
    alike: float
    modality: str
    good: bool

    @property
    def treated(self) -> list[Treated]:
        """The images of the release that are not simply de-faced."""
        return treated_images(self.people, self.modality, good=self.good)

    @property
    def problems(self) -> list[Treated]:
        """Those of them that must not be shared."""
        return [one for one in self.treated if one.is_problem]

    def note(self) -> dict[str, object]:
        """Return what ``demo.json`` has to tell of it."""
        return {'release': True, **self._asdict()}

    def write(self, folder: Path, n_procs: int, progress: Callable[[str], None]) -> None:
        """Write the originals and the release."""
        write_release(folder, **self._asdict(), n_procs=n_procs, progress=progress)


def release_settings(folder: Path, *, n_procs: int, command: str) -> Settings:
    """Return the settings of the audit of the release in the folder of the demonstration."""
    originals, release = folder / 'originals', folder / 'release'
    return Settings(
        bids_dir=originals,
        output_dir=folder / 'derivatives' / 'bids_reid',
        levels=LEVELS,
        derivatives=(('refaced', release / REFACED), ('defaced', release)),
        refaced=('refaced',),
        release=release,
        # an audit without photographs searches for nobody
        extractors=('orb',),
        n_procs=n_procs,
        # none of these people exists
        report_faces=True,
        command=command,
    )


def opening_lines(drawn: Drawn) -> Iterator[str]:
    """Yield the lines before the run: the folders, the problems planted, the outcome expected."""
    people = count(drawn.people, 'synthetic person', 'synthetic people')
    yield (
        f'This demo audits the release of {people}. The originals stay in the lab, and the folder '
        '"release" is to be shared.'
    )
    if drawn.problems:
        planted = ', '.join(f'{one.name} ({one.done})' for one in drawn.problems)
        yield f'{count(len(drawn.problems), "image")} must not be shared: {planted}.'
        yield 'Expected outcome: DO NOT SHARE, because of these images only, and exit code 3.'
    else:
        yield 'The release has no problem: every image is de-faced or re-faced as it should be.'
        yield 'Expected outcome: NOTHING FOUND, and exit code 0.'


def closing_lines(drawn: Drawn, rows: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Yield the lines after the run: what to notice, and where the page shows it.

    Parameters
    ----------
    drawn : Drawn
        What was made.
    rows : mapping
        Path of each image in the release to its row of ``group_images.tsv``.
    """
    yield f'What to notice in the section "{IMAGES_SECTION}" of the page:'
    others = dict(rows)
    for one in drawn.treated:
        row = others.pop(one.path, None)
        if row is not None:
            page = f'{row["participant_id"]}.html'
            yield f'  {one.name} ({one.done}). Verdict: {verdict_of(row)}. See also {page}.'
    n_passed = sum(row['verdict'] == NO_FINDINGS for row in others.values())
    passed = f'{n_passed} of {len(others)}'
    yield f'  The other images (well de-faced). Verdict: {NO_FINDINGS} on {passed}.'
    yield f'To audit your own release: {OWN_COMMAND}'


def verdict_of(row: Mapping[str, str]) -> str:
    """Write a verdict with the reason for it in a few words."""
    if row['verdict'] == NO_FINDINGS:
        return f'{row["verdict"]} ({row["reason"]})'
    left = set(row['parts_left'].split(', '))
    names = [name for name in IDENTIFYING if left & set(PART_NAMES[name])]
    why = []
    if len(names) == len(IDENTIFYING):
        why.append('the whole face is left')
    elif names:
        why.append(f'left of the face: {", ".join(names)}')
    if row['brain_loss'] == 'yes':
        why.append('brain is lost')
    return f'{row["verdict"]} ({"; ".join(why) or row["reason"]})'
