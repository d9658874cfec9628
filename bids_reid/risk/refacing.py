"""How re-faced images are judged: a face is meant to be there, but not the original's.

Each image is compared with its original in place (`bids_reid.surface.change`), and all of them by
linkage: whether a re-faced scan finds its original among those of other people by its face. The
first knows no people, so one image is enough; the second knows nothing of where skin was, so it
also finds a face that was smoothed, or moved, and is still its owner's.

Re-facing does not hide the skull, which links scans all the same. This is reported, but does not
count as a finding: with another scan of the same people, de-faced scans can be linked, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from bids_reid.messages import count
from bids_reid.records import RAW
from bids_reid.risk.gate import FINDING, GAP, Reason
from bids_reid.risk.linkage import N_PERMUTATIONS, THIS, LinkageRow

if TYPE_CHECKING:
    from bids_reid.surface.change import FaceChange

Verdict = Literal['no findings', 'review', 'could not assess']

UNCHANGED = 0.7
"""From this share of unchanged form on, a face is still the original face.

Measured on phantoms with voxels of 1 to 2 mm: 0.99 and more after other noise and scaling, 0.78
and more after resampling, 0.73 and more after blurring by up to 3 mm, 0.63 and less with the
average's or somebody else's face.
"""
PART_UNCHANGED = 0.9
"""From this share of skin in its place on, eyes, nose or mouth are still the original.

Measured on the same: 1.00 where they were left, 0.81 and less where they were replaced.
"""
LEVEL = 0.05
"""Significance level of the test for linking, for all ways of a comparison together."""
SURFACE, HEAD = 'surface', 'head'

NO_ORIGINAL = (
    'a re-faced image can be judged only against its original: give the images before re-facing '
    'as bids_dir, and the re-faced images with -d NAME=DIR --refaced NAME'
)
NOT_COMPARED = (
    'no skin or no face was found in the image or in its original: compare the two yourself'
)
NOT_IN_PLACE = (
    'the head is not in the same position as in the original, so the two faces cannot be compared'
)
SAME_FACE = 're-faced, but the face is still the original face'
SAME_PART = 're-faced, but the original {part} {is_or_are} still there'
OTHER_FACE = 're-faced: the original face is gone'


def judge_refaced(change: FaceChange | None, has_original: bool) -> tuple[Verdict, str]:
    """Judge a re-faced image by its original.

    Parameters
    ----------
    change : FaceChange or None
        From `bids_reid.surface.change.face_change`; ``None`` if one of the skins is missing.
    has_original : bool
        Whether there is an image before re-facing at all.

    Returns
    -------
    Verdict and reason. It takes the place of the verdict on whether there is a face; what else is
    wrong with the image, such as a cut brain, is not known here.
    """
    if not has_original:
        return 'could not assess', NO_ORIGINAL
    if change is None or change.share_unchanged is None:
        return 'could not assess', NOT_COMPARED
    if not change.aligned:
        return 'could not assess', NOT_IN_PLACE
    if change.share_unchanged >= UNCHANGED:
        return 'review', SAME_FACE
    if change.part is not None and (change.part_unchanged or 0.0) >= PART_UNCHANGED:
        verb = 'are' if change.part == 'eyes' else 'is'
        return 'review', SAME_PART.format(part=change.part, is_or_are=verb)
    return 'no findings', OTHER_FACE


def linkage_reasons(
    rows: Sequence[LinkageRow],
    *,
    condition: str,
    original: str = RAW,
    modalities: Iterable[str] = (),
) -> list[Reason]:
    """Judge by linkage whether the faces of a re-faced condition are still their originals'.

    Every way of linking by the face is tried on each session and modality, so the smallest
    p-value has to be below `LEVEL` over their number (Bonferroni).

    Parameters
    ----------
    rows
        Of all comparisons of the run. Those count in which the re-faced scans of a session and
        modality are searched among the originals of the same.
    condition, original
        That is re-faced, and that it was made from.
    modalities
        In which it has images: one without a row could not be told either.

    Returns
    -------
    A finding for each session and modality whose people are linked, and a gap for each modality
    without any session in which there are people enough for that to show.
    """
    mine = _to_originals(rows, condition, original)
    tried: dict[tuple[str, str | None], list[LinkageRow]] = {}
    for row in mine:
        if (row.extractor, row.decision) != (SURFACE, HEAD):
            tried.setdefault((row.probe_modality, row.probe_session), []).append(row)
    reasons = [_linked(ways) for ways in tried.values() if _is_linked(ways)]
    able = {modality for (modality, _), ways in tried.items() if _can_tell(ways)}
    linked = {modality for (modality, _), ways in tried.items() if _is_linked(ways)}
    known = {modality for modality, _ in tried} | set(modalities)
    for modality in sorted(known - able - linked):
        most = max((_n_searched(row) for row in mine if row.probe_modality == modality), default=0)
        reasons.append(_too_few(condition, modality, most))
    return reasons


def skull_sentence(
    rows: Sequence[LinkageRow], *, condition: str, original: str = RAW
) -> str | None:
    """Say how well the skulls of a condition find their originals.

    Returns
    -------
    A sentence on the session and modality that are linked best; ``None`` if none was compared.
    """
    heads = [
        row
        for row in _to_originals(rows, condition, original)
        if (row.extractor, row.decision) == (SURFACE, HEAD) and row.p_value is not None
    ]
    if not heads:
        return None
    best = min(heads, key=_strength)
    found = (
        'Linked by the shape of the forehead, skull and ears, which de-facing and re-facing '
        f'leave unchanged: {_found(best)}'
    )
    if (best.p_value or 0.0) > LEVEL:
        return f'{found}. This result may be due to chance.'
    return (
        f'{found}. Anyone with another scan of the same people can use this shape to link the '
        'scans, however the face was changed. The shape of the skull does not show a face, so '
        'it does not count as a finding.'
    )


def _to_originals(rows: Iterable[LinkageRow], condition: str, original: str) -> list[LinkageRow]:
    """Rows of the condition's scans searched among their originals of the same session."""
    return [
        row
        for row in rows
        if (row.probe_dataset, row.gallery_dataset) == (THIS, THIS)
        and (row.probe_condition, row.gallery_condition) == (condition, original)
        and row.probe_session == row.gallery_session
        and row.probe_modality == row.gallery_modality
    ]


def _is_linked(ways: Sequence[LinkageRow]) -> bool:
    best = min(ways, key=_strength)
    return best.p_value is not None and best.p_value <= LEVEL / len(ways)


def _can_tell(ways: Sequence[LinkageRow]) -> bool:
    """Whether the test could be significant at all, if everybody found themselves."""
    return any(_smallest_p(row) <= LEVEL / len(ways) for row in ways)


def _smallest_p(row: LinkageRow) -> float:
    """p-value if everybody is found: one way of dealing out identities of all there are."""
    n = _n_searched(row)
    if n < 1:
        return 1.0
    return max(1 / math.perm(row.n_gallery, n), 1 / (1 + N_PERMUTATIONS))


def _n_searched(row: LinkageRow) -> int:
    return row.n_probes - row.n_failed_probe - row.n_failed_gallery


def _strength(row: LinkageRow) -> tuple[float, float]:
    return 1.0 if row.p_value is None else row.p_value, -(row.rate or 0.0)


def _linked(ways: Sequence[LinkageRow]) -> Reason:
    best = min(ways, key=_strength)
    several = f', the strongest of {len(ways)} ways' if len(ways) > 1 else ''
    return Reason(
        FINDING,
        f'The faces of {best.probe_condition} {best.probe_modality} scans are still linked to '
        f'their originals: by {best.extractor} ({best.decision}){several}, {_found(best)}.',
        kind='linkage',
    )


def _found(row: LinkageRow) -> str:
    """Say how many find themselves."""
    session = f' of ses-{row.probe_session}' if row.probe_session else ''
    return (
        f'{row.n_correct} of {count(row.n_probes, "person", "people")}{session} '
        f'{"is" if row.n_correct == 1 else "are"} matched first with their own original '
        f'among {row.n_gallery} (expected by guessing: {row.n_probes / row.n_gallery:.1f}; '
        f'p = {row.p_value:.2g})'
    )


def _too_few(condition: str, modality: str, n: int) -> Reason:
    people = f': {count(n, "person", "people")} could be searched for' if n else ''
    return Reason(
        GAP,
        f'There are too few people to test by linkage whether {condition} {modality} scans still '
        f'have their original faces{people}.',
        kind='linkage',
    )
