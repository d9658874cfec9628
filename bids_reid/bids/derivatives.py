"""The participant level's files of one scan: written, looked up, and told to be up to date."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import asdict, replace
from functools import lru_cache, partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from PIL import Image

from bids_reid import __version__
from bids_reid.bids.claims import read_claim
from bids_reid.bids.files import Batch, file_sha256, json_text, new_private_file, read_json
from bids_reid.bids.hash_cache import RACY_NS
from bids_reid.bids.layout import ScanFiles, bids_uri, render_name, scan_files
from bids_reid.bids.shape_files import read_shape, write_shape
from bids_reid.bids.tables import add_table, read_table
from bids_reid.bids.template_files import made_with, read_template, write_template
from bids_reid.bids.text_files import parse_json
from bids_reid.bids.unchanged import CHANGED, FileState, file_state
from bids_reid.errors import NoInputError, ReidError, ScanError, is_refusal
from bids_reid.faces.extractors import extractor_names
from bids_reid.faces.registrations import bids_label
from bids_reid.printable import without_folders
from bids_reid.records import (
    RAW,
    SKIN,
    TEMPLATES,
    FaceBoxes,
    KeypointTemplate,
    Origin,
    Scan,
    ScanMeasures,
    ScanRecord,
    Template,
    View,
)
from bids_reid.surface.gifti import is_whole
from bids_reid.views.cameras import N_STANDARD, all_views

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

MOST_KEPT = 4096
"""Records kept in memory, some 10 kB each."""
LEFT_OUT_BY_FILTER = 'left out by --bids-filter-file'
"""Why the record of a scan is kept and does not count."""
ANGLES = ('camera_yaw', 'camera_pitch', 'light_azimuth', 'light_elevation')
"""Columns of the table of views."""
PACKAGES = ('vtk', 'pyvista', 'nibabel', 'numpy', 'scipy', 'nipype')
"""Packages besides this one on which results depend."""


def save_scan(
    scan: Scan,
    dataset_dir: Path,
    output_dir: Path,
    *,
    surface: Path,
    measures: ScanMeasures,
    faces: FaceBoxes,
    reason: str | None,
    renderer: str,
    templates: Sequence[tuple[dict[str, Any], Template | KeypointTemplate]],
    renders: NDArray[np.uint8] | None,
    source_sha256: str | None = None,
    came_from: str | None = None,
    shape: NDArray[np.float32] | None = None,
) -> Path:
    """Write all files of a scan, its record last; return the record's path.

    Until everything new is on the disk nothing old is touched: if it cannot be written, or the
    process is killed, what was valid is so still.

    Parameters
    ----------
    dataset_dir : Path
        Dataset of the scan's condition.
    surface : Path
        File of the skin.
    faces : FaceBoxes
        Of all views.
    reason : str, optional
        What the scan shows instead of a whole face.
    renderer : str
        What made the renders.
    templates : sequence of (provenance, template)
        One per extractor; the provenance names it as ``Extractor``.
    renders : (n, h, w) uint8, optional
        Pictures to keep, of all views.
    source_sha256 : str, optional
        Hash of the scan when it was read; without it that of the file as it is now.
    came_from : str, optional
        The condition that the scan's was made from.
    shape : (m,) float32, optional
        Of the head, which is kept in place of its skin (`bids_reid.surface.signature`).

    Raises
    ------
    CannotWriteError
        A file cannot be written.
    ScanError
        A measure is no number: nobody could read such a record.
    """
    files, n_faces = ScanFiles.of(scan, output_dir), sum(faces.found[:N_STANDARD])
    extractors = {provenance['Extractor'] for provenance, _ in templates}
    record = ScanRecord(
        status='ok' if n_faces else 'no_face',
        reason=reason,
        deidentification=read_claim(scan.path, dataset_dir),
        origin=_origin(scan, dataset_dir, came_from, source_sha256 or content_hash(scan.path)),
        n_views_with_face=n_faces,
        measures=measures,
        renderer=renderer,
        extractors=tuple(sorted(extractors)),
        not_kept=() if shape is None else (SKIN,),
    )
    _check_readable(record)
    before = read_record(files)
    alike = before is not None and _is_alike(before, record)
    if before is not None and alike:
        extractors |= set(before.extractors)
        record = replace(record, extractors=tuple(sorted(extractors)))
    with Batch() as batch:
        if shape is None:
            batch.copy(surface, files.skin)
        else:
            write_shape(batch, files, shape)
        add_table(batch, files.views, 'views', _view_rows(faces))
        for provenance, template in templates:
            write_template(batch, files, provenance, template, record.origin)
        if renders is not None:
            _write_renders(batch.folder(files.renders), renders)
        replaced = batch.replaced()
        batch.json(files.record, record.to_json())
        if not alike:
            # no template or render of another version of the scan stays beside the new ones
            batch.publish(partial(remove_results, files))
        elif replaced:
            # nor does a record stand for files of two runs, if this one is killed now
            batch.publish(partial(files.record.unlink, missing_ok=True))
        else:
            batch.publish()
        # of an earlier run, which kept the other one
        former = files.shape if shape is None else files.skin
        if former.exists():
            former.unlink()
    return files.record


def _check_readable(record: ScanRecord) -> None:
    try:
        ScanRecord.from_json(parse_json(json_text(record.to_json())))
    except (KeyError, TypeError) as error:
        raise ScanError(f'the recorded measurements are invalid: {error}') from error


def _is_alike(before: ScanRecord, now: ScanRecord) -> bool:
    """Whether results of two runs are of the same image, by the same software, made alike."""
    return (
        before.origin.source_sha256 == now.origin.source_sha256
        and before.origin.software_versions == now.origin.software_versions
        and before.complete_face == now.complete_face
        and TEMPLATES not in before.not_kept
    )


def save_failure(
    scan: Scan,
    dataset_dir: Path,
    output_dir: Path,
    reason: str,
    came_from: str | None = None,
    state: FileState | None = None,
) -> None:
    """Write the record of a scan that could not be processed, and take away older results.

    Parameters
    ----------
    state : tuple, optional
        `file_state` of the scan when the run began. If it is another now, nobody knows which
        bytes failed: the record is of none.

    Raises
    ------
    CannotWriteError
        The record cannot be written; older results are still there.
    """
    files, sha256 = ScanFiles.of(scan, output_dir), content_hash(scan.path)
    if state is not None and state != file_state(scan.path):
        reason, sha256 = f'{scan.path.name}: {CHANGED}', None
    record = ScanRecord(
        status='failed',
        reason=without_folders(reason, scan.path.parent, scan.path.resolve().parent),
        deidentification=read_claim(scan.path, dataset_dir),
        origin=_origin(scan, dataset_dir, came_from, sha256),
    )
    with Batch() as batch:
        batch.json(files.record, record.to_json())
        batch.publish(partial(remove_results, files))


def read_record(files: ScanFiles) -> ScanRecord | None:
    """Read the record of a scan; ``None`` without one, or if it is damaged or of an older version.

    Whoever may make it anew asks so; whoever needs it uses `scan_records`.
    """
    state = file_state(files.record)
    try:
        # what changed just now could change again without the file system telling
        if state is None or time.time_ns() - max(state[2:]) < RACY_NS:
            return _record_in(files.record)
        return _record_as_it_was(files.record, state)
    except (KeyError, TypeError):
        return None


@lru_cache(maxsize=MOST_KEPT)
def _record_as_it_was(path: Path, state: FileState) -> ScanRecord:  # noqa: ARG001
    """Read a record once in a run that needs it several times, unless its file is another.

    One that cannot be read is not remembered: a folder of a network may fail for a moment.
    """
    return _record_in(path)


def _record_in(path: Path) -> ScanRecord:
    return ScanRecord.from_json(read_json(path))


def scan_records(
    output_dir: Path, participants: Iterable[str] = ()
) -> Iterator[tuple[ScanFiles, ScanRecord]]:
    """Read the records of scans, in the order of `bids_reid.bids.layout.scan_files`.

    Raises
    ------
    NoInputError
        One is damaged, or lacks what every record of this version has: without it a scan would
        be in no count.
    """
    for files in scan_files(output_dir, participants):
        record = read_record(files)
        if record is not None:
            yield files, record
            continue
        content = read_json(files.record)
        # another program's sidecar may have such a name, and a job beside this one take one away
        if 'Status' not in content and (content or not files.record.exists()):
            continue
        try:
            yield files, ScanRecord.from_json(content)
        except (KeyError, TypeError) as error:
            raise NoInputError(
                f'{files.record} is damaged or was written by an older version: run the '
                'participant level again with --modalities '
                f'{files.modality}{_derivatives(files)}, or delete it'
            ) from error


def _derivatives(files: ScanFiles) -> str:
    """Name the option without which scans of a condition are not processed."""
    return '' if files.condition == RAW else f' and -d {files.condition}=DIR'


def renew_record(
    scan: Scan, dataset_dir: Path, output_dir: Path, came_from: str | None = None
) -> None:
    """Renew in the record of a scan that is chosen what may change while its image does not.

    That is the claim in its sidecars, its name and folder, the condition that it came of, and
    whether an earlier run left it out. Sidecars of templates say the same of their source.
    """
    files = ScanFiles.of(scan, output_dir)
    record = read_record(files)
    if record is None:
        return
    origin = replace(record.origin, before=came_from)
    sources = _sources(scan, dataset_dir)
    if sources != origin.sources and _is_of(record, scan):
        origin = replace(origin, sources=sources)
    claim = read_claim(scan.path, dataset_dir)
    _renew(files, record, replace(record, deidentification=claim, origin=origin, left_out=None))


def leave_out(files: ScanFiles, record: ScanRecord, reason: str) -> None:
    """Say in a record that it does not count, and why; its files stay."""
    _renew(files, record, replace(record, left_out=reason))


def _renew(files: ScanFiles, record: ScanRecord, now: ScanRecord) -> None:
    """Write a record again if it says anything else now."""
    if now == record:
        return
    with Batch() as batch:
        for name in record.extractors if now.origin != record.origin else ():
            sidecar = files.template(bids_label(name)).with_suffix('.json')
            content = read_json(sidecar)
            if content:
                batch.json(sidecar, content | now.origin.to_json())
        batch.json(files.record, now.to_json())
        batch.publish()


def record_state(
    files: ScanFiles,
    record: ScanRecord,
    dataset_dir: Path | None,
    sha256_of: Callable[[Path], str | None],
) -> str | None:
    """Say why a record does not count; ``None`` if it does.

    Parameters
    ----------
    files : ScanFiles
        Of the scan.
    record : ScanRecord
        What the participant level wrote.
    dataset_dir : Path or None
        Where the scans of its condition are; ``None`` if nobody says.
    sha256_of : callable
        Returns the hash of an image, from the key of git-annex if that holds it; ``None`` if
        neither content nor such a key is here.
    """
    condition, source = files.condition, record.origin.source
    if dataset_dir is None:
        return f'the folder of {condition} is not known: name it with -d {condition}='
    if not dataset_dir.is_dir():
        return f'the folder of {condition} does not exist: name it with -d {condition}='
    if not os.path.lexists(dataset_dir / source):
        return 'the scan is no longer there: it was renamed or withdrawn'
    if not _is_of_this_version(record):
        return (
            'the result was made by another version of bids_reid: run the participant level again'
        )
    if not (record.failed or TEMPLATES in record.not_kept or _surface(files, record).exists()):
        return (
            'the skin surface was deleted, for example by bids-reid-purge: run the participant '
            'level again'
        )
    return record.left_out or _other_content(record, sha256_of(dataset_dir / source))


def _surface(files: ScanFiles, record: ScanRecord) -> Path:
    """Return the file of the skin, or of the shape that was kept in its place."""
    return files.shape if SKIN in record.not_kept else files.skin


def _other_content(record: ScanRecord, sha256: str | None) -> str | None:
    """Say what is wrong with the content of a record's source, ``sha256``; ``None`` if nothing."""
    if sha256 is None:
        return 'the content of the scan is not on this machine: get it first'
    if sha256 != record.origin.source_sha256:
        return 'the scan has changed since it was measured: run the participant level again'
    return None


def is_up_to_date(
    scan: Scan,
    output_dir: Path,
    *,
    models: Mapping[str, Mapping[str, str]],
    keep_renders: bool,
    complete_face: bool = False,
    needed: Collection[str] = (SKIN, TEMPLATES),
) -> bool:
    """Whether the files of a scan were made from this file by this version, and are all whole.

    Parameters
    ----------
    models : mapping
        Name of each extractor to its identity.
    keep_renders : bool
        Whether the pictures have to be there.
    complete_face : bool
        Whether faces that the field of view cuts have to be completed, or must not be.
    needed : collection of str
        Of `SKIN` and `TEMPLATES`: results that must be there, though an earlier run did not keep
        them.
    """
    files = ScanFiles.of(scan, output_dir)
    record = read_record(files)
    if record is None or record.failed or record.complete_face != complete_face:
        return False
    if not set(needed).isdisjoint(record.not_kept):
        return False
    return (
        _is_of_this_version(record)
        and _are_whole(files, models, record, keep_renders=keep_renders)
        and all(made_with(files, name, model) for name, model in models.items())
        and _is_of(record, scan)
    )


def _are_whole(
    files: ScanFiles, extractors: Iterable[str], record: ScanRecord, *, keep_renders: bool
) -> bool:
    """Whether the files of a scan are there, and can be read by whoever needs them."""
    named = [files.template(bids_label(name)) for name in extractors]
    kept = [] if TEMPLATES in record.not_kept else [*named, _surface(files, record)]
    sidecars = [path.with_suffix('.json') for path in (files.views, *named)]
    needed = [files.views, *kept, *sidecars]
    if keep_renders:
        needed += [files.render(view.index) for view in all_views()]
    try:
        templates = [read_template(files, name, found_only=False) for name in extractors if kept]
        return (
            all(path.stat().st_size for path in needed)
            and all(map(read_json, sidecars))
            and (SKIN in record.not_kept or is_whole(files.skin))
            and (files.shape not in kept or read_shape(files) is not None)
            and bool(read_views(files))
            and None not in templates
        )
    except (OSError, ReidError):
        return False


def still_holds(scan: Scan, output_dir: Path) -> bool:
    """Whether an earlier run of this version left results of this file, of whatever extractors."""
    record = read_record(ScanFiles.of(scan, output_dir))
    return (
        record is not None
        and not record.failed
        and _is_of_this_version(record)
        and _is_of(record, scan)
    )


def _is_of_this_version(record: ScanRecord) -> bool:
    return record.origin.software_versions.get('bids_reid') == __version__


def _is_of(record: ScanRecord, scan: Scan) -> bool:
    """Whether a record is of this very file."""
    try:
        # content that is no longer here (a dangling link) cannot have given anything newer
        return not scan.path.is_file() or record.origin.source_sha256 == file_sha256(scan.path)
    except OSError:
        return False


def remove_results(files: ScanFiles) -> None:
    """Remove what was made from one version of a scan; other conditions keep their files."""
    record = read_record(files)
    known = {*extractor_names(), *(record.extractors if record else ())}
    mine = [files.record, files.skin, files.views, files.renders, files.shape]
    mine += [files.template(bids_label(name)) for name in sorted(known)]
    for path in (*mine, *(path.with_suffix('.json') for path in mine[2:])):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _sources(scan: Scan, dataset_dir: Path) -> tuple[str, ...]:
    return (bids_uri(scan.path, dataset_dir, scan.condition),)


def _origin(scan: Scan, dataset_dir: Path, came_from: str | None, sha256: str | None) -> Origin:
    """Tell the source of the files of a scan, and the software that made them."""
    return Origin(
        condition=scan.condition,
        sources=_sources(scan, dataset_dir),
        source_sha256=sha256,
        software_versions={
            'bids_reid': __version__,
            **{package: version(package) for package in PACKAGES},
        },
        before=came_from,
    )


def content_hash(path: Path) -> str | None:
    """Hash of a scan; ``None`` if it is not here or cannot be read, which its failure says."""
    try:
        return file_sha256(path) if path.is_file() else None
    except OSError:
        return None


def _view_rows(faces: FaceBoxes) -> Iterator[dict[str, object]]:
    for view, box, found in zip(all_views(), faces.boxes, faces.found, strict=True):
        columns = asdict(view)
        yield {
            'view': columns.pop('index'),
            **columns,
            'face_found': 'yes' if found else 'no',
            'box': ','.join(str(side) for side in box) if box else None,
            'box_source': ('detector' if found else 'frame') if box else None,
        }


def read_views(files: ScanFiles) -> list[tuple[View, bool]]:
    """Read the study's views, and in which of them a detector found the face.

    Raises
    ------
    NoInputError
        The table is not there, or damaged.
    OSError
        The machine refuses something: the table may be whole.
    """
    try:
        found = [
            (_view(row), _is_yes(row['face_found']))
            for row in read_table(files.views)
            # a table of an earlier version has no others, and no styles
            if row.get('style', 'plain') == 'plain'
        ]
        if [view.index for view, _ in found] != list(range(N_STANDARD)):
            raise ValueError('it is cut')
        return found
    except (OSError, ValueError, KeyError) as error:
        if isinstance(error, OSError) and is_refusal(error):
            raise
        raise NoInputError(
            f'{files.views} is damaged: delete it and run the participant level again'
        ) from error


def _view(row: Mapping[str, str]) -> View:
    index = int(row['view'])
    yaw, pitch, azimuth, elevation = angles = [float(row[angle]) for angle in ANGLES]
    if not all(abs(angle) <= 180 for angle in angles):
        raise ValueError(f'no view {index}')
    return View(index, yaw, pitch, azimuth, elevation)


def _is_yes(cell: str) -> bool:
    if cell not in ('yes', 'no'):
        raise ValueError(cell)
    return cell == 'yes'


def _write_renders(folder: Path, renders: NDArray[np.uint8]) -> None:
    for view, picture in enumerate(renders):
        with new_private_file(folder / render_name(view)) as file:
            Image.fromarray(picture).save(file, format='PNG')
