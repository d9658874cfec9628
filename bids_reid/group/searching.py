"""The search of a gallery: in shards that know nothing of each other, merged by key.

What decisions learn of the whole gallery and of the photographs is learned once beforehand.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bids_reid.group.encoding import read_encoded
from bids_reid.group.galleries import StoredTemplates
from bids_reid.group.merging import MergeError, merged
from bids_reid.match.decisions import DECISIONS, learn, score
from bids_reid.match.training import Training
from bids_reid.risk.identification import Searches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from bids_reid.group.galleries import GalleryScan, ScanGallery
    from bids_reid.match.decisions import Arrays
    from bids_reid.records import Photo


@dataclass(frozen=True, slots=True)
class Plan:
    """All photographs of a run, and which of them show participants of the dataset."""

    photos: tuple[Photo, ...]
    dataset: frozenset[str]

    @property
    def names(self) -> list[str]:
        """Names of all photographs."""
        return [photo.name for photo in self.photos]

    @property
    def distractors(self) -> list[str]:
        """Names of the photographs of anybody else."""
        return [photo.name for photo in self.photos if photo.participant not in self.dataset]

    @property
    def cohort(self) -> list[str]:
        """Names of the photographs of participants, whoever they show.

        Those of distractors, who may have come with another camera, teach a decision nothing.
        """
        return [photo.name for photo in self.photos if photo.participant in self.dataset]

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
        """Return what a file holds of it."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, file: Path) -> Manifest:
        """Read the manifest in a file of `search_shard`."""
        with np.load(file) as content:
            values = json.loads(str(content['manifest']))
        return cls(
            extractor=values['extractor'],
            condition=values['condition'],
            modality=values['modality'],
            decisions=tuple(values['decisions']),
            scans=tuple(values['scans']),
            probes=tuple(values['probes']),
            distractors=tuple(values['distractors']),
        )


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
    """Read what `fit_gallery` wrote: decision to its parameters."""
    with np.load(fitted) as content:
        arrays = dict(content)
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
        Gets the scores, and a `Manifest` of their keys.
    """
    photographs = read_encoded(encoded, plan.names, extractor)
    mated = photographs.acquired(probes)
    strangers = photographs.acquired(plan.distractors)
    templates = StoredTemplates(shard.scans, extractor)
    results = score(
        photographs.probes(mated + strangers),
        templates.sides(),
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


def merge_shards(
    gallery: ScanGallery,
    plan: Plan,
    encoded: Sequence[Path],
    extractor: str,
    files: Sequence[Path],
) -> Iterator[tuple[str, Searches]]:
    """Put the shards of a gallery together, by the keys in their manifests.

    Parameters
    ----------
    files
        Files of `search_shard`, in any order; those of other galleries and extractors are left
        out.

    Yields
    ------
    Each decision with its searches.

    Raises
    ------
    MergeError
        A scan has no scores under a decision, or twice; or there are scores of a scan or a
        photograph that was not asked for.
    """
    photographs = read_encoded(encoded, plan.names, extractor)
    own = (extractor, gallery.condition, gallery.modality)
    manifests = {file: Manifest.read(file) for file in files}
    manifests = {
        file: one
        for file, one in manifests.items()
        if (one.extractor, one.condition, one.modality) == own
    }
    mated = {
        name: who
        for name, who in plan.mated(gallery).items()
        if photographs.outcomes[name][0] != 'unreadable'
    }
    strangers = photographs.acquired(plan.distractors)
    acquired = np.array([photographs.outcomes[name][0] == 'ok' for name in mated], dtype=bool)
    made = {decision for one in manifests.values() for decision in one.decisions}
    for decision in (name for name in DECISIONS if name in made):
        table = _Table([*mated, *strangers], [scan.key for scan in gallery.scans])
        for file, manifest in manifests.items():
            if decision in manifest.decisions:
                table.add(file, manifest, decision)
        table.check()
        yield (
            decision,
            Searches(
                scores=table.scores[: len(mated)],
                photos=tuple(mated),
                photo_participants=tuple(mated.values()),
                acquired=acquired,
                scan_participants=gallery.participants,
                enrolled=table.enrolled,
                distractors=table.scores[len(mated) :],
                pooling=DECISIONS[decision].photo_pooling,
            ),
        )


class _Table:
    """The scores of one decision, filled shard by shard; entries without a score are NaN."""

    def __init__(self, photos: Sequence[str], scans: Sequence[str]) -> None:
        self._rows = {name: row for row, name in enumerate(photos)}
        self._scans = scans
        self._columns = {key: column for column, key in enumerate(scans)}
        self._seen: list[str] = []
        self.scores = np.full((len(photos), len(scans)), np.nan, np.float32)
        self.enrolled = np.zeros(len(scans), np.bool_)

    def add(self, file: Path, manifest: Manifest, decision: str) -> None:
        """Put the scores of a file where their keys say."""
        self._seen += manifest.scans
        rows = _places(self._rows, (*manifest.probes, *manifest.distractors), 'photograph')
        columns = _places(self._columns, manifest.scans, 'scan')
        with np.load(file) as content:
            self.scores[np.ix_(rows, columns)] = content[f'{decision}.scores']
            self.enrolled[columns] = content[f'{decision}.enrolled']

    def check(self) -> None:
        """Raise `MergeError` unless each scan came once."""
        merged(((key, None) for key in self._seen), self._scans, 'scan')


def _places(places: Mapping[str, int], keys: Iterable[str], noun: str) -> list[int]:
    """Look the places of keys up."""
    try:
        return [places[key] for key in keys]
    except KeyError as error:
        message = f'a result for {noun} {error.args[0]}, which was not asked for'
        raise MergeError(message) from None
