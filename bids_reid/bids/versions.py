"""Further versions of the same scans, such as de-faced ones, in whatever layout a tool left them.

Only the user says what a version is: no name is ever taken for proof that a face was removed.
Names serve to find which original an image is a version of, and which of several is meant.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bids_reid.bids.entities import entities_of
from bids_reid.bids.head_images import HEAD_SUFFIXES, no_magnitude
from bids_reid.bids.walk import RealPaths, files_below
from bids_reid.records import Scan

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

BESIDE = ('derivatives', 'sourcedata', 'code', 'work', 'logs')
"""Folders of a dataset that do not contain its own images."""
_IGNORED = ('desc', 'space', 'res', 'den', 'label')
"""Entities that distinguish versions of one scan, not scans."""
_LOST = frozenset({'ses', 'run'})
"""Entities that a flat folder may have lost; any other entity marks another image."""
_NO_HEAD = re.compile(r'.*(mask|seg|warp|xfm).*|face|brain|qc', re.IGNORECASE | re.S)
"""Masks of de-facing tools, and AFNI's ``.face``, which is the inserted face without the head."""
_VERSION = re.compile(r'de-?fac|re-?fac|de-?id|anon|shear|face|blur', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Versions:
    """The images of one condition.

    Attributes
    ----------
    scans
        One per original, or without an original.
    refused
        Scans of which several images could be the version, with the reason.
    taken
        Images of the raw dataset that are versions, so that they are not raw.
    missing
        Originals of which no image is a version, not even an unclear one.
    """

    scans: tuple[Scan, ...]
    refused: tuple[tuple[Scan, str], ...] = ()
    taken: frozenset[Path] = frozenset()
    missing: tuple[Scan, ...] = ()


@dataclass(frozen=True, slots=True)
class _Image:
    """An image's name, taken apart; ``marks`` are the words that no BIDS entity explains."""

    path: Path
    modality: str
    entities: Mapping[str, str]
    marks: tuple[str, ...]
    contradiction: str | None = None

    @property
    def identity(self) -> dict[str, str]:
        """Entities that say which scan it is a version of."""
        return {key: value for key, value in self.entities.items() if key not in _IGNORED}

    @property
    def version_words(self) -> frozenset[str]:
        """Words that say which version it is, in their plain form."""
        words = (*self.marks, self.entities.get('desc', ''), self.entities.get('rec', ''))
        return frozenset(_plain(word) for word in words if word)


def find_versions(
    name: str,
    folder: Path,
    originals: Sequence[Scan],
    *,
    participants: Collection[str],
    dataset: Collection[str],
    modalities: Collection[str] = (),
    note: Callable[[str], None],
) -> Versions:
    """Find the images of a condition and the original of each.

    An image is found by the words of its name between ``_`` and ``.``: one is a modality, those
    of the form ``key-value`` are entities (``sub`` and ``ses`` may come from the folders
    instead), the others, as in ``_T1w_defaced``, ``_T1w.reface`` or ``_T1w_desc-nondeid``, say
    which version it is. Its original has the same modality and the same entities, but for those
    of a version; ``rec`` counts for one if no original has it.

    Parameters
    ----------
    name : str
        Name of the condition.
    folder : Path
        Where its images are, in subfolders or not; it is only read. It may be the raw dataset.
    originals : sequence of Scan
        All raw scans of ``participants``.
    participants : collection of str
        Whose versions are wanted, labels without prefix.
    dataset : collection of str
        All participants of the dataset; images of others are told and left out.
    modalities : collection of str
        BIDS suffixes; without any, those of `version_suffixes`.
    note : callable
        Called with each line that the user should read: what has no original or no version,
        and what was left out.
    """
    real = RealPaths()
    raw = {real(scan.path) for scan in originals}
    # what stands beside raw scans is no version only because its name makes it no scan
    raw_folders = {path.parent for path in raw}
    suffixes = modalities or version_suffixes(originals)
    any_part = any(no_magnitude(scan.source_name) for scan in originals)
    images: list[_Image] = []
    nameless: list[Path] = []
    strangers: list[Path] = []
    contradictory: list[Path] = []
    # tasks of one participant each would list those of all others
    others = {f'sub-{label}' for label in dataset} - {f'sub-{label}' for label in participants}
    for path in _images(folder, others):
        image = _parse(path, folder, suffixes)
        if image is None:
            continue
        among_raw = real(path) in raw or real.of_link(path).parent in raw_folders
        if among_raw and not _is_version(image, name):
            continue
        # as of raw scans, whoever has not asked for them does not want them
        if not any_part and no_magnitude(path.name.partition('.')[0]):
            continue
        if image.contradiction is not None:
            contradictory.append(path)
        elif 'sub' not in image.entities:
            nameless.append(path)
        elif image.entities['sub'] not in dataset:
            strangers.append(path)
        elif image.entities['sub'] in participants:
            images.append(image)
    _tell(
        note,
        name,
        contradictory,
        'left out because file name and folder name different participants',
    )
    _tell(note, name, nameless, 'left out because no participant is named')
    _tell(note, name, strangers, 'left out because the participant is not in the dataset')
    taken = frozenset(real(image.path) for image in images) & raw
    kept = [scan for scan in originals if real(scan.path) not in taken]
    versions = _sorted_out(name, images, kept, note)
    paired = {scan.original for scan in versions.scans}
    paired |= {scan.original for scan, _ in versions.refused}
    missing = tuple(scan for scan in kept if scan.original not in paired)
    if missing:
        scans = (
            'the only scan has' if len(kept) == 1 else f'{len(missing)} of {len(kept)} scans have'
        )
        note(f'{name}: {scans} no such version')
    return replace(versions, taken=taken, missing=missing)


def version_suffixes(originals: Iterable[Scan]) -> frozenset[str]:
    """Suffixes by which an image is taken for a version: BIDS's own, and those of the originals.

    Any other word of a name may say anything.
    """
    return HEAD_SUFFIXES | {scan.modality for scan in originals}


def missing_versions(condition: str, folder: Path, originals: Sequence[Scan]) -> list[Scan]:
    """Return the originals without a version in a folder, by names, in order.

    An image that could be a version of several originals is a version of none.

    Parameters
    ----------
    condition : str
        Name of the condition.
    folder : Path
        Where its images are, as for `find_versions`; it may be the raw dataset.
    originals : sequence of Scan
        Raw scans, as `bids_reid.bids.head_images.head_images` finds them. Those that are versions
        themselves are no originals.

    Raises
    ------
    NoInputError
        The folder cannot be listed.
    """
    people = {scan.participant for scan in originals}
    found = find_versions(
        condition, folder, originals, participants=people, dataset=people, note=lambda _: None
    )
    clear, real = {scan.original for scan in found.scans}, RealPaths()
    return [
        scan
        for scan in originals
        if scan.original not in clear and not (found.taken and real(scan.path) in found.taken)
    ]


def _images(folder: Path, others: Collection[str]) -> Iterator[Path]:
    for path in files_below(folder, leave_out=(*BESIDE, *others)):
        if path.name.endswith(('.nii', '.nii.gz')):
            yield path


def _parse(path: Path, folder: Path, modalities: Collection[str]) -> _Image | None:
    """Take a name apart; ``None`` if it is no image of a head of these modalities."""
    base = path.name.removesuffix('.gz').removesuffix('.nii')
    entities: dict[str, str] = {}
    marks: list[str] = []
    named: list[str] = []
    for word in re.split(r'[_.]', base):
        key, dash, value = word.partition('-')
        if key in modalities:
            # some write sub-01_T1w-deface.nii.gz
            named.append(key)
            marks += [value] if dash else []
        elif dash and key.islower() and key.isalpha():
            entities[key] = value
        elif word:
            marks.append(word)
    # deepdefacer's mask has defacemask-deepdefacer in its name
    if len(named) != 1 or any(_NO_HEAD.fullmatch(word) for word in (*marks, *entities)):
        return None
    for part in path.relative_to(folder).parent.parts:
        key, dash, value = part.partition('-')
        if dash and key in ('sub', 'ses'):
            entities.setdefault(key, value)
    placed = entities_of(path.relative_to(folder).as_posix())
    if placed.participant is None:
        # a folder with a label that BIDS does not allow
        entities.pop('sub', None)
    return _Image(path, named[0], entities, tuple(marks), placed.contradiction)


def _is_version(image: _Image, name: str) -> bool:
    """Whether an image that stands among the raw ones is meant: of itself it is no version."""
    words = image.version_words
    return _plain(name) in words or any(_VERSION.search(word) for word in words)


def _plain(word: str) -> str:
    """Write ``deFaced``, ``defaced`` and ``deface`` alike."""
    return re.sub(r'd$', '', word.lower().replace('-', ''))


def _sorted_out(
    name: str, images: Sequence[_Image], originals: Sequence[Scan], note: Callable[[str], None]
) -> Versions:
    """Give each image its original, and each original one image."""
    by_person: dict[tuple[str, str], list[Scan]] = defaultdict(list)
    for scan in originals:
        by_person[scan.participant, scan.modality].append(scan)
    groups: dict[Scan, list[_Image]] = defaultdict(list)
    refused: list[tuple[Scan, str]] = []
    alone: list[Path] = []
    for image in images:
        near = by_person[image.entities['sub'], image.modality]
        fitting = _fitting(image, near)
        own = _own_scan(image, name)
        if len(fitting) == 1:
            scan = fitting[0]
            own = replace(scan, path=image.path, condition=name)
            groups[replace(own, path=Path())].append(image)
        elif fitting:
            names = ', '.join(scan.path.name for scan in fitting)
            refused.append((own, f'{image.path.name} could be a version of each of {names}'))
        else:
            alone.append(image.path)
            groups[replace(own, path=Path())].append(image)
    _tell(note, name, alone, 'without an original, so checked but not compared')
    scans = []
    for scan, some in groups.items():
        chosen = _choose(some, name)
        if len(chosen) == 1:
            scans.append(replace(scan, path=chosen[0].path))
            left = [image.path for image in some if image is not chosen[0]]
            _tell(note, name, left, f'left out in favour of {chosen[0].path.name}')
        else:
            names = ', '.join(image.path.name for image in chosen)
            reason = (
                f'each of {names} could be the version {name}: keep one, or name the condition '
                'after one'
            )
            refused.append((replace(scan, path=chosen[0].path), reason))
    for scan, reason in refused:
        note(f'{name}: {scan.path}: {reason}')
    return Versions(tuple(sorted(scans, key=lambda scan: scan.place)), tuple(refused))


def _fitting(image: _Image, originals: Sequence[Scan]) -> list[Scan]:
    """Return the originals whose entities the image has; of rules that ask for less, the first."""
    identity = image.identity
    without = {key: value for key, value in identity.items() if key != 'rec'}
    have = [(scan, _identity(scan)) for scan in originals]
    for wanted in (identity, without):
        same = [scan for scan, entities in have if entities == wanted]
        if same:
            return same
    for wanted in (identity, without):
        more = [
            scan
            for scan, entities in have
            if wanted.items() <= entities.items() and entities.keys() - wanted.keys() <= _LOST
        ]
        if more:
            return more
    return []


def _identity(scan: Scan) -> dict[str, str]:
    pairs = (part.partition('-') for part in scan.source_name.split('_'))
    return {key: value for key, dash, value in pairs if dash and key not in _IGNORED}


def _own_scan(image: _Image, name: str) -> Scan:
    """Scan of an image by its own name."""
    entities = image.identity
    first = [key for key in ('sub', 'ses') if key in entities]
    keys = first + [key for key in entities if key not in first]
    stem = '_'.join(f'{key}-{entities[key]}' for key in keys)
    return Scan(entities['sub'], entities.get('ses'), image.modality, stem, image.path, name)


def _choose(images: Sequence[_Image], name: str) -> list[_Image]:
    """Choose among the images of one original those that bear the condition's name."""
    # one that is there as .nii and .nii.gz counts once
    once = {str(image.path).removesuffix('.gz'): image for image in sorted(images, key=_path)}
    named = [image for image in once.values() if _plain(name) in image.version_words]
    some = named or list(once.values())
    if len(named) > 1:
        # reface rather than reface_plus
        fewest = min(len(image.version_words) for image in named)
        some = [image for image in named if len(image.version_words) == fewest]
    return some


def _path(image: _Image) -> str:
    return str(image.path)


def _tell(note: Callable[[str], None], name: str, paths: Iterable[Path], what: str) -> None:
    some = sorted(paths)
    if some:
        images = 'image is' if len(some) == 1 else 'images are'
        note(f'{name}: {len(some)} {images} {what}; first: {some[0]}')
