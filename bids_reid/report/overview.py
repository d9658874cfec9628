"""The parts of a participant's page that the group level brings up to date: its slots.

A participant's page is written by the participant level. Who can be recognised, which scan is in
the release and what a person said of it are known to the group level only. It replaces the slots
of the page and leaves everything else as it is, pictures too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from bids_reid.records import RAW
from bids_reid.report import words
from bids_reid.report.html import render_page
from bids_reid.report.parts_left import part_names
from bids_reid.risk.gate import CLEAN, NO_FINDINGS, REVIEW
from bids_reid.surface.parts import PARTS

if TYPE_CHECKING:
    from bids_reid.group.result import ImageLine
    from bids_reid.participant.content import ScanLine
    from bids_reid.risk.gate import Outcome
    from bids_reid.risk.presence import Verdict

LEAD, NAV, OTHERS = 'lead', 'nav', 'others'
GROUP_PAGE = '<li><a href="group.html">Group report</a></li>'
_SLOT = re.compile(r'<!-- slot ([a-z0-9-]+) -->(.*?)<!-- /slot \1 -->', re.DOTALL)
STEPS: Mapping[str, str] = {
    'review': 'Do not share this scan. Look at it, then de-face it again or rate it below.',
    'could not assess': 'Open the scan in a viewer, then rate it below.',
    'not looked at': 'Run the participant level again, or open the image and rate it below.',
}
ORIGINAL = 'Do not share this scan: de-face it first.'
BRAIN = (
    'Do not share this scan. Compare it with its original: brain seems to be cut. De-face the '
    'original again, less deeply, or rate the scan below.'
)
FACE_AND_BRAIN = (
    'Do not share this scan. Look at it: a face is left, and brain seems to be cut. De-face the '
    'original again with another tool, or rate the scan below.'
)
RAW_BRAIN = 'Look at the scan: brain seems to be cut. Then rate it below.'
NO_FINDING = 'No finding on this scan.'
NOTHING_TO_DO = 'Nothing to do.'
ALONE = 'No finding on this scan alone. Outcome of the release: {} (see the group report).'
EXPOSED = ('high', 'raised')
CONSIDER = 'Consider de-facing it.'
CONSIDER_AGAIN = 'Consider de-facing it again.'
KEPT = 'It is not in the release: keep it private.'
COUNTS: Mapping[str, tuple[str, str]] = {
    'review': (
        'shows a face, a part of one or cut brain',
        'show a face, a part of one or cut brain',
    ),
    'could not assess': ('could not be assessed', 'could not be assessed'),
    'not looked at': ('was not looked at', 'were not looked at'),
    'no findings': ('has no findings', 'have no findings'),
}


@dataclass(frozen=True, slots=True)
class Exposure:
    """How exposed the participant is by a scan: the level, and the searches it stands for."""

    level: str
    said: str


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a scan, as its row and its column say what to do with it.

    Attributes
    ----------
    key : str
        Of `version_key`.
    source : str
        Path of the scan in its dataset.
    sha256 : str or None
        Of the bytes that a rating belongs to; ``None`` if there are none.
    verdict : str
        The one that counts; ``rated`` is the program's own, which a rating is about.
    step : str
        What to do next.
    parts_left, parts : str
        Names of the parts of the face that are left, as in the tables and as people read them.
    exposure : Exposure or None
        ``None`` without photographs.
    reviewed_by : str or None
        People who rated the image.
    """

    key: str
    source: str
    sha256: str | None
    condition: str
    verdict: Verdict
    rated: Verdict
    parts_left: str | None
    parts: str
    face_score: float | None
    brain_loss: str | None
    reason: str
    step: str
    exposure: Exposure | None = None
    in_release: bool | None = None
    reviewed_by: str | None = None


def version_key(condition: str, source: str) -> str:
    """Return the name of a version in its page.

    >>> version_key('raw', 'sub-01/anat/sub-01_T1w.nii.gz')
    '7b02682165'
    """
    text = f'{condition}\0{source}'
    return sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:10]


def version_of(
    line: ScanLine | ImageLine,
    source: str,
    sha256: str | None,
    *,
    condition: str | None = None,
    rated: Verdict | None = None,
    exposure: Exposure | None = None,
    in_release: bool | None = None,
    reviewed_by: str | None = None,
    outcome: Outcome | None = None,
) -> Version:
    """Describe a version of a scan.

    ``in_release`` and ``outcome``, that of the release, are not known to the participant level.

    ``condition`` is that of the scan if the line has another: that of the release.
    """
    condition = condition or line.condition
    return Version(
        key=version_key(condition, source),
        source=source,
        sha256=sha256,
        condition=condition,
        verdict=line.verdict,
        rated=rated or line.verdict,
        parts_left=line.parts_left,
        parts=parts_said(line.parts_left),
        face_score=line.face_score,
        brain_loss=line.brain_loss,
        reason=line.reason,
        step=KEPT if in_release is False else next_step(line, outcome, exposure),
        exposure=exposure,
        in_release=in_release,
        reviewed_by=reviewed_by,
    )


def parts_said(parts_left: str | None) -> str:
    """Say which parts are left.

    >>> parts_said('left ear, right ear'), parts_said('none'), parts_said(None)
    ('both ears', 'none', 'n/a')
    """
    if parts_left is None:
        return words.NOT_AVAILABLE
    names = parts_left.split(', ')
    return 'all parts' if set(names) == set(PARTS) else part_names(names)


def next_step(
    line: ScanLine | ImageLine,
    outcome: Outcome | None = None,
    exposure: Exposure | None = None,
) -> str:
    """Say what to do about a verdict, in a release with an outcome."""
    if line.verdict == NO_FINDINGS:
        return _without_finding(line, outcome, exposure)
    if line.verdict != REVIEW:
        return STEPS[line.verdict]
    if line.brain_loss == 'yes':
        return _cut_brain(line)
    return ORIGINAL if line.condition == RAW else STEPS[REVIEW]


def _without_finding(
    line: ScanLine | ImageLine, outcome: Outcome | None, exposure: Exposure | None
) -> str:
    """Say what a scan without a finding is worth: others, or attacks, may stop the release."""
    exposed = exposure is not None and exposure.level in EXPOSED
    if outcome in (None, CLEAN):
        said = NOTHING_TO_DO if outcome == CLEAN and not exposed else NO_FINDING
    else:
        said = ALONE.format(outcome)
    consider = CONSIDER if line.condition == RAW else CONSIDER_AGAIN
    return f'{said} {consider}' if exposed else said


def _cut_brain(line: ScanLine | ImageLine) -> str:
    face = line.face_present in ('yes', 'unsure') or line.parts_left not in (None, 'none')
    if line.condition == RAW:
        return ORIGINAL if face else RAW_BRAIN
    return FACE_AND_BRAIN if face else BRAIN


def lead(versions: Sequence[Version], others: Sequence[Version] = ()) -> str:
    """Say in a sentence what becomes of a participant's scans, and of ``others`` in the release.

    >>> lead([])
    'None of these scans has a result that counts.'
    """
    if not versions and not others:
        return 'None of these scans has a result that counts.'
    everything = [*versions, *others]
    released = [one for one in everything if one.in_release is not False]
    if not released:
        return 'None of these scans is in the release.'
    known = any(one.in_release for one in everything)
    numbers = Counter[str](one.verdict for one in released)
    scans = words.count(len(released), 'image' if others else 'scan') + (
        ' in the release' if known else ''
    )
    said = [
        f'{numbers[verdict]:,} {texts[numbers[verdict] > 1]}'
        for verdict, texts in COUNTS.items()
        if numbers[verdict]
    ]
    return f'This participant has {scans}: {", ".join(said)}.'


def exposure_note(versions: Iterable[Version]) -> str:
    """Say what exposure is, or why it is not known."""
    if any(one.exposure for one in versions):
        return (
            'Exposure: how often free face recognition put photographs of this participant '
            'first among all participants.'
        )
    return 'Exposure is not known: the group level measures it, with photographs.'


def slots_of(version: Version) -> dict[str, str]:
    """Return the slots of a version: its row, and the head of its column."""
    return {
        f'row-{version.key}': render_page('participant_row.html.j2', one=version, why_not=''),
        f'mark-{version.key}': render_page('participant_mark.html.j2', one=version, why_not=''),
    }


def slots_of_uncounted(key: str, why_not: str) -> dict[str, str]:
    """Return the slots of a scan whose result does not count."""
    return {
        f'row-{key}': render_page('participant_row.html.j2', one=None, why_not=why_not),
        f'mark-{key}': render_page('participant_mark.html.j2', one=None, why_not=why_not),
    }


def page_slots(
    versions: Sequence[Version], others: Sequence[Version] = (), *, group_page: bool
) -> dict[str, str]:
    """Return the slots of a page above and below the scans.

    Parameters
    ----------
    versions, others : sequence of Version
        Of the scans, and of other images of the participant in the release.
    group_page : bool
        Whether there is one to lead to.
    """
    values: dict[str, Any] = {
        'lead': lead(versions, others),
        'note': exposure_note(versions),
        'group_page': group_page,
    }
    return {
        NAV: GROUP_PAGE if group_page else '',
        LEAD: render_page('participant_lead.html.j2', **values),
        OTHERS: render_page('participant_others.html.j2', others=others),
    }


def as_slots(contents: Mapping[str, str]) -> dict[str, Markup]:
    """Put the marks around contents by which `filled` finds them again."""
    # Markup is right: templates made the contents, and escaped every value
    return {name: Markup(_marked(name, text)) for name, text in contents.items()}  # noqa: S704


def slot_names(page: str) -> list[str]:
    """Return the names of the slots of a page."""
    return [found[1] for found in _SLOT.finditer(page)]


def slot_contents(page: str) -> dict[str, str]:
    """Return the contents of the slots of a page."""
    return {found[1]: found[2] for found in _SLOT.finditer(page)}


def filled(page: str, contents: Mapping[str, str]) -> str:
    """Replace the contents of a page's slots; those without new content stay."""
    return _SLOT.sub(lambda found: _marked(found[1], contents.get(found[1], found[2])), page)


def _marked(name: str, text: str) -> str:
    return f'<!-- slot {name} -->{text}<!-- /slot {name} -->'
