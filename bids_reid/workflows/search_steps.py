"""The search of a gallery: in shards that know nothing of each other, then merged exactly.

A gallery of 100,000 scans is 4 GB of templates in 100,000 files: each is read when it is its turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bids_reid.bids.derivatives import made_with, read_features
from bids_reid.bids.outputs import ScanFiles
from bids_reid.errors import NoInputError, ScanError, UsageError
from bids_reid.faces.extractors import bids_label, load_extractor
from bids_reid.match.scores import DECISIONS, probe_scores
from bids_reid.match.search import FastScores, search
from bids_reid.risk.identification import Searches
from bids_reid.risk.refinement import refine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from bids_reid.match.scores import Similarity
    from bids_reid.records import Photo
    from bids_reid.report.content import PhotoLine
    from bids_reid.workflows.library import EnrolledScan

SHARD_SCANS = 4000
"""Scans of one shard: some seconds of work, so that a node's own cost does not count."""

TemplateSource = tuple[str, str, str, str]
"""Folder, stem, modality and status of a scan: plain text, which Nipype copies quickly."""


@dataclass(frozen=True, slots=True)
class ScanGallery:
    """The scans that are searched together: of one condition and modality."""

    condition: str
    modality: str
    scans: tuple[EnrolledScan, ...]

    @property
    def participants(self) -> tuple[str, ...]:
        """Whose each scan is."""
        return tuple(scan.line.participant for scan in self.scans)

    @property
    def sources(self) -> list[TemplateSource]:
        """Where the template of each scan is."""
        return [
            (str(scan.files.folder), scan.files.stem, scan.files.modality, scan.line.status)
            for scan in self.scans
        ]

    def shards(self) -> list[list[TemplateSource]]:
        """Cut into runs of scans; how many depends on the number of scans alone."""
        sources = self.sources
        return [
            sources[first : first + SHARD_SCANS] for first in range(0, len(sources), SHARD_SCANS)
        ]

    def probes(self, photos: Iterable[Photo | PhotoLine]) -> list[int]:
        """Numbers of the photographs of participants whose scans these are."""
        owners = set(self.participants)
        return [number for number, photo in enumerate(photos) if photo.participant in owners]


def galleries(scans: Sequence[EnrolledScan]) -> list[ScanGallery]:
    """Sort scans into galleries, ordered by condition and modality."""

    def kind(scan: EnrolledScan) -> tuple[str, str]:
        return (scan.line.condition, scan.line.modality)

    return [
        ScanGallery(*key, tuple(members))
        for key, members in groupby(sorted(scans, key=kind), key=kind)
    ]


class StoredGallery:
    """Templates of an extractor, read from the output folder when they are asked for."""

    def __init__(self, sources: Sequence[TemplateSource], extractor: str) -> None:
        self._sources, self._extractor = sources, extractor
        self._model = load_extractor(extractor).identity()

    def __len__(self) -> int:
        return len(self._sources)

    def __getitem__(self, scan: int) -> NDArray[np.float32]:
        """Return the features of a scan (n, d), none for one that failed to enrol.

        Raises
        ------
        NoInputError
            The participant level ran without this extractor: that is no failure to enrol.
        ScanError
            The template is damaged, or of another model than the photographs' features.
        """
        folder, stem, modality, status = self._sources[scan]
        files, extractor = ScanFiles(Path(folder), stem, modality), self._extractor
        features = read_features(files, extractor)
        if features is not None:
            if not made_with(files, extractor, self._model):
                raise ScanError(
                    f'{files.template(bids_label(extractor))} was made with another version of '
                    f'{extractor} than is installed: run the participant level again'
                )
            return features
        if status == 'ok':
            raise NoInputError(
                f'{files.template(bids_label(extractor))} is missing: '
                f'run the participant level with --extractors {extractor}'
            )
        return np.empty((0, 0), np.float32)


def read_encoded(files: Sequence[Path]) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Read features (n, d), and pairs of status and reason (n, 2), of all photographs."""
    contents = []
    for file in files:
        with np.load(file) as content:
            contents.append((content['features'], content['statuses']))
    features, statuses = zip(*contents, strict=True)
    return np.concatenate(features), np.concatenate(statuses)


def search_shard(
    sources: Sequence[TemplateSource],
    probes: Sequence[int],
    encoded: Sequence[Path],
    extractor: str,
    target: Path,
) -> None:
    """Score the photographs against some scans of a gallery, under every decision.

    Parameters
    ----------
    sources : sequence of TemplateSource
        The scans.
    probes : sequence of int
        Which photographs are searched; those without features are left out.
    encoded : sequence of Path
        What `encode_photographs` wrote, in the order of the photographs.
    """
    features, statuses = read_encoded(encoded)
    usable = [number for number in probes if statuses[number, 0] == 'ok']
    gallery = StoredGallery(sources, extractor)
    arrays: dict[str, NDArray[np.float32]] = {}
    for decision in DECISIONS:
        found = search(
            features[usable],
            gallery,
            similarity=_similarity(extractor),
            decision=decision,
        )
        arrays |= {f'{decision}_scores': found.scores, f'{decision}_slack': found.slack}
    np.savez(target, **arrays)  # type: ignore[arg-type]


def merge_shards(
    gallery: ScanGallery,
    lines: Sequence[PhotoLine],
    features: NDArray[np.float32],
    extractor: str,
    files: Iterator[Path],
) -> Iterator[tuple[str, Searches]]:
    """Put the shards of a gallery together and make exact what results depend on.

    Parameters
    ----------
    lines, features
        All photographs and what is known of their faces, (n_photos, d).
    files : iterator of Path
        Begins with what `search_shard` wrote for this gallery, shard after shard.

    Yields
    ------
    Each decision with its searches.
    """
    probes = [n for n in gallery.probes(lines) if lines[n].status != 'unreadable']
    acquired = np.array([lines[n].status == 'ok' for n in probes], dtype=bool)
    shards = list(islice(files, len(gallery.shards())))
    stored = StoredGallery(gallery.sources, extractor)
    similarity = _similarity(extractor)
    for decision in DECISIONS:
        found = _merged(shards, decision, similarity, acquired, len(gallery.scans))
        searches = Searches(
            scores=found.scores,
            photos=tuple(lines[n].name for n in probes),
            photo_participants=tuple(lines[n].participant or '' for n in probes),
            acquired=acquired,
            scan_participants=gallery.participants,
            enrolled=found.enrolled,
        )
        exactly = partial(_rescore, features[probes], stored, similarity, decision)
        refine(searches, found.radius, exactly)
        yield decision, searches


def _similarity(extractor: str) -> Similarity:
    """Say how an extractor's vectors are compared.

    Raises
    ------
    UsageError
        It gives keypoints.
    """
    model = load_extractor(extractor)
    if model.kind == 'keypoints':
        raise UsageError(f'{extractor} gives keypoints, which are not searched')
    return model.similarity


def _merged(
    shards: Sequence[Path],
    decision: str,
    similarity: Similarity,
    acquired: NDArray[np.bool_],
    n_scans: int,
) -> FastScores:
    """Put the scores of shards side by side; photographs without a face get rows of NaN."""
    scores = np.full((len(acquired), n_scans), np.nan, np.float32)
    slack = np.full(n_scans, np.nan, np.float32)
    first = 0
    for shard in shards:
        with np.load(shard) as content:
            part = content[f'{decision}_slack']
            scans = slice(first, first + len(part))
            scores[acquired, scans] = content[f'{decision}_scores']
        slack[scans] = part
        first = scans.stop
    if first != n_scans:
        # the others would pass for scans that failed to enrol
        raise ValueError(f'the shards hold scores of {first} scans, not of {n_scans}')
    return FastScores(similarity, scores, slack)


def _rescore(
    vectors: NDArray[np.float32],
    stored: StoredGallery,
    similarity: Similarity,
    decision: str,
    scan: int,
    photos: NDArray[np.intp],
) -> NDArray[np.float32]:
    """Score some photographs exactly against one scan, whose template is read anew."""
    probes, gallery = vectors[photos], [stored[scan]]
    return probe_scores(probes, gallery, similarity=similarity, decision=decision)[:, 0]
