"""The decision in plain sentences: may the folder be shared, why, and the next step.

The page and the terminal print the same sentences. No sentence names an extractor: whoever
decides about a folder need not know which program recognised a face.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from bids_reid.group.account import NEVER_DEFACED
from bids_reid.group.cleared import (
    cleared_images,
    cleared_sentence,
    people,
    undefaced_originals,
)
from bids_reid.records import RAW
from bids_reid.report import words
from bids_reid.report.findings import group_findings
from bids_reid.report.statistics import linked_condition, links
from bids_reid.risk.controls import UNSURE, sort_controls
from bids_reid.risk.gate import (
    FINDING,
    GAP,
    NAMED,
    NO_FINDINGS,
    REVIEW,
    Kind,
    Outcome,
    limit_of,
    named,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bids_reid.group.result import GroupResult, ImageLine
    from bids_reid.risk.gate import Gate, Reason, RiskResult

MOST_NAMED = 10
"""So many images are named beside a reason; the table of images has them all."""
WIDE = 0.2
"""An interval that is wider than this is the worst caveat of a rate."""
AGAIN = 'then run bids-reid again'
SEVERITY: tuple[tuple[Outcome, Kind], ...] = (
    (FINDING, 'own results'),
    (FINDING, 'images'),
    (FINDING, 'recognition'),
    (FINDING, 'linkage'),
    (GAP, 'controls'),
    (GAP, 'no images'),
    (GAP, 'not looked at'),
    (GAP, 'not assessed'),
    (GAP, 'recognition'),
    (GAP, 'missing'),
    (GAP, 'no photographs'),
    (GAP, 'linkage'),
)
"""Kinds of reasons, the worst first."""
HEADLINES: Mapping[Outcome, str] = {
    'do not share': 'Do not share',
    'look first': 'Look first',
    'nothing found': 'Nothing found',
}


@dataclass(frozen=True, slots=True)
class Point:
    """All reasons of one kind, in one sentence.

    Attributes
    ----------
    outcome : str
        ``do not share`` for a finding, ``look first`` for a gap.
    kind : str
        Source of the reasons.
    sentence : str
        It names up to `NAMED` images by their file names.
    next_step : str
        An imperative.
    paths : tuple of str
        All images concerned, below the release.
    """

    outcome: Outcome
    kind: Kind
    sentence: str
    next_step: str
    paths: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What the outcome means for this reason."""
        return 'Found' if self.outcome == FINDING else 'Not known'


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision about a release.

    Attributes
    ----------
    outcome, headline : str
        Of the gate, and as people read it.
    why : str
        The worst reason in one sentence.
    next_step : str
        An imperative.
    caveat : str
        The one limit of this result that matters most.
    release, condition : str
        The folder, and the condition in it that is audited.
    n_images : int
        Images in the folder.
    others : tuple of Point
        The other kinds of reasons, the worst first.
    """

    outcome: Outcome
    headline: str
    why: str
    next_step: str
    caveat: str
    release: str
    condition: str
    n_images: int
    others: tuple[Point, ...] = ()


def decision(result: GroupResult) -> Decision | None:
    """Say whether the release may be shared; ``None`` if nothing was audited."""
    gate = result.gate
    if gate is None:
        return None
    points = _points(result, gate)
    return Decision(
        outcome=gate.outcome,
        headline=HEADLINES[gate.outcome],
        why=points[0].sentence if points else _passed(result, gate),
        next_step=points[0].next_step if points else CHECK,
        caveat=_caveat(result),
        release=result.release,
        condition=gate.condition,
        n_images=gate.n_images,
        others=tuple(points[1:]),
    )


CHECK = (
    'Run bids-reid-check just before the upload. It tells whether the folder still holds the '
    'bytes that were audited.'
)


def _points(result: GroupResult, gate: Gate) -> list[Point]:
    """Put the reasons of each kind together, the worst kind first."""
    found = []
    for outcome, kind in SEVERITY:
        reasons = [
            reason for reason in gate.reasons if (reason.outcome, reason.kind) == (outcome, kind)
        ]
        if reasons:
            found.append(_point(result, gate, reasons))
    return found


def _point(result: GroupResult, gate: Gate, reasons: Sequence[Reason]) -> Point:
    outcome, kind = reasons[0].outcome, reasons[0].kind
    paths = tuple(sorted(path for reason in reasons for path in reason.paths))
    lines = {line.path: line for line in result.images if line.in_release}
    concerned = [lines[path] for path in paths if path in lines]
    if kind == 'recognition':
        sentence, step = _recognition(gate, outcome)
    elif kind == 'images':
        sentence, step = _faces(gate, paths, concerned)
        sentence += _never_defaced(concerned)
    elif kind == 'linkage':
        sentence, step = _linkage(gate, outcome)
    else:
        sentence, step = _PLAIN[kind](gate, paths, reasons)
    return Point(outcome, kind, sentence, step, paths)


def _of_all(gate: Gate, n: int) -> str:
    images = words.count(gate.n_images, 'image')
    if n == gate.n_images:
        return {1: 'the only image', 2: 'both images'}.get(n, f'all {images}')
    return f'{n:,} of {images}'


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _names(paths: Sequence[str]) -> str:
    """Name a few images by their file names."""
    return named([PurePosixPath(path).name for path in paths])


def _faces(gate: Gate, paths: Sequence[str], lines: Sequence[ImageLine]) -> tuple[str, str]:
    """Say what images with findings show."""
    n = len(paths)
    sure = sum(line.face_present == 'yes' for line in lines)
    faces = sum(line.face_present in ('yes', 'unsure') for line in lines)
    cut = sum(line.brain_loss == 'yes' for line in lines)
    images, names = _of_all(gate, n), _names(paths)
    review = "If you look at an image and see no face, rate it on the participant's page."
    these = 'this image' if n == 1 else 'these images'
    again = '' if gate.condition == RAW else ' again'
    if faces == n:
        verb = 'is' if sure == n else 'may be' if not sure else 'is, or may be,'
        return (
            f'A face or a part of a face {verb} left in {images}: {names}.',
            f'De-face {these}{again}, {AGAIN}. {review}',
        )
    if cut == n:
        return (
            f'Brain seems to be cut in {images}: {names}.',
            f'Look at {these}. De-face the original again, with more care, if brain is missing; '
            "otherwise rate the image on the participant's page.",
        )
    left = (
        'a face is left or brain is cut'
        if faces and cut
        else 'brain is cut'
        if cut
        else 'a face is left'
    )
    parts = [
        f'a face or a part of one in {faces:,}' if faces else '',
        f'cut brain in {cut:,}' if cut else '',
    ]
    details = ' and '.join(filter(None, parts))
    return (
        f'There are findings on {images}{f" ({details})" if details else ""}: {names}.',
        f'Look at {these}. De-face the originals{again} where {left}, {AGAIN}. {review}',
    )


def _never_defaced(lines: Sequence[ImageLine]) -> str:
    """Say how many of the images are originals that somebody forgot; '' if none is."""
    n = sum(NEVER_DEFACED in line.reason for line in lines)
    if not n:
        return ''
    these = {1: 'The image is', 2: 'Both images are'}.get(n, f'All {n:,} images are')
    if n < len(lines):
        these = f'{n:,} of these images {"is" if n == 1 else "are"}'
    return f' {these} byte for byte the original: never de-faced.'


def _results(gate: Gate, outcome: Outcome) -> list[RiskResult]:
    if gate.risk is None:
        return []
    return [one for one in (gate.risk, *gate.risk.others) if one.outcome == outcome]


def _scans(one: RiskResult) -> str:
    return f'{one.condition} {one.modality} scans' if one.modality else f'{one.condition} scans'


def _recognition(gate: Gate, outcome: Outcome) -> tuple[str, str]:
    """Say how many people are recognised, or why that is not known."""
    results = _results(gate, outcome)
    measured = [one for one in results if one.n]
    if not measured:
        scans = ' and '.join(_scans(one) for one in results[:NAMED])
        return (
            f'No participant with {scans} could be searched for with a photograph, so the risk '
            'is not known.',
            f'Give photographs of participants who have {scans} (--photos), {AGAIN}.',
        )
    told = [
        f'{one.n_exposed:,} of {words.count(one.n, "participant")} from {_scans(one)}'
        for one in measured[:NAMED]
    ]
    first = measured[0]
    if outcome == FINDING:
        return (
            f'Face recognition found {" and ".join(told)}; {_limit(first)}.',
            f'Remove more of the faces in the {first.condition} scans, {AGAIN}.',
        )
    people = words.count(first.n, 'person is', 'people are')
    aim = (
        'tell recognition from guessing'
        if first.max_risk is None
        else f'measure the risk ({_limit(first)})'
    )
    return (
        f'{people} too few to {aim}: face recognition found {" and ".join(told)}.',
        _more_people(first),
    )


def _limit(one: RiskResult) -> str:
    if one.max_risk is not None:
        return f'the limit is {limit_of(one.max_risk)}'
    return f'guessing would recognise {words.percent(one.chance)}'


def _more_people(one: RiskResult) -> str:
    if one.max_risk is None:
        return f'Give photographs of more participants (--photos), {AGAIN}.'
    if one.n_needed_80 is None:
        return 'Choose a higher limit (--max-risk): no number of people can show a risk this low.'
    return (
        f'Photograph more participants. {one.n_needed_80:,} people are enough in four of five '
        'cases, if nobody can be recognised.'
    )


def _linkage(gate: Gate, outcome: Outcome) -> tuple[str, str]:
    if outcome == FINDING:
        return (
            f'Faces of {gate.condition} scans can still be linked to their originals, without '
            'any photograph.',
            'The report does not name the people who were linked. Replace or remove the faces in '
            f'all {gate.condition} scans more thoroughly, {AGAIN}.',
        )
    return (
        f'Too few people have both versions to tell whether faces of {gate.condition} scans can '
        'be linked to their originals.',
        f'Process more participants in both versions, or give photographs (--photos), {AGAIN}.',
    )


def _controls(reasons: Sequence[Reason]) -> tuple[str, str]:
    """Tell a control that failed from one with too few people to tell."""
    if all(reason.sentence == UNSURE for reason in reasons):
        return (
            'Too few people have two photographs. Whether face recognition works on these '
            'photographs is not known, so a low rate is no sign of safety.',
            f'Give a second photograph of more participants (--photos), {AGAIN}.',
        )
    return (
        'A control failed, so the rates of recognition cannot be trusted.',
        'Read the section Controls, and mend the cause before you use any rate.',
    )


_PLAIN: Mapping[Kind, Callable[[Gate, Sequence[str], Sequence[Reason]], tuple[str, str]]] = {
    'own results': lambda _, paths, __: (
        f'The folder holds results of bids_reid, which show faces or hold features of them: '
        f'{_names(paths)}.',
        f'Move these results out of the folder, {AGAIN}.',
    ),
    'controls': lambda _, __, reasons: _controls(reasons),
    'no images': lambda gate, *_: (
        f'The folder holds no {gate.condition} image.',
        'Check the folder that you named with --release, --audit or --derivatives.',
    ),
    'not looked at': lambda gate, paths, _: (
        f'{_capital(_of_all(gate, len(paths)))} '
        f'{"was" if len(paths) == 1 else "were"} not looked at: {_names(paths)}.',
        'Run the participant level for the images listed. If an image cannot be opened, inspect '
        'it yourself and record that with --reviewed.',
    ),
    'not assessed': lambda gate, paths, _: (
        f'{_capital(_of_all(gate, len(paths)))} could not be assessed: {_names(paths)}.',
        "Look at the images listed, and rate them on the participants' pages or with --reviewed.",
    ),
    'missing': lambda _, paths, reasons: (
        ' '.join(reason.sentence for reason in reasons),
        f'Add the missing {"version" if len(paths) == 1 else "versions"} to the folder, {AGAIN}.',
    ),
    'no photographs': lambda gate, *_: (
        f'The risk of recognition was not measured, but a limit of '
        f'{limit_of(gate.max_risk)} is set.',
        f'Give photographs of the participants (--photos), {AGAIN}.',
    ),
}


def _passed(result: GroupResult, gate: Gate) -> str:
    """Say what a pass rests on."""
    looked = _tolerated(result, gate) if gate.n_findings else _looked_at(result, gate)
    if gate.risk is None or not gate.risk.n:
        return f'{looked}.'
    worst = gate.risk
    limit = (
        'no more than guessing may explain'
        if worst.max_risk is None
        else f'within the limit of {limit_of(worst.max_risk)}'
    )
    return (
        f'{looked}; {worst.n_exposed or "none"} of {words.count(worst.n, "participant")} '
        f'{"was" if worst.n_exposed == 1 else "were"} recognised, {limit}.'
    )


def _tolerated(result: GroupResult, gate: Gate) -> str:
    """Name the images with findings that a limit tolerates: they will be shared, too."""
    paths = [line.path for line in result.images if line.in_release and line.verdict == REVIEW]
    return (
        f'Findings on {_of_all(gate, gate.n_findings)} are within the limit of '
        f'{limit_of(gate.max_findings)} (--max-findings): {_names(paths)}'
    )


def _looked_at(result: GroupResult, gate: Gate) -> str:
    """Say what the images show: a re-faced one shows a face, but nobody's of the study."""
    released = [line for line in result.images if line.in_release]
    by_people = sum(line.reviewed_by is not None for line in released)
    # a face that the program accepted; one that a person cleared is none
    replaced = sum(
        line.face_present in ('yes', 'unsure') and line.program_verdict in (None, NO_FINDINGS)
        for line in released
    )
    cleared = cleared_sentence(result.images, gate.n_images)
    if cleared:
        faces = f'. Faces in {replaced:,} of the others are replaced ones' if replaced else ''
        return _capital(cleared.removesuffix('.')) + faces
    person = f' ({by_people:,} by a person)' if by_people else ''
    if gate.n_images == 1:
        faces = 'its face is a replaced one' if replaced else 'it shows no face'
        return f'The only image was looked at{person}, and {faces}'
    faces = f'faces in {replaced:,} of them are replaced ones' if replaced else 'none shows a face'
    return f'All {gate.n_images:,} images were looked at{person}, and {faces}'


def _caveat(result: GroupResult) -> str:
    """Say the limit of this result that matters most."""
    for caveat in (
        _by_people,
        _doubtful,
        _without_result,
        _few_people,
        _not_measured,
        _linked_scans,
    ):
        said = caveat(result)
        if said:
            return said
    return 'The rate is a lower bound: other or later face recognition may recognise more people.'


def _by_people(result: GroupResult) -> str:
    """Say that a pass is the word of people against the program."""
    cleared = cleared_images(result.images)
    if not cleared or result.gate is None or not result.gate.passed:
        return ''
    names = people(cleared)
    paths = undefaced_originals(result.images) or [line.path for line in cleared]
    return (
        f'This pass rests on the word of {names} against the program. Let somebody else look at '
        f'{"this image" if len(paths) == 1 else "these images"} before you share the folder: '
        f'{_names(paths)}.'
    )


def _doubtful(result: GroupResult) -> str:
    n = len(sort_controls(result.statistics.controls).failed)
    return f'{words.count(n, "control")} failed: do not use the rates.' if n else ''


def _without_result(result: GroupResult) -> str:
    n = len(result.unprocessed)
    has, are = ('has', 'is') if n == 1 else ('have', 'are')
    people = words.count(n, 'participant')
    return f'{people} of the dataset {has} no result and {are} in no rate.' if n else ''


def _few_people(result: GroupResult) -> str:
    """Quote the widest interval of the audited condition."""
    rows = [
        finding.row
        for finding in group_findings(result)
        if finding.row.condition == result.audited and finding.row.n_gallery
    ]
    intervals = [
        (row.ci_high - row.ci_low, row)
        for row in rows
        if row.ci_low is not None and row.ci_high is not None
    ]
    if not intervals:
        return ''
    width, row = max(intervals, key=lambda one: one[0])
    if width < WIDE:
        return ''
    return (
        f'Only {words.count(row.n_probes, "person was", "people were")} searched for in '
        f'{row.condition} {row.modality} scans. The true share may be anything from '
        f'{words.percent(row.ci_low)} to {words.percent(row.ci_high)}.'
    )


def _not_measured(result: GroupResult) -> str:
    if result.rows:
        return ''
    return (
        'Recognition was not measured, as there are no photographs. Only what is left in the '
        'images was judged.'
    )


def _linked_scans(result: GroupResult) -> str:
    """Say if scans can be linked with another version without a photograph."""
    for link in linked_condition(links(result.linkage), result.audited):
        row = link.strongest
        if row.ci_low is not None and row.chance is not None and row.ci_low > row.chance:
            return (
                f'Somebody who holds the {link.gallery} scans can find {row.n_correct:,} of '
                f'{words.count(row.n_probes, "participant")} in the {link.probe} scans, without '
                'any photograph.'
            )
    return ''
