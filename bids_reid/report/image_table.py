"""The images of the release as the group page shows them: counts, and one row each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bids_reid.bids.formats import OWN_RESULTS
from bids_reid.group.account import HEAD_VOLUME
from bids_reid.group.result import ImageLine
from bids_reid.report.statistics import VERDICTS
from bids_reid.risk.gate import NO_FINDINGS

UNREADABLE = 'unreadable'
MOST_ROWS = 200
"""So many rows of a long table are on the page; its TSV has all."""


@dataclass(frozen=True, slots=True)
class ImageGroup:
    """How the images of one kind, condition and modality fared."""

    group: str
    in_release: bool
    n_participants: int
    n_images: int
    verdicts: Counter[str]
    n_brain_loss: int


def image_groups(images: Sequence[ImageLine]) -> list[ImageGroup]:
    """Count images by kind, condition and modality, those of the release first."""
    members: dict[tuple[str, bool], list[ImageLine]] = {}
    for line in images:
        members.setdefault((_group(line), line.in_release), []).append(line)
    groups = [
        ImageGroup(
            name,
            in_release,
            n_participants=len({line.participant for line in lines} - {None}),
            n_images=len(lines),
            verdicts=Counter[str](line.verdict for line in lines),
            n_brain_loss=sum(line.brain_loss == 'yes' for line in lines),
        )
        for (name, in_release), lines in members.items()
    ]
    return sorted(groups, key=lambda one: (not one.in_release, one.group))


def remarkable(line: ImageLine) -> bool:
    """Whether an image needs a look: in the release all with a finding, else those that failed."""
    if line.in_release:
        return line.verdict != NO_FINDINGS or bool(line.reason and line.kind != HEAD_VOLUME)
    return line.verdict in ('could not assess', 'not looked at')


def image_rows(images: Sequence[ImageLine]) -> list[ImageLine]:
    """Return the images that need a look, then the others; those of the release first."""
    severity = {verdict: place for place, verdict in enumerate(_severity())}
    return sorted(
        images,
        key=lambda line: (
            not remarkable(line),
            not line.in_release,
            severity.get(line.verdict, 0),
            line.path,
        ),
    )


def _severity() -> list[str]:
    return sorted(VERDICTS, key=lambda verdict: (verdict == NO_FINDINGS, verdict != 'review'))


def _group(line: ImageLine) -> str:
    """Name the images that a line of the table counts together."""
    name = line.modality if line.kind == HEAD_VOLUME and line.modality else line.kind
    if line.format in OWN_RESULTS:
        name = 'results of bids_reid'
    elif line.kind == UNREADABLE and line.status == 'not_looked_at':
        # nobody tried to read it, such as images of participants that --participant-label leaves
        name = 'not looked at'
    return f'{name} · {line.condition}'
