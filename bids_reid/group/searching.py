"""The search of a gallery: in independent shards, merged by key.

What decisions learn of the whole gallery and of the photographs is learned once beforehand.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, get_type_hints

import numpy as np

from bids_reid.bids.text_files import parse_json
from bids_reid.group.encoding import read_encoded
from bids_reid.group.galleries import StoredTemplates
from bids_reid.group.merging import MergeError, damaged, left_arrays, merged
from bids_reid.json_fields import as_field
from bids_reid.match.decisions import DECISIONS, FUSED, learn, score
from bids_reid.match.fusion import fused_scores
from bids_reid.match.training import Training
from bids_reid.risk.identification import Searches

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from bids_reid.group.encoding import Encoded
    from bids_reid.group.galleries import GalleryScan, ScanGallery
    from bids_reid.match.decisions import Arrays
    from bids_reid.records import Photo


@dataclass(frozen=True, slots=True)
class Plan:
    """Whose photographs are searched with; distractors are as `STRANGER` says."""

    photos: tuple[Photo, ...]

    @property
    def names(self) -> list[str]:
        """Names of all photographs."""
        return [photo.name for photo in self.photos]

    @property
    def distractors(self) -> list[str]:
        """Names of the photographs of nobody in the dataset."""
        return [photo.name for photo in self.photos if not photo.participant]

    @property
    def cohort(self) -> list[str]:
        """Names of the photographs of participants, whoever they show.

        Those of distractors, who may have come with another camera, teach a decision nothing.
        """
        return [photo.name for photo in self.photos if photo.participant]

    def mated(self, gallery: ScanGallery) -> dict[str, str]:
        """Names of the photographs of those whose scans a gallery holds, and whom they show."""
        owners = set(gallery.participants)
        return {
            photo.name: photo.participant
            for photo in self.photos
            if photo.participant is not None and photo.participant in owners
        }


@dataclass(frozen=True, slots=True)
class Manifest:
    """The keys of the scores that one search left in a file.

    ``scans`` are columns by `GalleryScan.key`; ``probes`` and ``distractors`` are rows by the
    photographs' names.
    """

    extractor: str
    condition: str
    modality: str
    decisions: tuple[str, ...]
    scans: tuple[str, ...]
    probes: tuple[str, ...]
    distractors: tuple[str, ...]

    def to_json(self) -> str:
        """Return it as the text that a file holds."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, file: Path) -> Manifest:
        """Read the manifest in a file of `search_shard`.

        Raises
        ------
        MergeError
            The file is damaged.
        """
        text = str(left_arrays(file, 'manifest')['manifest'])
        try:
            values = parse_json(text)
            hints = get_type_hints(cls)
            return cls(**{name: as_field(hint, values[name]) for name, hint in hints.items()})
        except (ValueError, KeyError, TypeError) as error:
            raise damaged(file) from error


def fit_gallery(
    scans: Sequence[GalleryScan],
    plan: Plan,
    encoded: Sequence[Path],
    extractor: str,
    target: Path,
) -> None:
    """Learn what decisions need to know of a whole gallery.

    Parameters
    ----------
    scans
        All scans of the gallery.
    encoded
        Files of `encode_photographs`.
    target
        Gets an array for each ``decision.parameter``, and the decisions' names.

    Raises
    ------
    NoInputError, ScanError
        As `StoredTemplates`.
    """
    photographs = read_encoded(encoded, plan.names, extractor)
    templates = StoredTemplates(scans, extractor)
    cohort = photographs.probes(photographs.acquired(plan.cohort))
    learned = learn(Training(templates, templates.people, cohort))
    arrays = {
        f'{decision}.{name}': array
        for decision, parameters in learned.items()
        for name, array in parameters.items()
    }
    np.savez(target, decisions=np.array(list(learned), dtype=str), **arrays)  # type: ignore[arg-type]


def _learned(fitted: Path) -> dict[str, Arrays]:
    """Read the file of `fit_gallery`: decision to its parameters."""
    arrays = left_arrays(fitted)
    learned: dict[str, dict[str, NDArray[Any]]] = {
        str(decision): {} for decision in arrays.pop('decisions')
    }
    for name, array in arrays.items():
        decision, _, parameter = name.partition('.')
        learned[decision][parameter] = array
    return dict(learned)


def search_shard(
    shard: ScanGallery,
    probes: Sequence[str],
    plan: Plan,
    encoded: Sequence[Path],
    extractor: str,
    fitted: Path,
    target: Path,
) -> None:
    """Score the photographs against some scans of a gallery, under every decision.

    Parameters
    ----------
    shard
        Some scans of a gallery.
    probes
        Names of the photographs of the whole gallery's participants.
    encoded
        Files of `encode_photographs`.
    fitted
        File of `fit_gallery`, for the whole gallery.
    target
        Gets ``decision.scores`` (p, n_scans) and ``decision.enrolled`` (n_scans,) of every
        decision, and a `Manifest` of their keys.

    Raises
    ------
    NoInputError, ScanError
        As `StoredTemplates`.
    """
    photographs = read_encoded(encoded, plan.names, extractor)
    mated = photographs.acquired(probes)
    strangers = photographs.acquired(plan.distractors)
    templates = StoredTemplates(shard.scans, extractor)
    results = score(
        photographs.probes(mated + strangers),
        templates,
        templates.people,
        _learned(fitted),
    )
    manifest = Manifest(
        extractor,
        shard.condition,
        shard.modality,
        decisions=tuple(results),
        scans=tuple(scan.key for scan in shard.scans),
        probes=tuple(mated),
        distractors=tuple(strangers),
    )
    arrays: dict[str, NDArray[Any]] = {'manifest': np.array(manifest.to_json())}
    for decision, result in results.items():
        arrays[f'{decision}.scores'] = result.scores
        arrays[f'{decision}.enrolled'] = result.enrolled
    np.savez(target, **arrays)  # type: ignore[arg-type]


class Searched(Protocol):
    """A gallery that was searched, by one extractor or by several together."""

    gallery: ScanGallery
    decisions: tuple[str, ...]

    def searches(self, decision: str, /) -> Searches:
        """Return the scores of one decision."""
        ...


class SearchedGallery:
    """A gallery whose shards have all been searched; the scores are read decision by decision.

    Parameters
    ----------
    gallery
        All of its scans.
    plan, photographs
        All photographs, and their features.
    shards
        Files of `search_shard`, in any order, and their manifests.

    Raises
    ------
    MergeError
        A scan is in no file or in two, or is not one of the gallery's; or a file lacks
        photographs or decisions of the others.
    """

    def __init__(
        self,
        gallery: ScanGallery,
        plan: Plan,
        photographs: Encoded,
        shards: Mapping[Path, Manifest],
    ) -> None:
        self.gallery, self._shards = gallery, shards
        # an unreadable file is no photograph, and no probe
        self._mated = {
            name: who
            for name, who in plan.mated(gallery).items()
            if photographs.outcomes[name].status != 'unreadable'
        }
        self._acquired = photographs.acquired(self._mated)
        self._distractors = photographs.acquired(plan.distractors)
        self._columns = {scan.key: column for column, scan in enumerate(gallery.scans)}
        named = ((key, None) for manifest in shards.values() for key in manifest.scans)
        merged(named, self._columns, 'scan')
        self.decisions = self._common_decisions()

    def _common_decisions(self) -> tuple[str, ...]:
        """Return the decisions, in the order of the tables; check what files must share."""
        manifests = list(self._shards.values())
        for manifest in manifests:
            for names, expected, noun in (
                (manifest.probes, self._acquired, 'photograph'),
                (manifest.distractors, self._distractors, 'photograph'),
                (manifest.decisions, manifests[0].decisions, 'decision'),
            ):
                merged(((name, None) for name in names), expected, noun)
        return tuple(name for name in DECISIONS if name in manifests[0].decisions)

    @property
    def distractors(self) -> tuple[str, ...]:
        """Names of the distractors' photographs with a face."""
        return tuple(self._distractors)

    def searches(self, decision: str, /) -> Searches:
        """Read the scores of one decision, those of all shards."""
        mated, scans, acquired = self._mated, self.gallery.scans, set(self._acquired)
        rows = {name: row for row, name in enumerate([*mated, *self._distractors])}
        scores = np.full((len(rows), len(scans)), np.nan, np.float32)
        enrolled = np.zeros(len(scans), np.bool_)
        for file, manifest in self._shards.items():
            places = [rows[name] for name in (*manifest.probes, *manifest.distractors)]
            columns = [self._columns[key] for key in manifest.scans]
            names = f'{decision}.scores', f'{decision}.enrolled'
            found, known = left_arrays(file, *names).values()
            if found.shape != (len(places), len(columns)) or known.shape != (len(columns),):
                raise damaged(file)
            scores[np.ix_(places, columns)] = found
            enrolled[columns] = known
        return Searches(
            scores=scores[: len(mated)],
            photos=tuple(mated),
            photo_participants=tuple(mated.values()),
            acquired=np.array([name in acquired for name in mated], np.bool_),
            scan_participants=self.gallery.participants,
            enrolled=enrolled,
            distractors=scores[len(mated) :],
            pooling=DECISIONS[decision].photo_pooling,
        )


class FusedGallery:
    """A gallery that several extractors searched; the scores of all become one.

    Parameters
    ----------
    parts
        The same gallery, searched with the same photographs by each extractor.
    """

    def __init__(self, parts: Sequence[SearchedGallery]) -> None:
        self.gallery, self._parts = parts[0].gallery, parts
        together = all(FUSED in part.decisions for part in parts)
        self.decisions: tuple[str, ...] = (FUSED,) if together else ()

    def searches(self, decision: str, /) -> Searches:
        """Fuse the scores of one decision.

        A photograph or a scan that one extractor could do nothing with counts if another could.
        Where no extractor compared a photograph with a scan, they are as unlike as any pair is.

        Raises
        ------
        MergeError
            The extractors did not search with the same photographs.
        """
        parts = [part.searches(decision) for part in self._parts]
        if any(part.photos != parts[0].photos for part in parts):
            raise MergeError('extractors whose scores are fused searched with other photographs')
        names = sorted({name for part in self._parts for name in part.distractors})
        n_photos = len(parts[0].photos)
        scores = fused_scores(
            [
                np.concatenate([_known(one), _rows(one, part.distractors, names)])
                for one, part in zip(parts, self._parts, strict=True)
            ]
        )
        acquired = np.any([one.acquired for one in parts], axis=0)
        enrolled = np.any([one.enrolled for one in parts], axis=0)
        searched = np.concatenate([acquired, np.ones(len(names), np.bool_)])
        _fill(scores, searched[:, None] & enrolled)
        return replace(
            parts[0],
            scores=scores[:n_photos],
            distractors=scores[n_photos:],
            acquired=acquired,
            enrolled=enrolled,
        )


def _known(searches: Searches) -> NDArray[np.float32]:
    """Scores of photographs that were acquired against scans that were enrolled; NaN elsewhere."""
    known = searches.acquired[:, None] & searches.enrolled
    return np.where(known, searches.scores, np.float32(np.nan))


def _fill(scores: NDArray[np.float32], needed: NDArray[np.bool_]) -> None:
    """Give pairs that need a score and have none the lowest of all, in place.

    One extractor may take only the photograph, another only the scan.
    """
    missing = needed & np.isnan(scores)
    if missing.any():
        known = scores[np.isfinite(scores)]
        scores[missing] = known.min() if len(known) else 0


def _rows(searches: Searches, present: Sequence[str], names: Sequence[str]) -> NDArray[np.float32]:
    """Scores of distractors in the order of ``names``; NaN for those that were not acquired."""
    rows = np.full((len(names), len(searches.scan_participants)), np.nan, np.float32)
    if searches.distractors is not None and len(present):
        places = {name: place for place, name in enumerate(names)}
        rows[[places[name] for name in present]] = np.where(
            searches.enrolled, searches.distractors, np.float32(np.nan)
        )
    return rows


def merge_shards(
    galleries: Sequence[ScanGallery],
    plan: Plan,
    photographs: Encoded,
    files: Sequence[Path],
) -> list[SearchedGallery]:
    """Put the shards of galleries together, by the keys in their manifests.

    Parameters
    ----------
    galleries
        All that were searched with these photographs.
    files
        Files of `search_shard`, in any order; those of other extractors are left aside.

    Raises
    ------
    MergeError
        A file is of another gallery, or `SearchedGallery` finds that something is
        missing or comes twice.
    """
    shards: dict[tuple[str, str, str], dict[Path, Manifest]] = {
        (photographs.extractor, gallery.condition, gallery.modality): {} for gallery in galleries
    }
    for file in files:
        manifest = Manifest.read(file)
        key = (manifest.extractor, manifest.condition, manifest.modality)
        if manifest.extractor != photographs.extractor:
            continue
        if key not in shards:
            raise MergeError(f'scores of {" ".join(key)}, which were not asked for')
        shards[key][file] = manifest
    return [
        SearchedGallery(gallery, plan, photographs, manifests)
        for gallery, manifests in zip(galleries, shards.values(), strict=True)
    ]
