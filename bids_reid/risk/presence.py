"""Presence: whether there is a face on a scan, and what its curator should do about it.

What is measured (geometry, detectors, landmarks; :mod:`bids_reid.surface.relief`,
:mod:`bids_reid.faces.evidence`) is judged here, so that limits may change without measuring again.

Each measure counts from 0 (as on scans without a face) to 1 (as on whole faces), linearly between
two limits. The score is the weighted mean of geometry and detectors; ``yes`` and ``no`` ask for
both: one alone that says the contrary makes it ``unsure``. The limits were chosen on some of
the synthetic people of ``benchmarks/presence.py``, and are reported on the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from bids_reid.records import (
        BrainCut,
        FaceEvidence,
        FaceRelief,
        ImageRecord,
        PictureFaces,
        ScanMeasures,
    )

Answer = Literal['yes', 'no', 'unsure']
Verdict = Literal['no findings', 'review', 'could not assess', 'not looked at']
Limits = tuple[float, float]

ANSWERS = ('left', 'removed', 'not in the image', 'cannot tell')
"""Answers about a part of a face."""

COVERED: Limits = (0.4, 0.75)
"""Share of eyes, nose and mouth that have skin near the average's."""
BEHIND_MM: Limits = (12.0, 5.0)
CORRELATION: Limits = (0.3, 0.5)
FLAT: Limits = (0.6, 0.35)
STEPS: Limits = (0.04, 0.02)
GAIN: Limits = (0.2, 0.7)
HOG: Limits = (0.0, 1.5)
CNN: Limits = (0.0, 0.8)
OFF_MM: Limits = (14.0, 8.0)
APART_MM: Limits = (9.0, 5.5)
GEOMETRY_WEIGHT = 0.6
YES_SCORE, NO_SCORE = 0.7, 0.35
YES_GEOMETRY = 0.7
YES_DETECTORS = 0.6
"""A mask filled with noise keeps the form of a face's outside, which no detector is sure of."""
SURE_DETECTORS = 0.35
"""Detectors and landmarks that agree so well keep a scan from ``no``."""
PART_LEFT = 0.85
"""With so much of the skin of eyes, nose or mouth in its place, a part of a face is left."""
MIN_CORE_IN_VIEW = 0.1
WHOLE_CORE_IN_VIEW = 0.9
"""With less of eyes, nose and mouth in view, that no face was found says nothing."""
MAX_NOISE = 0.25
MAX_EDGE_MM = 2.5
"""A noisier or more blurred skin may hide a face from what looks for one."""
BRAIN_CM2 = (5.0, 12.0)
"""Area of cut brain: none below the first, a warning from the second on."""
BRAIN_SIZE_LITRES = (0.7, 2.2)
BARE_BRAIN_CM2 = 150.0
"""So much bare brain was not cut: the skull was stripped."""

REMOVED = 'no skin where eyes, nose and mouth should be: the face seems to be removed'
PRESENT = 'a face is there; only linkage or photographs can tell whose'
PARTLY = 'a part of a face may be left'
SKULL_STRIPPED = (
    'no skin: the surface is folded like a brain, so the scan is taken for skull-stripped'
)
OUT_OF_VIEW = 'eyes, nose and mouth lie outside the field of view'
CUT_VIEW = 'no face was found, but the field of view ends where it should be'
POOR = 'no face was found, but the surface is too poor to tell'
NOT_MEASURED = 'no face was found, by its shape alone: run the participant level again'
NO_FACE_SHAPE = 'it does not have the shape of a face'
BRAIN_SHAPE = 'it has the shape of a brain, not of a face'
BARE = 'brain lies bare all around: the scan seems to be skull-stripped'
BRAIN = 'brain seems to be cut at the removed boundary'
ECHO_PLANAR = frozenset(
    {
        *('bold', 'boldref', 'cbv', 'sbref', 'phase', 'epi'),
        *('dwi', 'dwiref', 'ADC', 'FA', 'TRACE', 'colFA', 'expADC', 'S0map'),
    }
)
"""Suffixes of functional and diffusion series, and of maps that scanners make of them.

They are echo-planar images: where the face is, they are distorted and dark. An attack published on
nine kinds of images recognised 0 to 2% of 182 people from functional and diffusion ones, but 8%
from arterial spin labelling and 10% from gradient echoes (Schwarz and others, Face recognition
from research brain PET and MRI, 2023), which are no exception here, nor are field maps.
"""
ECHO_PLANAR_MM = 1.4
"""Finer voxels are no such series, whatever the file is called."""
ECHO_PLANAR_REASON = (
    'no face is seen on this functional or diffusion image; a published attack recognised '
    '0 to 2% of 182 people from such images (Schwarz 2023)'
)


@dataclass(frozen=True, slots=True)
class Presence:
    """The judgement of a scan: columns of ``group_images.tsv``; ``None`` is ``n/a``.

    ``face_score`` is 0 without a face and 1 with one; ``brain_loss`` warns of brain that was cut.
    ``parts_left`` names those of eyes, nose and mouth whose skin is in its place, ``none`` if that
    was measured and none is; ``None`` where it was not. ``parts`` has an answer of `ANSWERS` per
    part of `bids_reid.surface.parts.PARTS`; it is empty where nothing was measured.
    """

    face_present: Answer | None
    face_score: float | None
    verdict: Verdict
    brain_loss: Answer | None
    reason: str
    parts_left: str | None = None
    parts: Mapping[str, str] = field(default_factory=dict)


def assess(scan: ScanMeasures | None, failure: str | None = None) -> Presence:
    """Judge a scan: whether there is a face, and what its curator should do.

    Parameters
    ----------
    scan : ScanMeasures or None
        ``None`` if it could not be processed.
    failure : str, optional
        Why it could not.
    """
    if scan is None:
        reason = failure or 'the scan could not be processed'
        return Presence(None, None, 'could not assess', None, reason)
    if scan.skull_stripped:
        verdict, reason = _verdict_of_brain(scan)
        return Presence('no', 0.0, verdict, None, reason, 'none')
    brain: Answer | None = _brain_loss(scan.brain_cut)
    parts = parts_left(scan.face_relief)
    in_view = _in_view(scan)
    if in_view < MIN_CORE_IN_VIEW:
        return Presence('no', 0.0, 'could not assess', brain, OUT_OF_VIEW, parts)
    geometry, detectors = _geometry(scan), _detectors(scan.face_evidence)
    score = geometry
    if detectors is not None and in_view >= WHOLE_CORE_IN_VIEW:
        # detectors know whole faces only: what they miss of a cut one counts for nothing
        score = GEOMETRY_WEIGHT * geometry + (1 - GEOMETRY_WEIGHT) * detectors
    else:
        detectors = None
    answer = _answer(score, geometry, detectors, _largest_part(scan.face_relief))
    verdict, reason = _verdict(scan, answer, in_view)
    if scan.brain_cut.cut_cm2 > BARE_BRAIN_CM2:
        brain, reason = None, f'{reason}; {BARE}'
    elif brain == 'yes':
        verdict, reason = 'review', f'{reason}; {BRAIN}'
    return Presence(answer, round(score, 3), verdict, brain, reason, parts)


def parts_left(relief: FaceRelief) -> str | None:
    """Name the parts of a face whose skin is in its place."""
    shares = {'eyes': relief.eyes, 'nose': relief.nose, 'mouth': relief.mouth}
    if all(share is None for share in shares.values()):
        return None
    left = [part for part, share in shares.items() if share is not None and share >= PART_LEFT]
    return ', '.join(left) or 'none'


def assess_image(record: ImageRecord, suffix: str | None) -> Presence:
    """Judge an image that got a look only.

    Parameters
    ----------
    record : ImageRecord
        What the look gave.
    suffix : str or None
        Of its name in BIDS: functional and diffusion images in which no face is seen need no
        sharper look, if their voxels are as large as theirs.
    """
    reason = record.reason or 'it could not be looked at'
    if record.status == 'failed':
        closed = record.kind in {'archive', 'unreadable'}
        return Presence(
            None, None, 'not looked at' if closed else 'could not assess', None, reason
        )
    if record.status == 'not_needed':
        return Presence('no', None, 'no findings', None, reason)
    if record.faces is not None:
        return _of_pictures(record.faces, record.reason)
    if record.measures is None:
        return Presence(None, None, 'could not assess', None, reason)
    presence = assess(record.measures)
    if record.kind != 'head volume' and presence.reason in {REMOVED, SKULL_STRIPPED}:
        brain = presence.reason == SKULL_STRIPPED or _brain_sized(record.measures)
        presence = replace(presence, reason=BRAIN_SHAPE if brain else NO_FACE_SHAPE)
    coarse = min(record.measures.voxel_size, default=0.0) >= ECHO_PLANAR_MM
    if presence.verdict == 'could not assess' and suffix in ECHO_PLANAR and coarse:
        presence = replace(presence, verdict='no findings', reason=ECHO_PLANAR_REASON)
    if record.reason is not None:
        presence = replace(presence, reason=f'{presence.reason}; {record.reason}')
    return presence


def _of_pictures(faces: PictureFaces, reason: str | None) -> Presence:
    """Judge pictures by what detectors said of them."""
    n, more = faces.n_pictures, '' if reason is None else f'; {reason}'
    if faces.n_with_face:
        where = 'it' if n == 1 else f'{faces.n_with_face} of {n} pictures'
        return Presence('yes', 1.0, 'review', None, f'a face is seen on {where}{more}')
    if faces.n_unreadable:
        n_all = n + faces.n_unreadable
        unread = (
            f'{faces.n_unreadable} of its {n_all} pictures' if n_all > 1 else 'its only picture'
        )
        return Presence(None, None, 'could not assess', None, f'{unread} cannot be read{more}')
    if not n:
        return Presence(None, None, 'could not assess', None, f'no picture was seen{more}')
    where = 'it' if n == 1 else f'{n} pictures'
    return Presence('no', 0.0, 'no findings', None, f'no face is seen on {where}{more}')


def _brain_sized(scan: ScanMeasures) -> bool:
    low, high = BRAIN_SIZE_LITRES
    return low <= scan.volume_litres <= high


def _in_view(scan: ScanMeasures) -> float:
    """Share of eyes, nose and mouth in view, by the frame that was used: a fit may be rejected."""
    if scan.face_frame.source == 'face':
        return scan.surface_quality.face_core_in_view
    return scan.face_relief.in_view


def _answer(score: float, geometry: float, detectors: float | None, part: float) -> Answer:
    """``detectors`` is ``None`` if they were not asked, or know no face that is cut."""
    seen = detectors is None or detectors >= YES_DETECTORS
    if score >= YES_SCORE and geometry >= YES_GEOMETRY and seen:
        return 'yes'
    unseen = detectors is None or detectors < SURE_DETECTORS
    if score < NO_SCORE and unseen and part < PART_LEFT:
        return 'no'
    return 'unsure'


def _largest_part(relief: FaceRelief) -> float:
    """Share of its skin that the best kept of eyes, nose and mouth has in its place."""
    return max(share or 0.0 for share in (relief.eyes, relief.nose, relief.mouth))


def _verdict(scan: ScanMeasures, answer: Answer, in_view: float) -> tuple[Verdict, str]:
    """No face found is good news only where a face could have been seen."""
    if answer == 'yes':
        return 'review', PRESENT
    if answer == 'unsure':
        return 'review', PARTLY
    if in_view < WHOLE_CORE_IN_VIEW:
        return 'could not assess', CUT_VIEW
    if _poor(scan):
        return 'could not assess', POOR
    if scan.face_evidence is None:
        return 'could not assess', NOT_MEASURED
    return 'no findings', REMOVED


def _verdict_of_brain(scan: ScanMeasures) -> tuple[Verdict, str]:
    """What is taken for the folds of a brain may be noise."""
    if _poor(scan):
        return 'could not assess', f'{SKULL_STRIPPED}, but it is too poor to be sure'
    return 'no findings', SKULL_STRIPPED


def _poor(scan: ScanMeasures) -> bool:
    """Whether noise or blur may hide what is there."""
    quality = scan.surface_quality
    return quality.relative_noise > MAX_NOISE or quality.edge_blur_mm > MAX_EDGE_MM


def _geometry(scan: ScanMeasures) -> float:
    """Weakest of where the skin is, its relief, and whether it is a cut: each has to be right."""
    face, relief = scan.face, scan.face_relief
    parts = [_between(face.face_covered, COVERED)]
    # how far behind is known for what is in view only
    parts.append(1.0 if face.face_behind_mm is None else _between(face.face_behind_mm, BEHIND_MM))
    if relief.correlation is not None:
        parts.append(_between(relief.correlation, CORRELATION))
        parts.append(_between(relief.flat, FLAT))
        parts.append(0.5 + 0.5 * _between(relief.steps, STEPS))
        parts.append(0.4 + 0.6 * _between(relief.gain, GAIN))
    return min(parts)


def _detectors(evidence: FaceEvidence | None) -> float | None:
    """Mean of both detectors and of the landmarks; ``None`` if nobody was asked."""
    if evidence is None or not evidence.n_cameras:
        return None
    landmarks = 0.0
    if evidence.landmarks_off_mm is not None and evidence.landmarks_apart_mm is not None:
        landmarks = min(
            _between(evidence.landmarks_off_mm, OFF_MM),
            _between(evidence.landmarks_apart_mm, APART_MM),
        )
    return (_between(evidence.hog, HOG) + _between(evidence.cnn, CNN) + landmarks) / 3


def _brain_loss(brain: BrainCut) -> Answer:
    none, warning = BRAIN_CM2
    if brain.cut_cm2 < none:
        return 'no'
    return 'yes' if brain.cut_cm2 >= warning else 'unsure'


def _between(value: float | None, limits: Limits) -> float:
    """0 up to the first limit, 1 from the second on, which may be the smaller one."""
    if value is None:
        return 0.0
    low, high = limits
    return min(max((value - low) / (high - low), 0.0), 1.0)
