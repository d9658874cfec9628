"""Galleries: the scans that are searched together, and how their templates are read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from bids_reid.bids.layout import ScanFiles
from bids_reid.bids.template_files import made_with, read_template
from bids_reid.errors import NoInputError, ScanError
from bids_reid.faces.extractors import load_extractor
from bids_reid.faces.registrations import bids_label
from bids_reid.match.probes import Renders
from bids_reid.records import Keypoints, KeypointTemplate, Style, Template
from bids_reid.views.cameras import style_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bids_reid.faces.extractors import Extractor
    from bids_reid.participant.library import EnrolledScan

SHARD_SCANS = 4000
"""Scans in one shard: some seconds of work, so that the cost of a node does not matter."""


@dataclass(frozen=True, slots=True)
class GalleryScan:
    """A scan as a search needs it: plain text, which Nipype need not copy for each node.

    ``folder`` and ``stem`` are those of `ScanFiles`, ``status`` that of the scan's record.
    """

    participant: str
    folder: str
    stem: str
    modality: str
    condition: str
    status: str

    @classmethod
    def of(cls, scan: EnrolledScan) -> GalleryScan:
        """Take the part of an enrolled scan that a search needs."""
        files, line = scan.files, scan.line
        return cls(
            line.participant,
            str(files.folder),
            files.stem,
            files.modality,
            files.condition,
            line.status,
        )

    def __deepcopy__(self, memo: object) -> GalleryScan:
        return self

    @property
    def key(self) -> str:
        """Name of the scan, unique among those of its condition and modality."""
        return f'{self.folder}/{self.stem}'

    @property
    def files(self) -> ScanFiles:
        """Its files."""
        return ScanFiles(Path(self.folder), self.stem, self.modality, self.condition)


@dataclass(frozen=True, slots=True)
class ScanGallery:
    """The scans that are searched together: of one condition and modality."""

    condition: str
    modality: str
    scans: tuple[GalleryScan, ...]

    @property
    def participants(self) -> tuple[str, ...]:
        """Whose each scan is."""
        return tuple(scan.participant for scan in self.scans)

    def shards(self) -> list[ScanGallery]:
        """Cut into runs of scans; how many depends on the number of scans alone."""
        return [
            replace(self, scans=self.scans[first : first + SHARD_SCANS])
            for first in range(0, len(self.scans), SHARD_SCANS)
        ]


def galleries(scans: Sequence[EnrolledScan]) -> list[ScanGallery]:
    """Sort scans into galleries, ordered by condition and modality."""

    def group(scan: GalleryScan) -> tuple[str, str]:
        return (scan.condition, scan.modality)

    members = sorted(map(GalleryScan.of, scans), key=group)
    return [ScanGallery(*key, tuple(some)) for key, some in groupby(members, key=group)]


class StoredTemplates:
    """Templates of an extractor, each read from the output folder when it is its turn.

    A gallery of 100,000 scans is 4 GB of templates.
    """

    def __init__(self, scans: Sequence[GalleryScan], extractor: str) -> None:
        self._scans, self._extractor = scans, extractor
        model = load_extractor(extractor)
        self._identity, self._nothing = model.identity(), no_renders(model)
        self._dimension = model.dimension

    def __len__(self) -> int:
        return len(self._scans)

    @property
    def people(self) -> list[str]:
        """Whose each scan is."""
        return [scan.participant for scan in self._scans]

    def __getitem__(self, scan: int) -> Renders[Any]:
        """Return the features of a scan's renders; none for a failure to enrol."""
        template, nothing = self._read(self._scans[scan]), self._nothing
        if template is None:
            return Renders(nothing, nothing, nothing)
        if isinstance(template, KeypointTemplate):
            seen, every = template.where_found().keypoints, template.keypoints
            return Renders(seen, every, nothing)
        plain, soft = (template.of_views(style_numbers(style)) for style in get_args(Style))
        return Renders(plain.where_found().features, plain.features, soft.features)

    def __iter__(self) -> Iterator[Renders[Any]]:
        """Yield the features of one scan after the other, each read once."""
        return (self[scan] for scan in range(len(self)))

    def _read(self, scan: GalleryScan) -> Template | KeypointTemplate | None:
        """Read the template of a scan, ``None`` for one that failed to enrol.

        Raises
        ------
        NoInputError
            The participant level ran without this extractor: that is no failure to enrol.
        ScanError
            The template is damaged, or of another model than the photographs' features.
        """
        files, extractor = scan.files, self._extractor
        template = read_template(files, extractor, found_only=False, dimension=self._dimension)
        if template is not None:
            if not made_with(files, extractor, self._identity):
                raise ScanError(
                    f'{files.template(bids_label(extractor))} was made with a different version '
                    f'of {extractor}: run the participant level again'
                )
            return template
        # where no detector saw a face there is a template of no views, or of those expected
        if scan.status != 'failed':
            raise NoInputError(
                f'{files.template(bids_label(extractor))} is missing: '
                f'run the participant level with --extractors {extractor}'
            )
        return None


def no_renders(model: Extractor) -> Any:
    """Return the features of a scan without renders."""
    if model.kind == 'keypoints':
        descriptors = np.empty((0, model.dimension), np.uint8)
        return Keypoints(descriptors, np.empty((0, 2), np.float32), np.zeros(1, np.int64))
    return np.empty((0, model.dimension), np.float32)
