"""The group level: the release is audited, and photographs search the templates of its scans."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bids_reid.bids.description import check_output, prepare_output
from bids_reid.bids.inputs import dataset_name
from bids_reid.bids.locks import LOCKS, locked_output
from bids_reid.bids.sensitive import count_again
from bids_reid.engine.execution import other_machines
from bids_reid.engine.group_run import search
from bids_reid.engine.image_run import look_at_images
from bids_reid.engine.run_folders import own_work_folder
from bids_reid.errors import Exit
from bids_reid.faces.card_check import check_card
from bids_reid.faces.extractors import networked_extractors, sends_images
from bids_reid.group.account import image_lines, nobodys_images
from bids_reid.group.assembly import group_result
from bids_reid.group.needs import check_kept
from bids_reid.group.order import order_of
from bids_reid.group.refaced import refaced_lines
from bids_reid.group.result import Stamp
from bids_reid.group.reviews import ratings_line, reviewed, unused_ratings
from bids_reid.group.selection import announce, choose_extractors, select
from bids_reid.messages import count, logger, tell, tell_not_run
from bids_reid.participant.not_kept import drop_all
from bids_reid.report.page_update import update_pages
from bids_reid.report.tables import IDENTIFICATION, write_results
from bids_reid.report.text import result_lines, sensitive_lines, unread_photographs
from bids_reid.run_log import begin_log, hide_in_log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bids_reid.bids.sensitive import Amount, Sensitive
    from bids_reid.group.result import GroupResult, ImageLine
    from bids_reid.group.selection import Selection
    from bids_reid.participant.library import EnrolledScan
    from bids_reid.settings import Settings


def group_level(settings: Settings, others: Sequence[EnrolledScan] = ()) -> Exit:
    """Search with the photographs, write the tables and the page, print the result.

    ``others`` are the scans of an earlier output, ``--against``.

    Raises
    ------
    CannotWriteError
        Another run writes there.
    """
    check_output(settings.output_dir, settings.bids_dir, settings.derivatives)
    # in a folder without results nothing is written
    started = (settings.output_dir / LOCKS).exists() or any(settings.output_dir.glob('sub-*'))
    alone = started and not settings.dry_run
    with locked_output(settings.output_dir) if alone else nullcontext():
        logger.debug('reading the results of the participant level')
        selection = select(settings, others)
        _hide_photographs(selection)
        if alone:
            begin_log(settings.output_dir)
        announce(selection)
        check_kept(selection)
        if settings.dry_run:
            return Exit.OK
        with own_work_folder(settings) as own:
            result = _result(selection, own)
        logger.info('writing tables, figures and the page')
        sensitive = _write(result, selection, settings)
        if settings.keep == 'nothing':
            sensitive = _drop(settings)
    for line in unread_photographs(result.photos or ()):
        logger.warning('%s', line, extra={'tone': 'bad', 'toned': 'NOT READ'})
    for line in sensitive_lines(settings.output_dir, sensitive):
        logger.info('%s', line)
    tell_not_run()
    tell(result_lines(result))
    logger.info(f'report: {settings.output_dir}/group.html')
    if settings.gated and result.gate is not None and not result.gate.passed:
        return Exit.RISK
    failed = any(scan.status == 'failed' for scan in result.scans)
    return Exit.SOME_FAILED if failed else Exit.OK


def _hide_photographs(selection: Selection) -> None:
    """Keep the names of photographs out of the log; those of distractors are nowhere anyway."""
    photos = selection.given.photos if selection.given is not None else ()
    names = ((str(photo.path), photo.path.name, photo.name) for photo in photos)
    hide_in_log(name for some in names for name in some)


def _result(selection: Selection, settings: Settings) -> GroupResult:
    """Judge the images and search."""
    extractors = choose_extractors(settings, selection.scans)
    prepare_output(
        settings.output_dir, settings.bids_dir, settings.derivatives, extractors.searching
    )
    if selection.photos is None and (settings.output_dir / f'{IDENTIFICATION}.tsv').exists():
        logger.info('the rates of an earlier run are removed: they need --photos')
    networked = networked_extractors(extractors.searching)
    if networked:
        logger.info(sends_images(networked))
    if other_machines(settings.plugin_file) is None:
        said = check_card(extractors.searching)
        if said:
            logger.info(said)
    _look_at_the_rest(selection, settings)
    judged = _judged_images(selection, settings)
    if selection.ratings:
        logger.info('%s', ratings_line(selection.ratings))
    parts = search(settings, selection, extractors)
    result = group_result(
        selection,
        extractors,
        parts,
        images=tuple(reviewed(judged, selection.reviews, selection.ratings)),
        dataset=dataset_name(settings.bids_dir),
        command=settings.command,
    )
    unused = unused_ratings(judged, selection.ratings)
    result = replace(result, remarks=(*result.remarks, *unused))
    return replace(result, stamp=_stamp(selection)) if settings.stamp else result


def _stamp(selection: Selection) -> Stamp:
    made = datetime.now(UTC).strftime('%Y-%m-%d %H:%M UTC')
    return Stamp(made, str(selection.survey.folder))


def _judged_images(selection: Selection, settings: Settings) -> tuple[ImageLine, ...]:
    """Give every image the program's verdict."""
    counted, choice = selection.counted, selection.choice
    lines = image_lines(selection.survey, counted, settings.output_dir, settings.bids_dir)
    by_risk = selection.photos is not None and choice.max_risk is not None
    order = order_of(counted, choice.conditions, choice.audited)
    return tuple(refaced_lines(lines, counted, choice.refaced, order, judged_by_risk=by_risk))


def _look_at_the_rest(selection: Selection, settings: Settings) -> None:
    """Look at the images of the release that belong to no participant."""
    dataset = selection.choice.dataset
    rest = nobodys_images(selection.survey, selection.counted, dataset, settings.output_dir)
    if rest:
        images = count(len(rest), 'image', 'images')
        logger.info(f'looking at {images} of no participant')
        look_at_images(rest, settings)


def _drop(settings: Settings) -> dict[Sensitive, Amount]:
    """Remove what can give a face back; return how many such files of the output are left."""
    n_scans = drop_all(settings)
    logger.info(f'--keep nothing: skins and templates of {count(n_scans, "scan")} are removed')
    return count_again(settings.output_dir)


def _write(
    result: GroupResult, selection: Selection, settings: Settings
) -> dict[Sensitive, Amount]:
    """Write tables and pages; return how many files of the output can give a face back."""
    # figures take long to import
    from bids_reid.report.group import group_page
    from bids_reid.report.group_figures import group_drawings

    drawings = group_drawings(result)
    page = group_page(result, drawings)
    sensitive = write_results(settings.output_dir, result, page, drawings)
    update_pages(settings.output_dir, result, selection.counted)
    written = sorted(path.name for path in settings.output_dir.glob('group*'))
    logger.debug('written: %s', ', '.join(written))
    return sensitive
