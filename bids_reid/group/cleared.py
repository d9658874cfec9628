"""Images of the release that pass by the word of a person alone, against the program's verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bids_reid.messages import count
from bids_reid.risk.gate import NO_FINDINGS, NOT_ASSESSED, REVIEW, named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bids_reid.group.result import ImageLine


def cleared_images(lines: Sequence[ImageLine]) -> list[ImageLine]:
    """Return the images of the release whose own verdict by the program would not pass."""
    return [
        line
        for line in lines
        if line.in_release
        and line.verdict == NO_FINDINGS
        and line.program_verdict not in (None, NO_FINDINGS)
    ]


def cleared_sentence(lines: Sequence[ImageLine], n_images: int) -> str:
    """Say who let how many images pass, and what the program said; nothing if nobody did.

    Parameters
    ----------
    lines : sequence of ImageLine
        All images, those outside the release too: a cleared image can be one of them.
    n_images : int
        Images of the release.
    """
    cleared = cleared_images(lines)
    if not cleared:
        return ''
    n = len(cleared)
    passes = 'passes' if n == 1 else 'pass'
    images = 'the only image' if n_images == 1 else f'{n:,} of {count(n_images, "image")}'
    said = (
        f'{images} {passes} only because a person said so ({people(cleared)}): the program '
        f'{_verdicts(cleared)}.'
    )
    originals = undefaced_originals(lines)
    if originals:
        kind = 'an original' if len(originals) == 1 else 'originals'
        said += f' Byte for byte {kind}, so never de-faced: {named(originals)}.'
    return said


def people(cleared: Sequence[ImageLine]) -> str:
    """Name those who cleared images."""
    return named(sorted({line.reviewed_by or 'nobody named' for line in cleared}))


def undefaced_originals(lines: Sequence[ImageLine]) -> list[str]:
    """Return the paths of cleared images with the bytes of a scan of another condition.

    The program found something in these bytes: a scan without a face, such as one of a brain, may
    be the same in all conditions.
    """
    elsewhere: dict[str, set[str]] = {}
    for line in lines:
        if not line.in_release and line.sha256 is not None:
            elsewhere.setdefault(line.sha256, set()).add(line.condition)
    return [
        line.path
        for line in cleared_images(lines)
        if line.program_verdict == REVIEW
        and elsewhere.get(line.sha256 or '', set()) - {line.condition}
    ]


def _verdicts(cleared: Sequence[ImageLine]) -> str:
    """Say what the program said of the images."""
    found = [line for line in cleared if line.program_verdict == REVIEW]
    face = sum(line.face_present in ('yes', 'unsure') for line in found)
    cut = sum(line.brain_loss == 'yes' for line in found)
    neither = sum(
        line.face_present not in ('yes', 'unsure') and line.brain_loss != 'yes' for line in found
    )
    saw = [
        f'{text} in {number:,}'
        for number, text in (
            (face, 'a face or a part of one'),
            (cut, 'cut brain'),
            (neither, 'another finding'),
        )
        if number
    ]
    unassessed = sum(line.program_verdict == NOT_ASSESSED for line in cleared)
    unseen = len(cleared) - len(found) - unassessed
    said = [f'saw {_joined(saw)}'] if saw else []
    said += [f'could not assess {unassessed:,}'] if unassessed else []
    said += [f'did not look at {unseen:,}'] if unseen else []
    return '; it '.join(said)


def _joined(parts: Sequence[str]) -> str:
    return ', '.join(parts[:-1]) + f' and {parts[-1]}' if len(parts) > 1 else parts[0]
