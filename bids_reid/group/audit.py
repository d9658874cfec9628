"""The audit of the release: what was found in it, and the gaps in what was looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bids_reid.bids.formats import OWN_RESULTS, TEMPLATE
from bids_reid.group.account import RELEASE
from bids_reid.group.cleared import cleared_sentence
from bids_reid.records import RAW
from bids_reid.risk.controls import FAILED, UNSURE, sort_controls
from bids_reid.risk.gate import Gate, Reason, gate, named, risk_result

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bids_reid.group.account import Survey
    from bids_reid.group.result import ImageLine, PhotoLine
    from bids_reid.group.selection import Choice
    from bids_reid.participant.library import EnrolledScan
    from bids_reid.risk.attacks import StrongestRow
    from bids_reid.risk.controls import ControlRow


def audit(
    choice: Choice,
    survey: Survey,
    images: Sequence[ImageLine],
    *,
    photographs: bool,
    strongest: Sequence[StrongestRow] = (),
    controls: Sequence[ControlRow] = (),
    besides: Sequence[Reason] = (),
) -> Gate:
    """Judge the release: by each of its images, by recognition if there are photographs.

    Parameters
    ----------
    images : sequence of ImageLine
        Those that are not in the release are not judged.
    photographs : bool
        Whether recognition was measured.
    strongest, controls : sequence
        Of all conditions.
    besides : sequence of Reason
        Findings and gaps of other kinds, such as linkage of re-faced scans.
    """
    released = [line for line in images if line.in_release]
    # no share of findings excuses images that hold the faces of all others
    judged = [line for line in released if line.format not in OWN_RESULTS]
    gaps = [*besides, *_own_results(released), *_missing(choice, survey)]
    risk = None
    if photographs:
        condition = choice.audited
        modalities = {
            line.modality for line in judged if line.condition == condition and _scan(line)
        }
        risk = risk_result(
            strongest,
            condition=condition,
            modalities=sorted(filter(None, modalities)),
            max_risk=choice.max_risk,
        )
        # a positive control is of photographs alone, and has no condition
        concerned = [row for row in controls if row.condition in (condition, None)]
        sorted_ = sort_controls(concerned)
        for rows, doubt in ((sorted_.failed, FAILED), (sorted_.unsure, UNSURE)):
            if rows:
                gaps.append(Reason('look first', doubt, kind='controls'))
    return gate(
        judged,
        condition=survey.condition,
        max_findings=choice.max_findings or 0.0,
        max_risk=choice.max_risk,
        risk=risk,
        gaps=gaps,
        cleared=cleared_sentence(images, len(judged)),
    )


def _scan(line: ImageLine) -> bool:
    """Whether an image was searched, or had to be."""
    return line.n_views_with_face is not None or line.status == 'failed'


def _own_results(images: Sequence[ImageLine]) -> Iterator[Reason]:
    """Say that results of this program lie in the release."""
    for format_ in OWN_RESULTS:
        own = [line for line in images if line.format == format_]
        if own:
            paths = tuple(line.path for line in own)
            each = 'each is ' if len(own) > 1 and format_ == TEMPLATE else ''
            sentence = f'{named(paths)}: {each}{own[0].reason}.'
            yield Reason('do not share', sentence, paths, kind='own results')


def _missing(choice: Choice, survey: Survey) -> Iterator[Reason]:
    """Say which scans have no version in the release."""
    n_missing = len(survey.missing)
    if n_missing:
        have = 'scan has' if n_missing == 1 else 'scans have'
        whole = survey.condition in (RAW, RELEASE)
        version = choice.audited if whole else survey.condition
        sentence = f'{n_missing:,} raw {have} no {version} version.'
        yield Reason('look first', sentence, survey.missing, kind='missing')


def not_assessed(
    scans: Sequence[EnrolledScan], photos: Sequence[PhotoLine]
) -> dict[tuple[str, str], int]:
    """Count, per condition and modality, the photographed people whose scans all failed."""
    photographed = {photo.participant for photo in photos if photo.mated and photo.status == 'ok'}
    present: dict[tuple[str, str], set[str]] = {}
    processed: dict[tuple[str, str], set[str]] = {}
    for scan in scans:
        line = scan.line
        group = (line.condition, line.modality)
        present.setdefault(group, set()).add(line.participant)
        if line.status != 'failed':
            processed.setdefault(group, set()).add(line.participant)
    return {
        group: len((people & photographed) - processed.get(group, set()))
        for group, people in present.items()
    }
