"""What ``--keep nothing`` removes as soon as nothing needs it: what can give a face back."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from bids_reid.bids.derivatives import read_record, scan_records
from bids_reid.bids.files import Batch
from bids_reid.bids.layout import ScanFiles, scan_files
from bids_reid.bids.shape_files import write_shape
from bids_reid.errors import ScanError
from bids_reid.faces.extractors import extractor_names
from bids_reid.faces.registrations import bids_label
from bids_reid.participant.measures import face_frame
from bids_reid.records import SKIN, TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from bids_reid.records import Scan, ScanMeasures, ScanRecord
    from bids_reid.settings import Settings


def needed_results(settings: Settings, scans: Iterable[Scan]) -> tuple[str, ...]:
    """Return which of `SKIN` and `TEMPLATES` the participant level has to leave.

    With ``--keep nothing`` templates are for a group level of the same run that searches with
    photographs, or links scans: of one scan per participant there are none to be linked.
    """
    skin = (SKIN,) if settings.keep_skins else ()
    if settings.keep != 'nothing':
        return (*skin, TEMPLATES)
    if 'group' not in settings.levels:
        return skin
    if settings.photos is not None or settings.against is not None:
        return (*skin, TEMPLATES)
    mine = {ScanFiles.of(scan, settings.output_dir) for scan in scans}
    each = Counter(files.entities['sub'] for files in {*mine, *scan_files(settings.output_dir)})
    return (*skin, TEMPLATES) if max(each.values(), default=0) > 1 else skin


def not_kept(scan: Scan, output_dir: Path) -> tuple[str, ...]:
    """Return which results of a scan an earlier run did not keep."""
    record = read_record(ScanFiles.of(scan, output_dir))
    return () if record is None else record.not_kept


def shape_of(surface: Path, measures: ScanMeasures) -> NDArray[np.float32]:
    """Return the shape of a head (m,), by which scans are linked, from its skin.

    Raises
    ------
    ScanError
        The surface is damaged.
    """
    from bids_reid.surface.gifti import read_surface
    from bids_reid.surface.signature import head_signature

    points, _ = read_surface(surface)
    return head_signature(points, face_frame(measures.face_frame))


def drop_skins(scans: Iterable[Scan], settings: Settings) -> None:
    """Remove the skins that an earlier run kept, and what a run that was killed left of others."""
    for scan in scans:
        files = ScanFiles.of(scan, settings.output_dir)
        record = read_record(files)
        if record is None or record.measures is None:
            continue
        if SKIN not in record.not_kept and files.skin.exists():
            try:
                shape = shape_of(files.skin, record.measures)
            except (OSError, ScanError):
                # it is mended by whoever processes the scan again
                continue
            with Batch() as batch:
                write_shape(batch, files, shape)
                record = replace(record, not_kept=(SKIN, *record.not_kept))
                batch.json(files.record, record.to_json())
                batch.publish()
        _remove(files, record)


def drop_all(settings: Settings) -> int:
    """Remove skins, shapes, templates and renders of all scans that the options choose.

    Records, tables of views and sidecars of templates stay: they show no face, and say what was
    done. The record goes first: it never names what may be half gone.

    Returns
    -------
    int
        Of how many scans anything was removed.
    """
    n_scans = 0
    for files, record in _chosen(settings):
        now = replace(record, not_kept=(SKIN, TEMPLATES))
        if now != record:
            with Batch() as batch:
                batch.json(files.record, now.to_json())
                batch.publish()
        n_scans += _remove(files, now)
    return n_scans


def _chosen(settings: Settings) -> Iterator[tuple[ScanFiles, ScanRecord]]:
    for files, record in scan_records(settings.output_dir, settings.participants):
        session = files.entities.get('ses')
        if (
            not record.failed
            and (not settings.sessions or session in settings.sessions)
            and (not settings.modalities or files.modality in settings.modalities)
        ):
            yield files, record


def _remove(files: ScanFiles, record: ScanRecord) -> bool:
    """Remove what a record says was not kept; return whether any of it was there."""
    doomed = [files.skin] if SKIN in record.not_kept else []
    if TEMPLATES in record.not_kept:
        names = sorted({*extractor_names(), *record.extractors})
        doomed += [files.shape, *(files.template(bids_label(name)) for name in names)]
    there = [path for path in doomed if path.exists()]
    for path in there:
        path.unlink(missing_ok=True)
    if TEMPLATES in record.not_kept and files.renders.is_dir():
        shutil.rmtree(files.renders)
        return True
    return bool(there)
