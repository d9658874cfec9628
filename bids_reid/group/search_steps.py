"""The search of a gallery: in shards that know nothing of each other, then merged exactly.

What decisions learn of the whole gallery and of the photographs is learned once beforehand.

A gallery of 100,000 scans is 4 GB of templates in 100,000 files: each is read when it is its turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from bids_reid.bids.derivatives import made_with, read_features, read_keypoints
from bids_reid.bids.layout import ScanFiles
from bids_reid.errors import NoInputError, ScanError
from bids_reid.faces.extractors import bids_label, load_extractor
from bids_reid.match.decisions import ADAPTIVE, MEAN_OF_PHOTOGRAPHS, search_all
from bids_reid.match.fitting import Fit, fit
from bids_reid.match.keypoint_search import keypoint_photo_scores, search_keypoints
from bids_reid.match.scores import probe_scores
from bids_reid.match.search import FastScores
from bids_reid.match.words import Vocabulary, fit_words, search_words
from bids_reid.records import Keypoints
from bids_reid.risk.identification import Searches
from bids_reid.risk.refinement import refine, refine_best

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from bids_reid.group.result import PhotoLine
    from bids_reid.match.keypoints import Distance
    from bids_reid.match.scores import Similarity
    from bids_reid.participant.library import EnrolledScan
    from bids_reid.records import Photo

T = TypeVar('T')

EXACT_SCORES = 200_000
"""Of so many all are made exact, which takes seconds; of more, those that ranks depend on.

In larger galleries error rates at thresholds (verification, open set) of ``best`` may differ by
single comparisons if the work is shared differently.
"""
SHARD_SCANS = 4000
"""Scans of one shard: some seconds of work, so that a node's own cost does not count."""

_MATED, _STRANGERS = '_scores', '_distractors'
"""How arrays of a shard are named after the decision."""
_WORDS = 'words'
"""Array of what is fitted for keypoints, beside those of `Fit`."""

TemplateSource = tuple[str, str, str, str, str]
"""Folder, stem, modality, condition and status of a scan: plain text, quickly copied by Nipype."""


def source(files: ScanFiles, status: str) -> TemplateSource:
    """Say where a scan's files are."""
    return (str(files.folder), files.stem, files.modality, files.condition, status)


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
        return [source(scan.files, scan.line.status) for scan in self.scans]

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


class _Stored:
    """Templates of an extractor, read from the output folder when they are asked for."""

    def __init__(self, sources: Sequence[TemplateSource], extractor: str) -> None:
        self._sources, self._extractor = sources, extractor
        self._model = load_extractor(extractor).identity()

    def __len__(self) -> int:
        return len(self._sources)

    @property
    def people(self) -> list[str]:
        """Whose each scan is, as file names begin: ``sub-01``."""
        return [stem.partition('_')[0] for _, stem, *_ in self._sources]

    def _read(self, scan: int, read: Callable[[ScanFiles, str], T | None]) -> T | None:
        """Read from the template of a scan, ``None`` for one that failed to enrol.

        Raises
        ------
        NoInputError
            The participant level ran without this extractor: that is no failure to enrol.
        ScanError
            The template is damaged, or of another model than the photographs' features.
        """
        folder, stem, modality, condition, status = self._sources[scan]
        files, extractor = ScanFiles(Path(folder), stem, modality, condition), self._extractor
        found = read(files, extractor)
        if found is not None:
            if not made_with(files, extractor, self._model):
                raise ScanError(
                    f'{files.template(bids_label(extractor))} was made with another version of '
                    f'{extractor} than is installed: run the participant level again'
                )
            return found
        # where no detector saw a face there is a template of no views, or of those expected
        if status != 'failed':
            raise NoInputError(
                f'{files.template(bids_label(extractor))} is missing: '
                f'run the participant level with --extractors {extractor}'
            )
        return None


class StoredGallery(_Stored):
    """Templates of an extractor of vectors; all views, or those in which a face was found."""

    def __init__(
        self, sources: Sequence[TemplateSource], extractor: str, *, found_only: bool = True
    ) -> None:
        super().__init__(sources, extractor)
        self._take = partial(read_features, found_only=found_only)

    def __getitem__(self, scan: int) -> NDArray[np.float32]:
        """Return the features of a scan (n, d), none for one that failed to enrol."""
        features = self._read(scan, self._take)
        return np.empty((0, 0), np.float32) if features is None else features


class StoredKeypoints(_Stored):
    """Templates of an extractor of keypoints; all views, or those in which a face was found."""

    def __init__(
        self, sources: Sequence[TemplateSource], extractor: str, *, found_only: bool = True
    ) -> None:
        super().__init__(sources, extractor)
        self._take = partial(read_keypoints, found_only=found_only)

    def __getitem__(self, scan: int) -> Keypoints | None:
        """Return the keypoints of a scan, ``None`` for one that failed to enrol."""
        return self._read(scan, self._take)


def read_encoded(files: Sequence[Path]) -> tuple[dict[str, NDArray[Any]], NDArray[np.str_]]:
    """Read what is known of all photographs.

    Returns
    -------
    arrays
        ``features`` (n, d), or the arrays of `Keypoints`.
    statuses
        Pairs of status and reason, (n, 2).
    """
    parts: list[dict[str, NDArray[Any]]] = []
    for file in files:
        with np.load(file) as content:
            parts.append(dict(content))
    if 'offsets' in parts[0]:
        lengths = [np.zeros(1, np.int64), *(np.diff(part['offsets']) for part in parts)]
        for part in parts:
            del part['offsets']
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    if 'descriptors' in arrays:
        arrays['offsets'] = np.cumsum(np.concatenate(lengths))
    return arrays, arrays.pop('statuses')


def fit_gallery(
    sources: Sequence[TemplateSource],
    cohort: Sequence[int],
    encoded: Sequence[Path],
    extractor: str,
    target: Path,
) -> None:
    """Learn what decisions need to know of a whole gallery.

    Parameters
    ----------
    sources : sequence of TemplateSource
        All scans of the gallery.
    cohort : sequence of int
        Numbers of the photographs of the dataset's participants. Which of them one shows does not
        matter. Those of distractors, who may have come with another camera, do not count.
    encoded : sequence of Path
        What `encode_photographs` wrote, in the order of the photographs.
    """
    model = load_extractor(extractor)
    learned: dict[str, NDArray[Any]] = {}
    if model.kind == 'vector':
        arrays, statuses = read_encoded(encoded)
        gallery = StoredGallery(sources, extractor, found_only=False)
        features = arrays['features'][_with_face(cohort, statuses)]
        learned = fit(features, gallery, gallery.people, similarity=model.similarity).arrays()
    else:
        keypoints = StoredKeypoints(sources, extractor, found_only=False)
        found = fit_words(keypoints, keypoints.people, distance=model.distance)
        if found is not None:
            learned = {_WORDS: found[0].words, **found[1].arrays()}
    np.savez(target, **learned)  # type: ignore[arg-type]


def search_shard(
    sources: Sequence[TemplateSource],
    probes: Sequence[int],
    distractors: Sequence[int],
    encoded: Sequence[Path],
    extractor: str,
    fitted: Path,
    target: Path,
) -> None:
    """Score the photographs against some scans of a gallery, under every decision.

    Parameters
    ----------
    sources : sequence of TemplateSource
        The scans.
    probes, distractors : sequence of int
        Which photographs are searched; those without features are left out.
    encoded : sequence of Path
        What `encode_photographs` wrote, in the order of the photographs.
    fitted : Path
        What `fit_gallery` wrote for the whole gallery.
    """
    arrays, statuses = read_encoded(encoded)
    mated, strangers = (_with_face(numbers, statuses) for numbers in (probes, distractors))
    searched, slack, adaptive = _search(arrays, mated + strangers, sources, extractor, fitted)
    found = {'slack': slack, 'adaptive': adaptive}
    for decision, scores in searched.items():
        found[f'{decision}{_MATED}'] = scores[: len(mated)]
        found[f'{decision}{_STRANGERS}'] = scores[len(mated) :]
    np.savez(target, **found)  # type: ignore[arg-type]


def _search(
    arrays: Mapping[str, NDArray[Any]],
    taken: Sequence[int],
    sources: Sequence[TemplateSource],
    extractor: str,
    fitted: Path,
) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.float32], NDArray[np.bool_]]:
    """Score some photographs under every decision; the scores of all but ``best`` are exact.

    Also returns the slack of ``best``, NaN for a scan without a template, and whether each scan
    has one for the adaptive decisions.
    """
    model = load_extractor(extractor)
    if model.kind == 'keypoints':
        photographs = Keypoints.of(arrays)
        some = [photographs[number] for number in taken]
        return _search_keypoints(some, sources, extractor, model.distance, fitted)
    gallery = StoredGallery(sources, extractor)
    all_views = StoredGallery(sources, extractor, found_only=False)
    with np.load(fitted) as learned:
        best, others, adaptive = search_all(
            arrays['features'][taken], gallery, gallery.people, Fit.of(learned), all_views
        )
    return {'best': best.scores, **others}, best.slack, adaptive


def _search_keypoints(
    photographs: Sequence[Keypoints],
    sources: Sequence[TemplateSource],
    extractor: str,
    distance: Distance,
    fitted: Path,
) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.float32], NDArray[np.bool_]]:
    """Score photographs under every decision for keypoints; returns what `_search` does."""
    templates = StoredKeypoints(sources, extractor)
    found, slack = search_keypoints(photographs, templates, distance=distance)
    all_views = StoredKeypoints(sources, extractor, found_only=False)
    with np.load(fitted) as arrays:
        if _WORDS not in arrays:
            return found, slack, ~np.isnan(slack)
        learned = Vocabulary(arrays[_WORDS], distance), Fit.of(arrays)
    others, adaptive = search_words(photographs, all_views, templates.people, learned)
    return found | others, slack, adaptive


def _with_face(numbers: Sequence[int], statuses: NDArray[np.str_]) -> list[int]:
    return [number for number in numbers if statuses[number, 0] == 'ok']


def merge_shards(
    gallery: ScanGallery,
    lines: Sequence[PhotoLine],
    encoded: Mapping[str, NDArray[Any]],
    extractor: str,
    files: Iterator[Path],
) -> Iterator[tuple[str, Searches]]:
    """Put the shards of a gallery together and make exact what results depend on.

    Parameters
    ----------
    lines, encoded
        All photographs and what is known of their faces, as `read_encoded` returns it.
    files : iterator of Path
        Begins with what `search_shard` wrote for this gallery, shard after shard.

    Yields
    ------
    Each decision with its searches.
    """
    probes = [n for n in gallery.probes(lines) if lines[n].status != 'unreadable']
    strangers = [n for n, line in enumerate(lines) if not line.in_dataset and line.status == 'ok']
    acquired = np.array([lines[n].status == 'ok' for n in probes], dtype=bool)
    shards = list(islice(files, len(gallery.shards())))
    slack = _joined(shards, 'slack', len(gallery.scans))
    enrolled = ~np.isnan(slack), _joined(shards, 'adaptive', len(gallery.scans))
    model = load_extractor(extractor)
    for decision in _decisions(shards[0]):
        searches = Searches(
            scores=_merged(shards, f'{decision}{_MATED}', acquired, len(slack)),
            photos=tuple(lines[n].name for n in probes),
            photo_participants=tuple(lines[n].participant or '' for n in probes),
            acquired=acquired,
            scan_participants=gallery.participants,
            enrolled=enrolled[decision in ADAPTIVE],
            distractors=_merged(
                shards, f'{decision}{_STRANGERS}', np.ones(len(strangers), dtype=bool), len(slack)
            ),
            pooling='mean' if decision in MEAN_OF_PHOTOGRAPHS else 'max',
        )
        if decision == 'best' and model.kind == 'vector':
            stored = StoredGallery(gallery.sources, extractor)
            _make_exact(
                searches, slack, encoded['features'], (probes, strangers), stored, model.similarity
            )
        yield decision, searches


def _decisions(shard: Path) -> list[str]:
    with np.load(shard) as content:
        return [name.removesuffix(_MATED) for name in content.files if name.endswith(_MATED)]


def _merged(
    shards: Sequence[Path], name: str, rows: NDArray[np.bool_], n_scans: int
) -> NDArray[np.float32]:
    """Put scores of shards side by side; other rows (photographs without a face) are NaN."""
    scores = np.full((len(rows), n_scans), np.nan, np.float32)
    first = 0
    for shard in shards:
        with np.load(shard) as content:
            part = content[name]
        scores[rows, first : first + part.shape[1]] = part
        first += part.shape[1]
    return scores


def _joined(shards: Sequence[Path], name: str, n_scans: int) -> NDArray[Any]:
    """Put what shards say of their scans together, (n_scans,)."""
    parts = []
    for shard in shards:
        with np.load(shard) as content:
            parts.append(content[name])
    joined = np.concatenate(parts)
    if len(joined) != n_scans:
        # the others would pass for scans that failed to enrol
        raise ValueError(f'the shards hold scores of {len(joined)} scans, not of {n_scans}')
    return joined


def photograph_scores(
    arrays: Mapping[str, NDArray[Any]], taken: Sequence[int], extractor: str
) -> NDArray[np.float32]:
    """Score photographs with a face against each other, (n, n): for the positive control.

    Parameters
    ----------
    arrays
        As `read_encoded` returns it.
    taken : sequence of n int
        Numbers of the photographs.
    """
    model = load_extractor(extractor)
    if model.kind == 'keypoints':
        photographs = Keypoints.of(arrays)
        some = [photographs[number] for number in taken]
        return keypoint_photo_scores(some, distance=model.distance)
    features = arrays['features'][list(taken)]
    alone = [feature[None] for feature in features]
    return probe_scores(features, alone, similarity=model.similarity)


def _make_exact(
    searches: Searches,
    slack: NDArray[np.float32],
    features: NDArray[np.float32],
    numbers: tuple[Sequence[int], Sequence[int]],
    stored: StoredGallery,
    similarity: Similarity,
) -> None:
    """Make exact, in place, the fast scores that results of searches depend on.

    ``numbers`` are those of the probes and of the distractors among the photographs.
    """

    def rescore(
        vectors: NDArray[np.float32], scan: int, photos: NDArray[np.intp]
    ) -> NDArray[np.float32]:
        return probe_scores(vectors[photos], [stored[scan]], similarity=similarity)[:, 0]

    mated, strangers = (features[list(some)] for some in numbers)
    acquired = np.flatnonzero(searches.acquired)
    if (len(acquired) + len(strangers)) * len(searches.enrolled) <= EXACT_SCORES:
        # error rates at thresholds depend on all of them
        everybody = np.arange(len(strangers))
        for scan in np.flatnonzero(searches.enrolled).tolist():
            searches.scores[acquired, scan] = rescore(mated, scan, acquired)
            if searches.distractors is not None:
                searches.distractors[:, scan] = rescore(strangers, scan, everybody)
        return
    found = FastScores(similarity, searches.scores, slack)
    refine(searches, found.radius, partial(rescore, mated))
    if searches.distractors is not None:
        found = FastScores(similarity, searches.distractors, slack)
        refine_best(
            searches.distractors, searches.enrolled, found.radius, partial(rescore, strangers)
        )
