"""Whose scans are searched, with which photographs, by which extractors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from bids_reid.bids.head_images import misspelt_suffix
from bids_reid.bids.image_records import has_looks
from bids_reid.bids.inputs import check_chosen, dataset_participants
from bids_reid.bids.layout import scan_files
from bids_reid.bids.participants_table import participant_variables
from bids_reid.bids.ratings import read_ratings
from bids_reid.errors import NoInputError, NothingSelectedError, UsageError
from bids_reid.faces.extractors import load_extractor
from bids_reid.group.account import survey, tell_uncounted
from bids_reid.group.given_photographs import GivenPhotographs, read_photographs
from bids_reid.group.reviews import read_reviews
from bids_reid.messages import count, logger, say_not_run
from bids_reid.participant.library import read_scans, searchable_extractors, select_scans
from bids_reid.records import RAW, TOGETHER
from bids_reid.suggestions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bids_reid.bids.ratings import RatingFile
    from bids_reid.group.account import Survey
    from bids_reid.group.reviews import Review
    from bids_reid.participant.content import ScanLine
    from bids_reid.participant.library import EnrolledScan
    from bids_reid.records import Photo
    from bids_reid.settings import Settings


@dataclass(frozen=True, slots=True)
class Choice:
    """Whose scans are searched: labels without prefix; no session or modality means all of them.

    ``dataset`` holds all participants of the dataset: a photograph of anybody else is a
    distractor, and only that. ``audited`` is the condition that is to be shared, ``refaced`` those
    whose faces were replaced. ``max_risk`` and ``max_findings`` are the limits, ``None`` if they
    were not given. ``variables`` are the columns of participants.tsv to break rates down by (name
    to participant to value), ``seed`` that of all random draws.
    """

    dataset: tuple[str, ...]
    participants: tuple[str, ...]
    sessions: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    audited: str = RAW
    refaced: tuple[str, ...] = ()
    max_risk: float | None = None
    max_findings: float | None = None
    variables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Selection:
    """The material of the group level.

    ``scans`` are those chosen whose results count, ``survey`` says what the release holds and
    ``counted`` are the scans of everybody whose results count: the account knows no filter.
    ``photos`` is ``None`` if there are none; those of distractors are as `STRANGER` says.
    ``given`` holds them and those of people left out, and what was found out about their labels.
    ``reviews`` and ``ratings`` are of images that a person has looked at.
    ``others`` are the scans of an earlier output that this run's are linked with, and
    ``other_name`` is the name of its folder.
    """

    choice: Choice
    scans: tuple[EnrolledScan, ...]
    photos: tuple[Photo, ...] | None = None
    others: tuple[EnrolledScan, ...] = ()
    other_name: str = ''
    survey: Survey = field(kw_only=True)
    counted: tuple[EnrolledScan, ...] = ()
    reviews: Mapping[str, Review] = field(default_factory=dict)
    ratings: tuple[RatingFile, ...] = ()
    given: GivenPhotographs | None = None


def select(settings: Settings, others: Sequence[EnrolledScan] = ()) -> Selection:
    """Read the scans of the output folder once and choose among them and the photographs.

    Raises
    ------
    NoInputError
        The participant level left nothing.
    NothingSelectedError
        Nobody is chosen, or a condition asked for has no result.
    UsageError
        Something is wrong with the photographs.
    """
    enrolled = _enrolled(settings)
    found, counted = survey(settings, enrolled)
    tell_uncounted(found.uncounted)
    choice = _choice(settings, [scan.line for scan in enrolled])
    # without photographs the release is audited all the same: its images have rows with reasons
    nobody = not counted and settings.photos is None
    scans = [] if nobody else _selected(settings.output_dir, counted, choice)
    _check_conditions(choice, scans, settings)
    photos, given = None, None
    if settings.photos is not None:
        left_out = set(choice.dataset) - set(choice.participants)
        given = read_photographs(settings, settings.photos, choice.dataset)
        photos = tuple(photo for photo in given.photos if photo.participant not in left_out)
    name = '' if settings.against is None else settings.against.resolve().name
    return Selection(
        choice,
        tuple(scans),
        survey=found,
        counted=tuple(counted),
        reviews=read_reviews(settings.reviewed),
        ratings=read_ratings(settings.output_dir),
        photos=photos,
        given=given,
        others=tuple(others),
        other_name=name,
    )


def _enrolled(settings: Settings) -> list[EnrolledScan]:
    """Read the scans; there may be none if only other images were checked for faces.

    Raises
    ------
    NoInputError
        The participant level left nothing, or something of an older version.
    """
    audit_only = settings.photos is None and has_looks(settings.output_dir)
    if audit_only and not scan_files(settings.output_dir):
        return []
    return read_scans(settings.output_dir, needed=settings.parts)


def _selected(
    output_dir: Path, counted: Sequence[EnrolledScan], choice: Choice
) -> list[EnrolledScan]:
    return select_scans(
        output_dir,
        counted,
        choice.participants,
        choice.sessions,
        choice.modalities,
        choice.conditions,
    )


def read_against(settings: Settings) -> list[EnrolledScan]:
    """Read the scans of ``--against`` before the long search.

    Raises
    ------
    UsageError
        It is ``output_dir``, whose scans are linked with each other anyway.
    NoInputError
        It holds no results of the participant level, or those of an older version.
    NothingSelectedError
        It has none of the modalities asked for.
    """
    if settings.against is None:
        return []
    if settings.against.resolve() == settings.output_dir.resolve():
        raise UsageError(
            '--against names output_dir, whose scans are compared with each other anyway: name '
            'the output of an earlier run'
        )
    return read_scans(settings.against, modalities=settings.modalities)


@dataclass(frozen=True, slots=True)
class Team:
    """Extractors that search together: one, or several whose scores are fused."""

    members: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of the extractor, or all of them, as in the tables."""
        return TOGETHER.join(self.members)


@dataclass(frozen=True, slots=True)
class Extractors:
    """Which extractors are used.

    Attributes
    ----------
    searching
        Search with photographs.
    linking
        Link scans.
    reasons
        Why each extractor that cannot search these scans cannot.
    """

    searching: tuple[str, ...]
    linking: tuple[str, ...]
    reasons: Mapping[str, str]

    @property
    def teams(self) -> tuple[Team, ...]:
        """Each extractor that searches, and all with different networks of vectors together."""
        return _teams(self.searching)


@cache
def _teams(searching: tuple[str, ...]) -> tuple[Team, ...]:
    """Ask each extractor once: what one says of itself may change during a run."""
    networks: dict[str, str] = {}
    for name in searching:
        if load_extractor(name).kind == 'vector':
            networks.setdefault(_network(name), name)
    together = [Team(tuple(networks.values()))] if len(networks) > 1 else []
    return (*(Team((name,)) for name in searching), *together)


def _network(extractor: str) -> str:
    """Return what tells a network from others: two names for one count once."""
    model = load_extractor(extractor)
    return (
        extractor
        if model.available().why_not
        else model.identity().get('WeightsSHA256', extractor)
    )


def choose_extractors(settings: Settings, scans: Sequence[EnrolledScan]) -> Extractors:
    """Take the extractors asked for, or all that can search these scans.

    Raises
    ------
    NoInputError
        None can.
    """
    if not scans:
        return Extractors((), (), {})
    searchable, reasons = searchable_extractors(scans, allow_network=settings.allow_network)
    photographs = settings.photos is not None
    searching = (settings.extractors or searchable) if photographs else ()
    if not settings.extractors:
        if photographs:
            logger.info(f'extractors: {", ".join(searching) or "none"}')
        say_not_run(reasons)
    if photographs and not searching:
        raise NoInputError(
            f'no extractor can search {settings.output_dir}: run the participant level again'
        )
    linking = tuple(name for name in searchable if load_extractor(name).kind == 'vector')
    return Extractors(searching, linking, reasons)


def announce(selection: Selection) -> None:
    """Tell which scans are searched: a misspelt label or a missing result shows here."""
    choice, photos = selection.choice, selection.photos
    if not selection.scans:
        logger.info('group level: no head scans; only the images of the release are assessed')
        return
    processed = {scan.line.participant for scan in selection.scans}
    scans = count(len(selection.scans), 'scan')
    searched = f'{scans} of {count(len(processed), "participant")}'
    if photos is None:
        logger.info(f'group level: {searched}, no photographs')
    else:
        mated = Counter(p.participant for p in photos if p.participant in processed)
        strangers = sum(not photo.participant for photo in photos)
        logger.info(
            f'group level: {searched}; {count(mated.total(), "photograph")} of '
            f'{count(len(mated), "participant")}, {strangers:,} of distractors'
        )
    for note in selection.given.notes if selection.given is not None else ():
        logger.info(note)
    missing = sorted(set(choice.participants) - processed)
    if missing:
        people = count(len(missing), 'participant')
        have, are = ('has', 'is') if len(missing) == 1 else ('have', 'are')
        logger.info(
            f'{people} of the dataset {have} no result of the participant level and {are} left '
            f'out of all rates: sub-{", sub-".join(missing)}'
        )


def _check_conditions(choice: Choice, scans: Sequence[EnrolledScan], settings: Settings) -> None:
    """Find out whether there are results of every condition asked for.

    Raises
    ------
    NothingSelectedError
        There are none of one: an audit without it would be one of something else.
    """
    present = {scan.line.condition for scan in scans}
    audited = [choice.audited] if settings.audit is not None else []
    for name in (*choice.conditions[1:], *audited, *choice.refaced):
        if name not in present:
            hint = did_you_mean(name, present)
            raise NothingSelectedError(
                f'{settings.output_dir} holds no results of {name} that pass the filters'
                f'{hint or f": run the participant level with -d {name}=DIR"}'
            )


def _check_sessions(settings: Settings, lines: Sequence[ScanLine]) -> None:
    """Find out whether there are results of the sessions and modalities asked for.

    Raises
    ------
    NothingSelectedError
        There are none of a session: it may be misspelt.
    """
    known = {line.session for line in lines}
    unknown = [f'ses-{label}' for label in settings.sessions if label not in known]
    if unknown and lines:
        raise NothingSelectedError(
            f'{settings.output_dir} holds no results of {", ".join(unknown)}'
        )
    modalities = {line.modality for line in lines}
    missing = [name for name in settings.modalities if name not in modalities]
    if lines and missing:
        said = f'there are no results of {", ".join(missing)} in {settings.output_dir}'
        said = f'{said}, which has {", ".join(sorted(modalities))}'
        hint = misspelt_suffix(missing[0], modalities.difference(settings.modalities))
        if len(missing) == len(settings.modalities):
            raise NothingSelectedError(f'{said}{hint}')
        logger.info(said)


def _choice(settings: Settings, lines: Sequence[ScanLine]) -> Choice:
    """Choose whose scans are searched: results of people who left the dataset are not.

    Raises
    ------
    NothingSelectedError
        A participant named is not in the dataset, or nobody has a result of a session.
    """
    processed = {line.participant for line in lines}
    # the group level needs no raw images: without them the results tell who is in the dataset
    dataset = dataset_participants(settings.bids_dir) or processed
    check_chosen(settings.bids_dir, settings.participants, dataset)
    _check_sessions(settings, lines)
    gone = processed - dataset
    if gone:
        logger.info(
            'left out because they are no longer in the dataset: '
            f'sub-{", sub-".join(sorted(gone))} '
            f'(delete their results in {settings.output_dir})'
        )
    participants = settings.participants or tuple(sorted(dataset))
    return Choice(
        dataset=tuple(sorted(dataset)),
        participants=participants,
        sessions=settings.sessions,
        modalities=settings.modalities,
        conditions=tuple(settings.datasets) if settings.derivatives else (),
        audited=settings.audited,
        refaced=settings.refaced,
        max_risk=settings.max_risk,
        max_findings=settings.max_findings,
        variables=participant_variables(
            settings.bids_dir, settings.breakdown, dataset, logger.info
        ),
        seed=settings.seed,
    )
