"""The photographs that were given: the people in them, and what is wrong with them.

A photograph under a wrong label is a wrong number, so what cannot be meant ends the run before
any work: no guess is made, and nothing of it is left out without a word. No name of a file and no
label of somebody who is not in the dataset is said: it may be a person's.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from bids_reid.bids.consent import read_consent
from bids_reid.bids.files import objects, read_json
from bids_reid.bids.inputs import dataset_participants
from bids_reid.bids.photo_labels import DatasetLabels, examples, loose_key, match_labels, sayable
from bids_reid.bids.photos import DESCRIPTION, find_photos, label_of
from bids_reid.bids.walk import RealPaths
from bids_reid.errors import UsageError
from bids_reid.messages import count
from bids_reid.records import STRANGER, Photo

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from bids_reid.bids.consent import Consent
    from bids_reid.bids.photo_labels import Labelled
    from bids_reid.settings import Settings


@dataclass(frozen=True, slots=True)
class GivenPhotographs:
    """Photographs, each once, and what the user should know about their labels.

    Attributes
    ----------
    photos : tuple of Photo
        Those of distractors are as `STRANGER` says.
    n_loosely : int
        Photographs whose label differs from the dataset's in zeros, case or prefix.
    n_strangers : int
        Photographs with a label of nobody in the dataset.
    n_twice : int
        Files that were given before, byte for byte, and were left out.
    without_consent : tuple of str
        Participants with photographs that were left out, unopened, for lack of consent.
    n_without_consent : int
        So many photographs were, of them and of strangers.
    notes : tuple of str
        The same in sentences.
    """

    photos: tuple[Photo, ...]
    n_loosely: int = 0
    n_strangers: int = 0
    n_twice: int = 0
    without_consent: tuple[str, ...] = ()
    n_without_consent: int = 0
    notes: tuple[str, ...] = ()


def check_photographs(settings: Settings) -> None:
    """Find out before any work what is wrong with ``--photos``.

    Raises
    ------
    ReidError
        As `read_photographs`. Without raw images it is told at the group level: the results tell
        who is in the dataset.
    """
    dataset = dataset_participants(settings.bids_dir)
    if settings.photos is not None and dataset:
        read_photographs(settings, settings.photos, dataset)


def read_photographs(
    settings: Settings, source: Path, dataset: Collection[str]
) -> GivenPhotographs:
    """List the photographs of people of the dataset, and of distractors.

    Raises
    ------
    NoInputError
        As `bids_reid.bids.photos.find_photos`.
    UsageError
        So does it; or the folder is one of the dataset or of results, nobody of the dataset is on
        any labelled photograph, a label may mean two participants, a file is said to show two, or
        ``--consent`` is no such table, or has no yes for anybody of the dataset.
    """
    _check_place(settings, source)
    people = frozenset(dataset)
    consent = None if settings.consent is None else read_consent(settings.consent, people)
    found = find_photos(source, (lambda _: True) if consent is None else consent.allows)
    _check_none_is_ours(settings, found)
    labelled = match_labels(found, people)
    _check_somebody(labelled, source, people)
    _check_folders(labelled.photos, people)
    refused = _refused(labelled.photos, consent, people)
    allowed = [photo for photo in labelled.photos if photo not in refused]
    photos = tuple(_once(allowed, people))
    without = sorted({photo.participant or '' for photo in refused} & people)
    given = GivenPhotographs(
        tuple(_nameless(photos, people)),
        n_loosely=labelled.n_loosely,
        n_strangers=len(labelled.strangers),
        n_twice=len(allowed) - len(photos),
        without_consent=tuple(without),
        n_without_consent=len(refused),
    )
    return replace(given, notes=tuple(_notes(given, labelled, people)))


def _refused(
    photos: Iterable[Photo], consent: Consent | None, dataset: Collection[str]
) -> frozenset[Photo]:
    """Return the photographs of people who have not agreed.

    Raises
    ------
    UsageError
        Nobody of the dataset who is on a photograph has.
    """
    if consent is None:
        return frozenset()
    refused = frozenset(photo for photo in photos if not consent.allows(photo.participant))
    of_people = {photo for photo in photos if photo.participant in dataset}
    if of_people and of_people <= refused:
        raise UsageError(
            '--consent has no yes for any participant on the '
            f'{count(len(of_people), "photograph")}: add their consent, or leave out --photos'
        )
    return refused


def _check_place(settings: Settings, source: Path) -> None:
    """Find out whether pictures that nobody took would be taken for photographs.

    Raises
    ------
    UsageError
        They would.
    """
    real = source.resolve()
    output = settings.output_dir.resolve()
    if not real.is_dir():
        return
    for name, folder in settings.datasets.items():
        if real == folder.resolve():
            raise UsageError(
                f'--photos {source} is the dataset of the {name} scans: name the folder of the '
                'photographs'
            )
    if real.is_relative_to(output) or any(map(_is_of_results, (real, *real.parents))):
        raise UsageError(
            f'--photos {source} is in a folder of results: pictures drawn from scans are not '
            'photographs'
        )
    if settings.bids_dir.resolve().is_relative_to(real) or output.is_relative_to(real):
        raise UsageError(
            f'--photos {source} also holds the dataset or the results: name a folder that holds '
            'only photographs'
        )


def _is_of_results(folder: Path) -> bool:
    description = read_json(folder / DESCRIPTION)
    names = [one.get('Name') for one in objects(description, 'GeneratedBy')]
    return description.get('DatasetType') == 'derivative' and 'bids_reid' in names


def _check_none_is_ours(settings: Settings, photos: Sequence[Photo]) -> None:
    """Find out whether a table, or a link, names pictures that this program drew.

    Raises
    ------
    UsageError
        One is in the output folder.
    """
    output, real = settings.output_dir.resolve(), RealPaths()
    inside = sum(real(photo.path).is_relative_to(output) for photo in photos)
    if inside:
        raise UsageError(
            f'{count(inside, "picture")} of --photos {"is" if inside == 1 else "are"} in '
            f'{settings.output_dir}: pictures drawn from scans are not photographs'
        )


def _check_somebody(labelled: Labelled, source: Path, dataset: Collection[str]) -> None:
    """Find out whether anybody of the dataset is on a photograph that has a label.

    Raises
    ------
    UsageError
        All labels are of others, or there are none.
    """
    if not dataset or any(photo.participant in dataset for photo in labelled.photos):
        return
    example = f'sub-{min(dataset)}'
    if labelled.strangers:
        shown = sayable(labelled.strangers, dataset)
        such = f' (such as {examples(f"sub-{label}" for label in shown)})' if shown else ''
        raise UsageError(
            f'none of {count(len(labelled.strangers), "labelled photograph")} in {source} shows '
            f'a participant of the dataset{such}: the dataset has labels such as {example}'
        )
    keys = {loose_key(label): label for label in dataset}
    alike = [
        label
        for photo in labelled.photos
        for part in (photo.path.stem, photo.path.parent.name)
        if (label := keys.get(loose_key(part))) is not None
    ]
    if alike:
        raise UsageError(
            f'no photograph in {source} names its participant: a name such as {alike[0]} must '
            f'start with sub-{alike[0]}'
        )
    how = f'name files like {example}_photo-1.jpg, or give a table (TSV) of the photographs'
    if source.is_file():
        how = f'give a label such as {example} in the column participant_id'
    raise UsageError(f'no photograph in {source} names a participant: {how}')


def _check_folders(photos: Iterable[Photo], dataset: frozenset[str]) -> None:
    """Find out whether each photograph lies in a folder of the participant on it, or of nobody.

    Raises
    ------
    UsageError
        One lies in that of another participant of the dataset.
    """
    labels = DatasetLabels(dataset)
    for photo in photos:
        if photo.participant not in dataset:
            continue
        folders = map(label_of, PurePosixPath(photo.name).parts[:-1])
        others = {one for label in folders if label for one in labels.meant_by(label)}
        if others - {photo.participant}:
            raise UsageError(
                f'the photograph {photo.name} is labelled sub-{photo.participant} but lies in a '
                f'folder of sub-{min(others - {photo.participant})}: correct one of the two'
            )


def _once(photos: Sequence[Photo], dataset: frozenset[str]) -> Iterator[Photo]:
    """Yield each file once, even if it was copied under another name.

    Raises
    ------
    UsageError
        One file is said to show two people, so one label is wrong.
    """
    first: dict[tuple[int, str], Photo] = {}
    contents = _contents(photos)
    for photo in photos:
        content = contents.get(photo.path)
        if content is None:
            yield photo
            continue
        other = first.setdefault(content, photo)
        if other is photo:
            yield photo
        else:
            _check_same_person(other, photo, dataset)


def _check_same_person(one: Photo, other: Photo, dataset: frozenset[str]) -> None:
    """Compare two entries of the same file.

    Raises
    ------
    UsageError
        They are of different people, one of whom at least is in the dataset.
    """
    known = [photo for photo in (one, other) if photo.participant in dataset]
    if len(known) == 2 and one.participant != other.participant:
        raise UsageError(
            f'the same photograph is given for sub-{one.participant} ({one.name}) and '
            f'sub-{other.participant} ({other.name}): correct the wrong label'
        )
    if len(known) == 1:
        raise UsageError(
            f'the photograph {known[0].name} of sub-{known[0].participant} is also given as a '
            'photograph of a stranger: correct the wrong label'
        )


def _contents(photos: Iterable[Photo]) -> Mapping[Path, tuple[int, str]]:
    """Size and SHA-256 of those files that are as long as another; none of those unreadable."""
    by_size: dict[int, list[Path]] = defaultdict(list)
    for photo in photos:
        try:
            size = photo.path.stat().st_size
        except OSError:
            continue
        # nothing is no photograph, and told as such
        if size:
            by_size[size].append(photo.path)
    contents: dict[Path, tuple[int, str]] = {}
    for size, paths in by_size.items():
        for path in paths if len(paths) > 1 else ():
            try:
                with path.open('rb') as file:
                    contents[path] = size, hashlib.file_digest(file, 'sha256').hexdigest()
            except OSError:
                continue
    return contents


def _nameless(photos: Iterable[Photo], dataset: Collection[str]) -> Iterator[Photo]:
    """Give the photographs of distractors numbers: file and label may bear a stranger's name."""
    n_distractors = 0
    for photo in photos:
        if photo.participant in dataset:
            yield photo
        else:
            n_distractors += 1
            label = None if photo.participant is None else STRANGER
            yield Photo(f'distractor {n_distractors}', label, photo.path)


def _notes(given: GivenPhotographs, labelled: Labelled, dataset: Collection[str]) -> Iterator[str]:
    if labelled.n_loosely:
        pairs = examples(f'{typed} for sub-{meant}' for typed, meant in labelled.loosely.items())
        were = count(labelled.n_loosely, 'photograph was', 'photographs were')
        yield f"{were} matched although their labels differ slightly from the dataset's: {pairs}"
    if labelled.strangers:
        shown = sayable(labelled.strangers, dataset)
        such = f', such as {examples(shown)}' if shown else ''
        bear = count(len(labelled.strangers), 'photograph has', 'photographs have')
        yield f'{bear} a label that is not in the dataset{such}: counted as distractors'
    if given.n_without_consent:
        left_out = count(given.n_without_consent, 'photograph was', 'photographs were')
        n_people = len(given.without_consent)
        who = (
            f' ({examples(f"sub-{label}" for label in given.without_consent)})' if n_people else ''
        )
        yield (
            f'{left_out} left out without being opened, for lack of consent: those of '
            f'{count(n_people, "participant")} of the dataset{who} and all labelled photographs '
            'of strangers. Photographs without a label stay distractors.'
        )
    if given.n_twice:
        files = count(given.n_twice, 'photograph was', 'photographs were')
        yield f'{files} left out because they are exact copies of others'
