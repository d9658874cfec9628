"""What was found on an image, in a few words for a line of the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bids_reid.records import PART_NAMES
from bids_reid.risk.presence import BRAIN, PARTLY, SKULL_STRIPPED, assess_image

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from bids_reid.messages import Tone
    from bids_reid.participant.content import ScanLine
    from bids_reid.records import ImageRecord, Scan

NO_FACE = 'no face left'
WHOLE = 'whole face'
OUT_OF_VIEW = 'no part of a face in the image'
BRAIN_CUT = 'brain may be cut'


class InWords(NamedTuple):
    """A result in plain words, and its colour: red for a face, amber for what is not known."""

    words: str
    tone: Tone


def scan_name(scan: Scan, *, several: bool) -> str:
    """Name a scan as people do: ``sub-01 ses-01 T1w defaced``.

    ``several`` says whether there is more than one condition.
    """
    parts = [*scan.source_name.split('_'), scan.modality]
    return ' '.join([*parts, scan.condition] if several else parts)


def scan_in_words(line: ScanLine, needed: Collection[str]) -> InWords:
    """Say what is left of a face on a scan.

    Parameters
    ----------
    line : ScanLine
        Its row, judged by the parts that have to be removed.
    needed : collection of str
        Names of these parts.
    """
    if line.verdict == 'review':
        return InWords(_left(line.parts, line.brain_loss, line.reason, needed), 'bad')
    if line.verdict == 'could not assess':
        return InWords(f'could not assess: {line.reason}', 'caution')
    if line.reason.startswith(SKULL_STRIPPED):
        return InWords(f'{NO_FACE}: skull-stripped', 'good')
    judged = _judged(line.parts, needed)
    out_of_view = judged and all(answer == 'not in the image' for answer in judged.values())
    return InWords(OUT_OF_VIEW if out_of_view else NO_FACE, 'good')


def look_in_words(record: ImageRecord, suffix: str | None, needed: Collection[str]) -> InWords:
    """Say what a look at an image found; ``suffix`` is that of its name in BIDS."""
    presence = assess_image(record, suffix, needed)
    if presence.verdict == 'review':
        left = _left(presence.parts, presence.brain_loss, presence.reason, needed)
        return InWords(left, 'bad')
    if presence.verdict == 'no findings':
        told = presence.reason.startswith('no face')
        return InWords(presence.reason if told else f'no face found: {presence.reason}', 'good')
    return InWords(f'could not assess: {presence.reason}', 'caution')


def _left(
    answers: Mapping[str, str], brain_loss: str | None, reason: str, needed: Collection[str]
) -> str:
    """Name the parts of a face that are left; without any, say why somebody should look."""
    judged = _judged(answers, needed)
    shown = {name: answer for name, answer in judged.items() if answer != 'not in the image'}
    left = [name for name, answer in shown.items() if answer == 'left']
    brain = [BRAIN_CUT] if brain_loss == 'yes' else []
    if shown and len(left) == len(shown):
        return '; '.join([WHOLE, *brain])
    if left:
        return '; '.join([f'face left: {", ".join(_joined(left))}', *brain])
    unclear = [name for name, answer in shown.items() if answer == 'cannot tell']
    if unclear:
        return '; '.join([f'a face may be left: {", ".join(_joined(unclear))} unclear', *brain])
    if brain and shown and not reason.startswith(PARTLY):
        return f'{NO_FACE}, but {BRAIN_CUT}'
    return '; '.join([reason.removesuffix(f'; {BRAIN}') if brain else reason, *brain])


def _judged(answers: Mapping[str, str], needed: Collection[str]) -> dict[str, str]:
    names = [part for name in needed for part in PART_NAMES[name]]
    return {name: answers[name] for name in names if name in answers}


def _joined(parts: Iterable[str]) -> list[str]:
    """Name pairs of parts once: both eyes are ``eyes``."""
    given = list(parts)
    named: dict[str, None] = {}
    for part in given:
        pair = next(
            (
                name
                for name, both in PART_NAMES.items()
                if len(both) > 1 and part in both and set(both) <= set(given)
            ),
            part,
        )
        named[pair] = None
    return list(named)
