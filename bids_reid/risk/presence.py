"""Presence: whether there is a face on a scan, and what its curator should do about it.

Each part of a face is judged from its own traces (`bids_reid.surface.traces`) by a fitted model
(:mod:`bids_reid.risk.part_model`): left, removed, not in the image, or not clear. Nothing outside
the field of view can be disclosed. A scan has no findings if every part in the image that
identifies is removed, and neither the plain shape of the skin nor the detectors, which are asked
about whole faces, say otherwise. What was measured is judged here, so that limits may change
without measuring again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from bids_reid.records import IDENTIFYING, PART_NAMES
from bids_reid.risk.part_model import image_inputs, kind_of, part_model, probability_left
from bids_reid.surface.parts import MIN_IN_VIEW, TOP
from bids_reid.surface.simple_shapes import NOT_A_HEAD

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from bids_reid.records import (
        BrainCut,
        FaceEvidence,
        ImageRecord,
        PictureFaces,
        ScanMeasures,
    )

Answer = Literal['yes', 'no', 'unsure']
PartAnswer = Literal['left', 'removed', 'not in the image', 'cannot tell']
Verdict = Literal['no findings', 'review', 'could not assess', 'not looked at']

YES_SCORE = 0.9
"""Lowest score at which a face is present."""
SOME_SCORE = 0.35
"""Lowest score at which the model alone indicates a face in an image of a doubtful size."""
YES_SHARE = 0.5
"""Share of the identifying parts that must be left for a whole face."""
YES_HALVES = 0.7
"""Score of the HOG detector about the better half of a face that is there: real tools leave up to
half of it, whole faces have twice as much."""
SURE_HOG, SURE_CNN = 1.0, 0.6
"""If both detectors are this sure of a face, the image cannot be cleared."""
COVERED, BEHIND_MM, MIN_CORE_IN_VIEW = 0.85, 4.0, 0.3
"""Limits for skin with the plain shape of a face.

Share of eyes, nose and mouth near the average's, distance behind it, and share in view.
"""
WORST_HEAD_LOSS = 1.3
"""What fits the average head worse, and does not tell where a face should be, is hardly a head.

Measured: heads with a face 0.15 to 0.84, a bare brain 1.14, de-faced heads 1.0 to 1.4, of which
all above 1.2 tell where their face was; bottles and phantoms 1.36 to 2.0, a spine and a pineapple
1.5.
A knee (1.12) and a melon (1.09) count as heads here.
"""
MAX_NOISE = 0.25
MAX_EDGE_MM = 2.5
"""A noisier or more blurred skin may hide a face from the detectors."""
BRAIN_CM2 = (5.0, 12.0)
"""Area of cut brain: no sign below the first value, a warning from the second on."""
BRAIN_SIZE_LITRES = (0.7, 2.4)
BARE_BRAIN_CM2 = 150.0
"""With more bare brain than this the scan was skull-stripped, not cut."""

REMOVED = 'none of the face parts that must be removed is left'
PRESENT = 'the image shows a face'
PARTLY = 'part of a face may be left'
SKULL_STRIPPED = (
    'no skin found: the surface is folded like a brain, so the scan appears to be skull-stripped'
)
OUT_OF_VIEW = 'the image contains none of the face parts that must be removed'
UNTRUSTED = (
    'no face was found, but the program could not tell where a face would be: inspect the image'
)
POOR = 'no face was found, but the surface is too noisy or blurred to be sure'
NOT_MEASURED = 'no face was found, but only the shape was checked: run the participant level again'
NO_FACE_SHAPE = 'the surface does not have the shape of a face'
BRAIN_SHAPE = 'the surface has the shape of a brain, not of a face'
PART = 'only the upper part of the imaged body was checked: inspect the whole image'
HARDLY_A_HEAD = 'the shape is hardly that of a head'
BARE = 'the brain surface is exposed all around: the scan appears to be skull-stripped'
BRAIN = 'the cut appears to go through brain tissue'
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
"""Images with finer voxels do not count as such series, whatever the file name."""
ECHO_PLANAR_REASON = (
    'no face was found on this functional or diffusion image; a published attack recognised 0 to '
    '2% of 182 people from such images (Schwarz 2023)'
)


@dataclass(frozen=True, slots=True)
class Presence:
    """The judgement of a scan: columns of ``group_images.tsv``; ``None`` is ``n/a``.

    Attributes
    ----------
    face_present : str or None
        ``yes``, ``no`` or ``unsure``.
    face_score : float or None
        The model's probability that a part that must be removed is left.
    verdict : str
        ``no findings``, ``review``, ``could not assess`` or ``not looked at``.
    brain_loss : str or None
        A warning that brain was cut: ``yes``, ``no`` or ``unsure``.
    reason : str
        Why the verdict is as it is, in words.
    parts : mapping of str to str
        The answer for each part of a face: ``left``, ``removed``, ``not in the image`` or
        ``cannot tell``. Empty if no part was measured.
    """

    face_present: Answer | None
    face_score: float | None
    verdict: Verdict
    brain_loss: Answer | None
    reason: str
    parts: Mapping[str, PartAnswer] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Write the judgement for a person who reads it in a notebook."""
        score = 'n/a' if self.face_score is None else f'{self.face_score:.2f}'
        return (
            f'Presence(verdict={self.verdict!r}, face_present={self.face_present!r}, '
            f'face_score={score}, parts_left={self.parts_left!r}, '
            f'brain_loss={self.brain_loss!r}, reason={self.reason!r})'
        )

    @property
    def parts_left(self) -> str | None:
        """Names of the parts that are left, ``none`` if none is."""
        return self.named('left')

    @property
    def parts_unclear(self) -> str | None:
        """Names of the parts of which it is not clear, ``none`` if there are none."""
        return self.named('cannot tell')

    def named(self, answer: PartAnswer) -> str | None:
        """Name the parts with an answer; ``None`` if no part was measured."""
        if not self.parts:
            return None
        return ', '.join(name for name, one in self.parts.items() if one == answer) or 'none'


def assess(
    scan: ScanMeasures | None,
    failure: str | None = None,
    needed: Collection[str] = IDENTIFYING,
) -> Presence:
    """Judge a scan: whether there is a face, and what its curator should do.

    Parameters
    ----------
    scan : ScanMeasures or None
        ``None`` if it could not be processed.
    failure : str, optional
        Why it could not.
    needed : collection of str
        Parts that have to be removed, by their names in `bids_reid.records.PART_NAMES`.
    """
    if scan is None:
        reason = failure or 'the scan could not be processed'
        return Presence(None, None, 'could not assess', None, reason)
    shape = next((note for note in scan.notes if note.startswith(NOT_A_HEAD)), None)
    if shape is not None and not _detected(scan.face_evidence):
        return Presence(None, None, 'could not assess', None, f'{shape}: inspect it yourself')
    return _of_a_part(scan, _assessed(scan, needed))


def _of_a_part(scan: ScanMeasures, presence: Presence) -> Presence:
    """Nothing found at the top of a body clears it only where that is a head for sure."""
    part = any(note.endswith(TOP) for note in scan.notes)
    known = _trusted(scan) and not scan.skull_stripped
    if not part or known or presence.verdict != 'no findings':
        return presence
    return replace(presence, verdict='could not assess', reason=f'{presence.reason}; {PART}')


def _assessed(scan: ScanMeasures, needed: Collection[str]) -> Presence:
    if scan.skull_stripped:
        verdict, reason = _verdict_of_brain(scan)
        return Presence('no', 0.0, verdict, None, reason)
    brain: Answer | None = _brain_loss(scan.brain_cut)
    parts = _answers(scan)
    judged = {name: parts[name] for name in _names(needed) if name in parts}
    score = _score(scan, judged)
    answer = _answer(scan, judged, score)
    verdict, reason = _verdict(scan, answer, judged)
    if not _trusted(scan) and scan.face.head_loss > WORST_HEAD_LOSS:
        # nobody knows where the brain of such a thing should be
        brain, reason = None, f'{reason}; {HARDLY_A_HEAD}'
    elif scan.brain_cut.cut_cm2 > BARE_BRAIN_CM2:
        brain, reason = None, f'{reason}; {BARE}'
    elif brain == 'yes':
        verdict, reason = 'review', f'{reason}; {BRAIN}'
    return Presence(answer, round(score, 3), verdict, brain, reason, parts)


def _names(needed: Collection[str]) -> list[str]:
    return [part for name in needed for part in PART_NAMES[name]]


def _answers(scan: ScanMeasures) -> dict[str, PartAnswer]:
    """Judge each part; none is removed if nobody knows where the face should be."""
    model = part_model()
    answers: dict[str, PartAnswer] = {}
    for trace in scan.face_parts:
        probability = probability_left(trace, scan.half_faces)
        if probability is None:
            shown = trace.in_view >= MIN_IN_VIEW
            answers[trace.name] = 'cannot tell' if shown else 'not in the image'
        elif probability >= model.left:
            answers[trace.name] = 'left'
        else:
            removed = probability <= model.removed[kind_of(trace.name)] and _trusted(scan)
            answers[trace.name] = 'removed' if removed else 'cannot tell'
    return answers


def _trusted(scan: ScanMeasures) -> bool:
    """Whether it is known where the face should be."""
    return scan.face_frame.off_mm is not None


def _score(scan: ScanMeasures, judged: Collection[str]) -> float:
    """Probability that any of the parts is left; 0 if none of them is in the image."""
    found = _probabilities(scan, judged)
    if not found:
        return 0.0
    return part_model().image.probability(image_inputs(list(found.values()), scan.half_faces))


def _probabilities(scan: ScanMeasures, names: Collection[str]) -> dict[str, float]:
    """Probability that each of the named parts is left, of those that were measured."""
    return {
        trace.name: probability
        for trace in scan.face_parts
        if trace.name in names
        and (probability := probability_left(trace, scan.half_faces)) is not None
    }


def _answer(scan: ScanMeasures, judged: Mapping[str, PartAnswer], score: float) -> Answer:
    if _only_a_brain(scan):
        return 'no'
    shown = [answer for answer in judged.values() if answer != 'not in the image']
    halves = scan.half_faces
    seen = halves is None or (halves.hog is not None and halves.hog >= YES_HALVES)
    left = shown.count('left')
    if shown and score >= YES_SCORE and left >= YES_SHARE * len(shown) and seen:
        return 'yes'
    if left or score > part_model().clear or _detected(scan.face_evidence):
        return 'unsure'
    if _plain_face(scan) and shown:
        return 'unsure'
    return 'unsure' if 'cannot tell' in shown and _trusted(scan) else 'no'


def speaks_for_a_face(scan: ScanMeasures) -> bool:
    """Whether the model, both detectors, or the plain shape of the skin speak for a face."""
    score = assess(scan).face_score or 0.0
    return score >= SOME_SCORE or _detected(scan.face_evidence) or _plain_face(scan)


def _speaks_for_a_part(scan: ScanMeasures, needed: Collection[str]) -> bool:
    """Whether a part that has to be removed is more probable than removed ones are."""
    limits, found = part_model().removed, _probabilities(scan, _names(needed))
    return any(probability > limits[kind_of(name)] for name, probability in found.items())


def _detected(evidence: FaceEvidence | None) -> bool:
    """Whether both detectors are sure of a face: one alone fires at what tools leave."""
    if evidence is None:
        return False
    return (evidence.hog or 0.0) >= SURE_HOG and (evidence.cnn or 0.0) >= SURE_CNN


def _plain_face(scan: ScanMeasures) -> bool:
    """Whether skin lies where the average's face does, of which enough is in the image."""
    face, in_view = scan.face, scan.surface_quality.face_core_in_view
    near = face.face_covered >= COVERED and (face.face_behind_mm or 0.0) < BEHIND_MM
    return near and in_view >= MIN_CORE_IN_VIEW


def _verdict(
    scan: ScanMeasures, answer: Answer, judged: Mapping[str, PartAnswer]
) -> tuple[Verdict, str]:
    """No face found is good news only where a face could have been seen."""
    if answer != 'no':
        return 'review', PRESENT if answer == 'yes' else _partly(judged)
    if scan.face_evidence is None or not judged:
        return 'could not assess', NOT_MEASURED
    if not _trusted(scan) or _poor(scan):
        return 'could not assess', POOR if _poor(scan) else UNTRUSTED
    outside = [name for name, one in judged.items() if one == 'not in the image']
    if len(outside) == len(judged):
        return 'no findings', OUT_OF_VIEW
    more = f' (not in the image: {", ".join(outside)})' if outside else ''
    return 'no findings', REMOVED + more


def _partly(judged: Mapping[str, PartAnswer]) -> str:
    """Say which parts may be left."""
    left = [name for name, answer in judged.items() if answer == 'left']
    unclear = [name for name, answer in judged.items() if answer == 'cannot tell']
    named = [f'still there: {_pairs(left)}'] if left else []
    if unclear:
        named.append(f'unclear: {_pairs(unclear)}')
    return f'{PARTLY} ({"; ".join(named)})' if named else PARTLY


def _pairs(names: list[str]) -> str:
    """Join names of parts; both eyes are one.

    >>> _pairs(['brow', 'left eye', 'right eye', 'left ear'])
    'brow, both eyes, left ear'
    """
    both = {
        part: f'both {name}'
        for name, sides in PART_NAMES.items()
        for part in sides
        if len(sides) > 1 and set(sides) <= set(names)
    }
    return ', '.join(dict.fromkeys(both.get(name, name) for name in names))


def assess_image(
    record: ImageRecord, suffix: str | None, needed: Collection[str] = IDENTIFYING
) -> Presence:
    """Judge an image that was checked for faces but has no templates.

    Parameters
    ----------
    record : ImageRecord
        What the look gave.
    suffix : str or None
        Of its name in BIDS: functional and diffusion images in which no face is seen need no
        sharper look, if their voxels are as large as theirs.
    """
    reason = record.reason or 'the image could not be checked'
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
    headed = record.kind == 'head volume'
    presence = (
        assess(record.measures, needed=needed)
        if headed
        else _of_a_part(record.measures, _assessed(record.measures, needed))
    )
    nowhere = presence.reason.startswith(UNTRUSTED)
    nowhere &= not _speaks_for_a_part(record.measures, needed)
    nowhere |= presence.face_present == 'no' and _only_a_brain(record.measures)
    if not headed and (presence.verdict == 'no findings' or nowhere):
        # nobody knows where the face of something else should be
        brain = presence.reason == SKULL_STRIPPED or _brain_sized(record.measures)
        reason = BRAIN_SHAPE if brain else NO_FACE_SHAPE
        presence = replace(presence, face_present='no', verdict='no findings', reason=reason)
    presence = _of_a_part(record.measures, presence)
    coarse = min(record.measures.voxel_size, default=0.0) >= ECHO_PLANAR_MM
    unseen = presence.verdict == 'could not assess' and not speaks_for_a_face(record.measures)
    if unseen and suffix in ECHO_PLANAR and coarse:
        presence = replace(presence, verdict='no findings', reason=ECHO_PLANAR_REASON)
    if record.reason is not None:
        presence = replace(presence, reason=f'{presence.reason}; {record.reason}')
    return presence


def _of_pictures(faces: PictureFaces, reason: str | None) -> Presence:
    """Judge pictures by what detectors said of them."""
    n, more = faces.n_pictures, '' if reason is None else f'; {reason}'
    if faces.n_with_face:
        shown = 'the picture shows' if n == 1 else f'{faces.n_with_face} of {n} pictures show'
        return Presence('yes', 1.0, 'review', None, f'{shown} a face{more}')
    if faces.n_unreadable:
        n_all = n + faces.n_unreadable
        unread = f'{faces.n_unreadable} of the {n_all} pictures' if n_all > 1 else 'the picture'
        return Presence(None, None, 'could not assess', None, f'{unread} cannot be read{more}')
    if not n:
        seen = f'no readable picture was found{more}'
        return Presence(None, None, 'could not assess', None, seen)
    where = 'the picture' if n == 1 else f'any of {n} pictures'
    return Presence('no', 0.0, 'no findings', None, f'no face was found in {where}{more}')


def _only_a_brain(scan: ScanMeasures) -> bool:
    """Whether a shape of a brain's size, of which nobody knows where its face should be, has none.

    Parts may follow any bumps of a brain; detectors see no face there.
    """
    return _brain_sized(scan) and not _trusted(scan) and not _detected(scan.face_evidence)


def _brain_sized(scan: ScanMeasures) -> bool:
    low, high = BRAIN_SIZE_LITRES
    return low <= scan.volume_litres <= high


def _verdict_of_brain(scan: ScanMeasures) -> tuple[Verdict, str]:
    """What is taken for the folds of a brain may be noise."""
    if _poor(scan):
        reason = f'{SKULL_STRIPPED}, but the surface is too noisy or blurred to be sure'
        return 'could not assess', reason
    return 'no findings', SKULL_STRIPPED


def _poor(scan: ScanMeasures) -> bool:
    """Whether noise or blur may hide what is there."""
    quality = scan.surface_quality
    return quality.relative_noise > MAX_NOISE or quality.edge_blur_mm > MAX_EDGE_MM


def _brain_loss(brain: BrainCut) -> Answer:
    none, warning = BRAIN_CM2
    if brain.cut_cm2 < none:
        return 'no'
    return 'yes' if brain.cut_cm2 >= warning else 'unsure'
