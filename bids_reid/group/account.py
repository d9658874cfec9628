"""The account of the release: one line per image, tied to the bytes of that image."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from bids_reid.bids.derivatives import record_state
from bids_reid.bids.description import condition_folders
from bids_reid.bids.entities import entities_of
from bids_reid.bids.formats import OWN_OUTPUT, OWN_RESULTS, UNKNOWN, format_by_name
from bids_reid.bids.hash_cache import HashCache
from bids_reid.bids.head_images import head_images, left_out_images
from bids_reid.bids.image_records import has_current_look, read_current_record
from bids_reid.bids.layout import cache_file
from bids_reid.bids.misnamed import misnamed_images
from bids_reid.bids.release import content_sha256, walk_release
from bids_reid.bids.versions import missing_versions
from bids_reid.bids.walk import RealPaths
from bids_reid.group.result import ImageLine, Uncounted
from bids_reid.messages import logger
from bids_reid.records import IDENTIFYING, RAW, Image
from bids_reid.risk.presence import assess_image

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from bids_reid.participant.library import EnrolledScan
    from bids_reid.settings import Settings

RELEASE = 'release'
"""Condition of the images of a release that is not the folder of a condition."""
NO_RESULT = 'the image has no result: run the participant level again'
NOT_SEEN = 'no result yet: run the participant level again for all participants'
HOLDS_RESULTS = (
    'results of bids_reid, which contain skin surfaces and face features: move them out of the '
    'release'
)
IS_TEMPLATE = 'a template of bids_reid, which holds features of a face: remove it'
NEVER_DEFACED = 'the file is byte for byte the original: it was never de-faced'
HEAD_VOLUME: Literal['head volume'] = 'head volume'


@dataclass(frozen=True, slots=True)
class Survey:
    """The release and the results, as they are on the disk now.

    Attributes
    ----------
    folder : Path
        The release.
    condition : str
        The condition that it is the folder of, else `RELEASE`.
    images : tuple of Image
        All of it that can show a head.
    folders : mapping
        Where the scans of each condition are.
    uncounted : tuple of Uncounted
        Results whose scans are gone, have changed or are left out.
    missing : tuple of str
        Originals without a version in the release, by path.
    needed : tuple of str
        Parts of a face that have to be removed, by their names in `bids_reid.records.PART_NAMES`.
    """

    folder: Path
    condition: str
    images: tuple[Image, ...]
    folders: Mapping[str, Path]
    uncounted: tuple[Uncounted, ...] = ()
    missing: tuple[str, ...] = ()
    needed: tuple[str, ...] = IDENTIFYING


def survey(
    settings: Settings, enrolled: Sequence[EnrolledScan]
) -> tuple[Survey, list[EnrolledScan]]:
    """Walk through the release, and find the results that still stand for a scan.

    Returns
    -------
    The survey, and the scans whose results count: the file that was measured is there and has the
    same content.

    Raises
    ------
    NoInputError
        The release cannot be listed.
    """
    folders = condition_folders(settings.output_dir, settings.bids_dir, settings.derivatives)
    folder = settings.release or folders.get(settings.audited, settings.bids_dir)
    condition = _condition_of(folder, folders, settings.audited)
    cache = HashCache(cache_file(settings.output_dir))
    own = (settings.output_dir, settings.work)
    images = tuple(walk_release(folder, cache=cache, own=own, n_procs=settings.n_procs))
    sha256_of = partial(content_sha256, cache=cache)
    counted: list[EnrolledScan] = []
    uncounted: list[Uncounted] = []
    for scan in enrolled:
        place = folders.get(scan.line.condition)
        reason = record_state(scan.files, scan.record, place, sha256_of)
        if reason is None:
            counted.append(scan)
        else:
            uncounted.append(Uncounted(scan.line.condition, scan.line.source, reason))
    if not settings.dry_run:
        cache.save()
    missing = tuple(_missing(folder, condition, folders, settings))
    found = Survey(
        *(folder, condition, images, folders, tuple(uncounted)), missing, settings.parts
    )
    return found, counted


def _missing(
    release: Path, condition: str, folders: Mapping[str, Path], settings: Settings
) -> Iterator[str]:
    """Yield the originals without a version in the release, or in the folder in it."""
    place = release
    if condition in (RAW, RELEASE):
        condition, place = settings.audited, folders.get(settings.audited, release)
    if condition == RAW or not place.resolve().is_relative_to(release.resolve()):
        return
    for scan in missing_versions(condition, place, head_images(settings.bids_dir)):
        yield _below(scan.path, settings.bids_dir)


def _condition_of(folder: Path, folders: Mapping[str, Path], audited: str) -> str:
    """Name the condition whose folder a release is."""
    real = folder.resolve()
    names = [name for name, place in folders.items() if place.resolve() == real]
    return audited if audited in names else next(iter(names), RELEASE)


def _below(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def tell_uncounted(uncounted: Sequence[Uncounted]) -> None:
    """Name the results that are not counted; those of one reason share a line."""
    by_reason: dict[str, list[Uncounted]] = defaultdict(list)
    for one in uncounted:
        by_reason[one.reason].append(one)
    for reason, some in by_reason.items():
        results = 'result is' if len(some) == 1 else 'results are'
        first = f'{some[0].condition}: {some[0].source}'
        logger.info(f'{len(some)} {results} not used: {reason} (for example {first})')


def nobodys_images(
    survey: Survey, scans: Iterable[EnrolledScan], dataset: Collection[str], output_dir: Path
) -> list[tuple[Path, Image]]:
    """Return the images of the release that belong to no participant and need a look.

    Each task of a cluster's array has a participant: nobody looks at the others.
    """
    looked_at = {scan.record.origin.source_sha256 for scan in scans if not scan.record.failed}
    return [
        (survey.folder, image)
        for image in survey.images
        if image.absent is None
        and image.format not in OWN_RESULTS
        and entities_of(image.path).participant not in dataset
        and image.sha256 not in looked_at
        and not has_current_look(output_dir, image)
    ]


def image_lines(
    survey: Survey, counted: Sequence[EnrolledScan], output_dir: Path, bids_dir: Path
) -> tuple[ImageLine, ...]:
    """Give every image of the release its line, then every scan of the conditions besides.

    Parameters
    ----------
    counted : sequence of EnrolledScan
        The scans whose results count, of all participants: no filter makes an account smaller.
    """
    scans = _Scans(survey, counted)
    real = RealPaths()
    misnamed = misnamed_images(bids_dir)
    no_scans = {real.of_link(path): reason for path, reason in misnamed}
    lines, placed = [], set()
    for image in survey.images:
        scan = scans.at(image)
        if scan is None:
            line = _line_of_content(survey, image, scans, output_dir)
            why = no_scans.get(real.of_link(survey.folder / image.path))
            line = _named(line, why or entities_of(image.path).contradiction)
        else:
            placed.add(scan.files)
            line = _line_of_scan(scan, image)
        lines.append(_told_if_original(line, scans))
    others = [scan for scan in counted if scan.files not in placed]
    lines += sorted(_besides(survey, others, bids_dir, scans, misnamed), key=_order)
    return tuple(lines)


def _named(line: ImageLine, why: str | None) -> ImageLine:
    """Say in the line of an image that was only checked for faces why it is not a scan."""
    if why is None:
        return line
    return replace(
        line, reason='; '.join(filter(None, [line.reason, f'not treated as a scan: {why}']))
    )


def _told_if_original(line: ImageLine, scans: _Scans) -> ImageLine:
    """Say in the line of a version if it is the original, which somebody forgot to de-face."""
    if line.condition == RAW or not scans.is_original(line.sha256):
        return line
    return replace(line, reason='; '.join(filter(None, [line.reason, NEVER_DEFACED])))


class _Scans:
    """The scans whose results count, by where they are and by their content.

    Where two conditions have the same file, that of the release comes first.
    """

    def __init__(self, survey: Survey, counted: Sequence[EnrolledScan]) -> None:
        self._folder = survey.folder
        self._real = RealPaths()
        self._places: dict[Path, EnrolledScan] = {}
        self._targets: dict[Path, EnrolledScan] = {}
        self._contents: dict[tuple[str | None, bool], EnrolledScan] = {}
        for scan in sorted(counted, key=lambda scan: scan.line.condition != survey.condition):
            path = survey.folders[scan.line.condition] / scan.line.source
            self._places.setdefault(self._real.of_link(path), scan)
            self._targets.setdefault(self._real(path), scan)
            self._contents.setdefault((_content(scan), scan.record.failed), scan)
        self._originals = {_content(scan) for scan in counted if scan.line.condition == RAW}
        self._released = {self._real(survey.folder / image.path) for image in survey.images}

    def at(self, image: Image) -> EnrolledScan | None:
        """Return the scan that an image of the release is, at its own place or behind a link."""
        path = self._folder / image.path
        scan = self._places.get(self._real.of_link(path)) or self._targets.get(self._real(path))
        # what was put there since the results were looked through is another image
        return scan if scan is not None and _content(scan) == image.sha256 else None

    def of_content(self, sha256: str | None, *, failed: bool) -> EnrolledScan | None:
        """Return a scan with these bytes, one that was processed or one that failed."""
        return None if sha256 is None else self._contents.get((sha256, failed))

    def is_original(self, sha256: str | None) -> bool:
        """Whether a raw scan has these bytes."""
        return sha256 is not None and sha256 in self._originals

    def know(self, path: Path) -> bool:
        """Whether a file is one of the scans, or in the release."""
        real = self._real(path)
        return real in self._targets or real in self._released


def _content(scan: EnrolledScan) -> str | None:
    return scan.record.origin.source_sha256


def _order(line: ImageLine) -> tuple[bool, str, str]:
    return line.condition != RAW, line.condition, line.path


def _unseen(image: Image, condition: str, reason: str) -> ImageLine:
    """Return the line of an image that nobody has looked at."""
    entities = entities_of(image.path)
    return ImageLine(
        path=image.path,
        in_release=True,
        bytes=image.bytes,
        sha256=image.sha256,
        annex_key=image.annex_key,
        format=image.format,
        kind='unreadable',
        participant=entities.participant,
        session=entities.session,
        modality=entities.suffix,
        condition=condition,
        status='not_looked_at',
        verdict='not looked at',
        reason=reason,
    )


def _line_of_scan(scan: EnrolledScan, image: Image) -> ImageLine:
    """Return the line of a scan that was processed, at its place in the release."""
    line = scan.line
    return replace(
        _unseen(image, line.condition, line.reason),
        kind=HEAD_VOLUME if line.status != 'failed' else 'unreadable',
        participant=line.participant,
        session=line.session,
        modality=line.modality,
        status=line.status,
        verdict=line.verdict,
        face_present=line.face_present,
        face_score=line.face_score,
        parts_left=line.parts_left,
        parts_unclear=line.parts_unclear,
        brain_loss=line.brain_loss,
        n_views_with_face=line.n_views_with_face,
        deidentification=line.deidentification,
        face_completed=line.face_completed,
    )


def _line_of_content(
    survey: Survey,
    image: Image,
    scans: _Scans,
    output_dir: Path,
) -> ImageLine:
    """Return the line of an image by its bytes: of a scan under another name, or of a look."""
    empty = _unseen(image, survey.condition, image.absent or NOT_SEEN)
    if image.format in OWN_RESULTS:
        reason = HOLDS_RESULTS if image.format == OWN_OUTPUT else IS_TEMPLATE
        return replace(empty, verdict='review', reason=reason)
    scan = scans.of_content(image.sha256, failed=False)
    record = None if scan is not None else read_current_record(output_dir, image.sha256)
    if record is None:
        scan = scan or scans.of_content(image.sha256, failed=True)
        return empty if scan is None else _line_of_copy(scan, image, empty)
    seen = assess_image(record, empty.modality, survey.needed)
    return replace(
        empty,
        kind=record.kind,
        status=record.status,
        verdict=seen.verdict,
        face_present=seen.face_present,
        face_score=seen.face_score,
        parts_left=seen.parts_left,
        parts_unclear=seen.parts_unclear,
        brain_loss=seen.brain_loss,
        reason=seen.reason,
    )


def _line_of_copy(scan: EnrolledScan, image: Image, empty: ImageLine) -> ImageLine:
    """Return the line of an image with the bytes of a scan; its name and place are its own."""
    same = f'identical to {scan.line.condition} {scan.line.source}'
    return replace(
        _line_of_scan(scan, image),
        participant=empty.participant,
        session=empty.session,
        modality=empty.modality or scan.line.modality,
        condition=empty.condition,
        reason='; '.join(filter(None, [scan.line.reason, same])),
    )


def _besides(
    survey: Survey,
    others: Iterable[EnrolledScan],
    bids_dir: Path,
    scans: _Scans,
    misnamed: Iterable[tuple[Path, str]],
) -> Iterator[ImageLine]:
    """Yield the lines of scans that are not in the release, with or without a result."""
    for scan in others:
        path = survey.folders[scan.line.condition] / scan.line.source
        yield replace(_line_of_scan(scan, _at(path, scan)), in_release=False)
    if survey.condition == RAW:
        return
    for original in head_images(bids_dir):
        if not scans.know(original.path):
            yield _unprocessed(original.path, bids_dir, NO_RESULT)
    for path, reason in left_out_images(bids_dir):
        if not scans.know(path):
            yield _unprocessed(path, bids_dir, reason)
    for path, reason in misnamed:
        if not scans.know(path):
            yield _misnamed(path, bids_dir, reason)


def _at(path: Path, scan: EnrolledScan) -> Image:
    """Describe the file of a scan outside of the release."""
    try:
        size = path.stat().st_size
    except OSError:
        size = None
    return Image(scan.line.source, 'nifti', size, scan.record.origin.source_sha256)


def _misnamed(path: Path, bids_dir: Path, why: str) -> ImageLine:
    """Return the line of an image of the raw dataset that is no scan, and not in the release."""
    image = Image(_below(path, bids_dir), format_by_name(path.name) or UNKNOWN, None, None)
    return replace(_unseen(image, RAW, f'not treated as a scan: {why}'), in_release=False)


def _unprocessed(path: Path, bids_dir: Path, reason: str) -> ImageLine:
    """Return the line of an original that has no result, and is not in the release."""
    line = _unseen(Image(_below(path, bids_dir), 'nifti', None, None), RAW, reason)
    return replace(line, in_release=False, kind=HEAD_VOLUME)
