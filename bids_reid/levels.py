"""Check what was asked for, then run the levels."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import re
from contextlib import contextmanager
from dataclasses import fields, replace
from multiprocessing import forkserver
from pathlib import Path
from typing import TYPE_CHECKING

from bids_reid.bids.places import check_places, warnings_of_places
from bids_reid.bids.walk import check_there
from bids_reid.config_file import option_name, settings_text
from bids_reid.devices import use_device
from bids_reid.errors import CannotWriteError, Exit, UsageError
from bids_reid.messages import Line, forget_not_run, logger, show_messages, tell, tell_not_run
from bids_reid.processors import Watch
from bids_reid.run_header import header_lines
from bids_reid.run_log import HIDDEN, RunLog
from bids_reid.settings import AS_FREE, Settings
from bids_reid.suggestions import did_you_mean
from bids_reid.surroundings import check_memory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bids_reid.devices import Device
    from bids_reid.participant.library import EnrolledScan

_PICTURE = re.compile(r'[^\s/\'"]+\.(?:jpe?g|png|tiff?|webp|heic|heif)\b', re.IGNORECASE)
THREADS = ('OMP_NUM_THREADS', 'OPENCV_FOR_THREADS_NUM', 'LP_NUM_THREADS')
"""How many threads OpenMP, OpenCV and Mesa take."""
ALONE = ('OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS', 'BLIS_NUM_THREADS', 'VECLIB_MAXIMUM_THREADS')
"""How many threads numpy takes: one, since its sums depend on how they are shared out."""

_READ = ('photos', 'filter_file', 'plugin_file', 'models_dir', 'against', 'reviewed', 'consent')
"""Fields of Settings that name what is only read, besides datasets."""

ADD = 'leave them out, or add the group level'


def run_levels(settings: Settings) -> Exit:
    """Run participant and group level as asked; return the exit code.

    Raises
    ------
    ReidError
        Nothing could be done, for a reason that the user can mend.
    """
    show_messages(settings.verbosity)
    forget_not_run()
    with _logged(settings):
        return _run(settings)


def _run(settings: Settings) -> Exit:
    """Check what was asked for, say it, and run the levels."""
    watch = Watch()
    # a plugin has its own limit, perhaps of another machine
    check_memory(settings.memory_gb if settings.plugin_file is None else None)
    _check_files(settings)
    prepare_environment(settings.omp_threads, settings.models_dir, settings.device)
    _start_server_early(settings)
    # what is imported is no garbage, and looking for some takes a tenth of the time
    gc.disable()
    from bids_reid.bids.inputs import check_dataset, check_labels
    from bids_reid.bids.participants_table import check_variables
    from bids_reid.bids.ratings import read_ratings
    from bids_reid.engine.execution import configure
    from bids_reid.group.given_photographs import check_photographs
    from bids_reid.group.reviews import read_reviews
    from bids_reid.group.selection import read_against
    from bids_reid.participant_level import participant_level

    if 'group' in settings.levels:
        from bids_reid.group_level import group_level

    gc.enable()
    _check_options(settings)
    check_dataset(settings.bids_dir, validate=not settings.skip_validation)
    remarks = check_labels(
        settings.bids_dir,
        validate=not settings.skip_validation,
        participants=settings.participants,
        sessions=settings.sessions,
    )
    others: Sequence[EnrolledScan] = ()
    if 'group' in settings.levels:
        others = read_against(settings)
        read_reviews(settings.reviewed)
        read_ratings(settings.output_dir)
        check_variables(settings.bids_dir, settings.breakdown)
        check_photographs(settings)
    settings = _introduced(settings, watch)
    for line in remarks:
        logger.info('%s', line)
    configure(stop_on_first_crash=settings.stop_on_first_crash, verbosity=settings.verbosity)
    codes = [Exit.OK]
    if 'participant' in settings.levels:
        codes.append(participant_level(settings))
    # the results that it would read may not be there yet, or not all of them
    planned = settings.dry_run and 'participant' in settings.levels
    stopped = settings.stop_on_first_crash and max(codes) != Exit.OK
    if 'group' in settings.levels and not planned and not stopped:
        codes.append(group_level(settings, others))
    else:
        tell_not_run()
    return max(codes)


def _introduced(settings: Settings, watch: Watch) -> Settings:
    """Say what is run on what; choose the number of processes, unless the user has."""
    choice = watch.choose() if settings.n_procs == AS_FREE else None
    if choice is not None:
        settings = replace(settings, n_procs=choice.n_procs)
    tell(header_lines(settings, choice))
    tell(Line(warning, 'caution') for warning in _warnings(settings))
    return settings


def _warnings(settings: Settings) -> list[str]:
    """Say what a run may do, and somebody should know before they wait for it."""
    said = []
    if settings.photos is not None and 'group' not in settings.levels:
        said.append('warning: --photos has no effect without the group level: add it to search')
    release = settings.release or settings.datasets.get(settings.audited)
    if release is not None:
        said += warnings_of_places(settings.output_dir, settings.work, release)
    return said


@contextmanager
def _logged(settings: Settings) -> Iterator[None]:
    """Keep all messages of a run in a log file, once the output folder is the run's.

    What ends the run is in it, too.
    """
    log = RunLog(settings_text(settings, whole_paths=False), _named_paths(settings))
    loggers = (logger, logging.getLogger('nipype'))
    for one in loggers:
        one.addHandler(log)
    try:
        yield
    except BaseException as error:
        said = str(error) or type(error).__name__
        # what is wrong with a photograph is said on the terminal only
        logger.error('%s', _PICTURE.sub(HIDDEN, said), extra={'only_in_log': True})
        raise
    finally:
        for one in loggers:
            one.removeHandler(log)
        log.close()


def _named_paths(settings: Settings) -> list[Path]:
    """Return all paths that a message may be about."""
    values = [getattr(settings, field.name) for field in fields(settings)]
    given = [value for value in values if isinstance(value, Path)]
    return [*given, settings.work, *(folder for _, folder in settings.derivatives)]


def _start_server_early(settings: Settings) -> None:
    """Let the workers' imports go on beside those of this process, if there will be workers.

    Raises
    ------
    CannotWriteError
        The output folder is somebody else's: not even the dry run can tell what is there.
    """
    try:
        new = not (settings.output_dir / 'dataset_description.json').exists()
    except OSError as error:
        raise CannotWriteError(f'cannot use {settings.output_dir}: {error.strerror}') from error
    # the group level alone always has some
    busy = new or 'participant' not in settings.levels
    if busy and not settings.dry_run:
        forkserver.ensure_running()


def _check_files(settings: Settings) -> None:
    """Find out, before anything is started, which files are missing, and where nothing may go.

    Raises
    ------
    NoInputError
        A file or folder that was named is not there, or may not be looked at.
    CannotWriteError
        What is written would be among images.
    """
    for field in _READ:
        path = getattr(settings, field)
        if path is not None:
            check_there(path, name=f'--{option_name(field)}')
    if settings.release is not None:
        check_there(settings.release, folder=True, name='--release')
    for name, folder in settings.derivatives:
        check_there(folder, folder=True, name=f'-d {name}')
    check_places(
        settings.output_dir,
        settings.bids_dir,
        settings.derivatives,
        release=settings.release,
        others=(
            ('--work-dir', settings.work_dir),
            ('--bids-database-dir', settings.database_dir),
        ),
    )


def _check_options(settings: Settings) -> None:
    """Find out what is wrong with the options before any work.

    Raises
    ------
    ReidError
        An extractor or a plugin is unknown or cannot run, or options exclude each other.
    """
    from bids_reid.bids.layout import check_file_names
    from bids_reid.engine.execution import read_plugin
    from bids_reid.faces.extractors import check_extractor, extractor_names
    from bids_reid.faces.registrations import bids_label

    for name in settings.extractors:
        check_extractor(name, allow_network=settings.allow_network)
    labels = (bids_label(name) for name in extractor_names())
    check_file_names(settings.datasets, labels)
    if settings.plugin_file is not None:
        read_plugin(settings.plugin_file)
    if 'participant' not in settings.levels and settings.filter_file is not None:
        raise UsageError('--bids-filter-file chooses scans at the participant level')
    if 'group' not in settings.levels:
        if settings.max_risk is not None or settings.max_findings is not None:
            raise UsageError(f'--max-risk and --max-findings are judged at the group level: {ADD}')
        if settings.refaced or settings.reviewed:
            raise UsageError(f'--refaced and --reviewed say how the group level judges: {ADD}')
    if settings.consent is not None and (
        settings.photos is None or 'group' not in settings.levels
    ):
        raise UsageError('--consent says which of the --photos the group level may search with')
    if 'participant' in settings.levels and settings.audited not in settings.datasets:
        hint = did_you_mean(settings.audited, settings.datasets)
        raise UsageError(
            f'--audit {settings.audit}{hint or f": name its folder with -d {settings.audit}=DIR"}'
        )
    _check_refaced(settings)
    if 'group' in settings.levels and settings.reports_only:
        raise UsageError(
            '--reports-only writes the pages of participants; group always writes its own page'
        )


def _check_refaced(settings: Settings) -> None:
    """Find out before any work whether a name of ``--refaced`` is a slip.

    The group level knows the conditions of earlier runs as well, and refuses other names.

    Raises
    ------
    UsageError
        Conditions are named with -d, and one of them seems to be meant.
    """
    for name in settings.refaced:
        hint = did_you_mean(name, settings.datasets)
        if settings.derivatives and name not in settings.datasets and hint:
            raise UsageError(f'--refaced {name}{hint}')


def prepare_environment(
    omp_threads: int = 1, models_dir: Path | None = None, device: Device = 'auto'
) -> None:
    """Set what libraries read from the environment, for this process and its workers.

    Temporary files go to a folder that is removed when this process ends.

    Numpy reads it when it is imported: OpenBLAS's threads, once there, are busy while they wait.
    """
    # the server that workers come from would import from the current folder first
    os.environ['PYTHONSAFEPATH'] = '1'
    use_device(device)
    os.environ |= dict.fromkeys(THREADS, str(omp_threads)) | dict.fromkeys(ALONE, '1')
    if models_dir is not None:
        from bids_reid.faces.weights import FOLDER_VARIABLE

        os.environ[FOLDER_VARIABLE] = str(models_dir)
    from bids_reid.bids.files import PRIVATE_UMASK
    from bids_reid.engine.run_folders import use_temporary_folder
    from bids_reid.views.selftest import use_offscreen_window

    os.umask(PRIVATE_UMASK)
    use_temporary_folder()
    use_offscreen_window()
    multiprocessing.set_forkserver_preload(['__main__', 'bids_reid.engine.preload'])
