"""The group level: photographs search the templates that the participant level left."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from bids_reid.bids.description import prepare_output
from bids_reid.bids.files import read_json
from bids_reid.bids.inputs import (
    dataset_name,
    dataset_participants,
    has_image,
    participant_variables,
)
from bids_reid.bids.photos import find_photos
from bids_reid.engine.execution import forget, run_for_user
from bids_reid.engine.group_graph import init_group_wf
from bids_reid.errors import Exit, NoInputError, NothingSelectedError, ReidError, UsageError
from bids_reid.group.group_steps import (
    IDENTIFICATION_TABLES,
    Choice,
    read_reductions,
    read_rows,
)
from bids_reid.messages import logger, say_not_run
from bids_reid.participant.library import (
    EnrolledScan,
    read_scans,
    searchable_extractors,
    select_scans,
)
from bids_reid.report.findings import group_findings
from bids_reid.report.text import change_lines, rate_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bids_reid.participant.content import ScanLine
    from bids_reid.records import Photo
    from bids_reid.settings import Settings


def group_level(settings: Settings) -> Exit:
    """Search with the photographs, write the tables and the page, print the result."""
    found = read_scans(settings.output_dir)
    choice = _choice(settings, [scan.line for scan in found])
    scans = select_scans(
        settings.output_dir,
        found,
        choice.participants,
        choice.sessions,
        choice.modalities,
        choice.conditions,
    )
    _check_conditions(choice, scans, settings)
    photos = None
    if settings.photos is not None:
        left_out = set(choice.dataset) - set(choice.participants)
        photos = [p for p in find_photos(settings.photos) if p.participant not in left_out]
    _announce(scans, photos, choice)
    if settings.dry_run:
        return Exit.OK
    prepare_output(settings.output_dir, settings.bids_dir, settings.derivatives)
    rates = settings.output_dir / f'{IDENTIFICATION_TABLES[0]}.tsv'
    if photos is None and rates.exists():
        logger.info('rates of an earlier run are taken away: without --photos there are none')
    workflow = init_group_wf(
        output_dir=settings.output_dir,
        dataset=dataset_name(settings.bids_dir),
        command=settings.command,
        choice=choice,
        scans=scans,
        photos=photos,
        extractors=_extractors(settings, scans),
    )
    reasons = run_for_user(workflow, settings)
    forget(settings, workflow.name)
    if reasons:
        raise ReidError(_summary(reasons))
    rows = read_rows(settings.output_dir)
    for finding in group_findings(rows, settings.audited):
        logger.info(finding.sentence)
    if rows:
        logger.info(rate_table(rows))
    for line in change_lines(read_reductions(settings.output_dir)):
        logger.info(line)
    verdict = read_json(settings.output_dir / 'group_summary.json')['Verdict']
    if verdict is not None:
        logger.info(verdict['sentence'])
    logger.info(f'report: {settings.output_dir}/group.html')
    if verdict is not None and not verdict['passed']:
        return Exit.RISK
    return Exit.SOME_FAILED if any(scan.line.status == 'failed' for scan in scans) else Exit.OK


def check_against(settings: Settings) -> None:
    """Find out, before the long search, whether the output of ``--against`` can be read.

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
        return
    if settings.against.resolve() == settings.output_dir.resolve():
        raise UsageError('--against is output_dir: its scans are linked with each other anyway')
    read_scans(settings.against, modalities=settings.modalities)


def _check_conditions(choice: Choice, scans: Sequence[EnrolledScan], settings: Settings) -> None:
    """Find out whether there are results of every condition asked for.

    Raises
    ------
    NothingSelectedError
        There are none of one: an audit without it would be one of something else.
    """
    there = {scan.line.condition for scan in scans}
    named = choice.max_risk is not None or settings.audit is not None
    audited = [choice.audited] if named else []
    for name in (*choice.conditions[1:], *audited):
        if name not in there:
            raise NothingSelectedError(
                f'{settings.output_dir} holds no results of {name} that pass the filters: '
                f'run the participant level with -d {name}=DIR'
            )


def _extractors(settings: Settings, scans: Sequence[EnrolledScan]) -> tuple[str, ...]:
    """Take the extractors asked for, or all that can search these scans.

    Raises
    ------
    NoInputError
        None can.
    """
    if settings.extractors:
        return settings.extractors
    names, left_out = searchable_extractors(scans)
    if settings.photos is None:
        # scans are linked by them
        say_not_run(left_out)
        return ()
    logger.info(f'extractors: {", ".join(names) or "none"}')
    say_not_run(left_out)
    if not names:
        raise NoInputError(
            f'no extractor can search {settings.output_dir}: run the participant level again'
        )
    return names


def _choice(settings: Settings, lines: Sequence[ScanLine]) -> Choice:
    """Choose whose scans are searched: results of people who left the dataset are not.

    Raises
    ------
    NothingSelectedError
        A participant named is not in the dataset.
    """
    found = {line.participant for line in lines}
    # the group level needs no raw images: without them the results tell who is in the dataset
    dataset = dataset_participants(settings.bids_dir) or found
    strangers = [label for label in settings.participants if label not in dataset]
    if strangers:
        raise NothingSelectedError(f'{settings.bids_dir} has no sub-{", sub-".join(strangers)}')
    gone = found - dataset
    if gone:
        logger.info(
            f'left out, as they are no longer in the dataset: sub-{", sub-".join(sorted(gone))} '
            f'(their results in {settings.output_dir} should be deleted)'
        )
    participants = settings.participants or tuple(sorted(dataset))
    unseen: Iterable[str] = ()
    if settings.max_risk is not None:
        # only the verdict asks, and their folders have to be walked
        modalities = settings.modalities or {line.modality for line in lines}
        missing = (label for label in participants if label not in found)
        unseen = (label for label in missing if has_image(settings.bids_dir, label, modalities))
    return Choice(
        dataset=tuple(sorted(dataset)),
        participants=participants,
        without_result=tuple(unseen),
        sessions=settings.sessions,
        modalities=settings.modalities,
        conditions=tuple(settings.datasets) if settings.derivatives else (),
        audited=settings.audited,
        max_risk=settings.max_risk,
        against=settings.against,
        variables=participant_variables(settings.bids_dir, settings.breakdown),
        seed=settings.seed,
    )


def _summary(reasons: Mapping[str, str]) -> str:
    """Say why steps failed: shards of one gallery fail alike, and one reason is enough."""
    first, *others = dict.fromkeys(reasons.values())
    return f'{first} (and {len(others)} more, see logs)' if others else first


def _announce(
    scans: Sequence[EnrolledScan], photos: Sequence[Photo] | None, choice: Choice
) -> None:
    """Say what is searched with what: a misspelt label or a missing result shows here."""
    known, dataset = {scan.line.participant for scan in scans}, set(choice.dataset)
    searched = f'{len(scans)} scans of {len(known)} participants'
    if photos is None:
        logger.info(f'group level: {searched}, no photographs')
    else:
        mated = Counter(p.participant for p in photos if p.participant in known)
        strangers = sum(p.participant not in dataset for p in photos)
        logger.info(
            f'group level: {searched}, {mated.total()} photographs of {len(mated)} of them, '
            f'{strangers} of distractors'
        )
    missing = sorted(set(choice.participants) - known)
    if missing:
        logger.info(
            f'{len(missing)} participants of the dataset have no result of the participant level '
            f'and are in no rate: sub-{", sub-".join(missing)}'
        )
