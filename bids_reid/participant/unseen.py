"""The images of a release that have no template and still need a look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bids_reid.bids.entities import entities_of
from bids_reid.bids.formats import OWN_RESULTS
from bids_reid.bids.hash_cache import HashCache
from bids_reid.bids.image_records import has_current_look
from bids_reid.bids.layout import cache_file
from bids_reid.bids.release import walk_release

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bids_reid.records import Image, Scan
    from bids_reid.settings import Settings


def unseen_images(settings: Settings, scans: Sequence[Scan]) -> list[tuple[Path, Image]]:
    """Find the images that nobody has looked at, in every folder that may be the release.

    Parameters
    ----------
    scans : sequence of Scan
        Those that the participant level processes: they get more than a look.

    Returns
    -------
    Folder and image, each content once. If participants are chosen, only theirs: the group level
    looks at those of nobody.
    """
    processed = {scan.path.resolve() for scan in scans}
    cache = HashCache(cache_file(settings.output_dir))
    known: set[str | None] = set()
    unseen = []
    for folder, image in _images(settings, cache):
        if (folder / image.path).resolve() in processed:
            known.add(image.sha256)
        else:
            unseen.append((folder, image))
    if not settings.dry_run:
        cache.save()
    once: dict[str | None, tuple[Path, Image]] = {}
    for folder, image in unseen:
        if image.sha256 not in known and not has_current_look(settings.output_dir, image):
            once.setdefault(image.sha256, (folder, image))
    return list(once.values())


def has_images(settings: Settings) -> bool:
    """Whether there is anything to look at in a folder that may be the release."""
    cache = HashCache(cache_file(settings.output_dir))
    return next(_images(settings, cache), None) is not None


def _images(settings: Settings, cache: HashCache) -> Iterator[tuple[Path, Image]]:
    """Yield the images of the participants chosen whose content can be read."""
    own = (settings.output_dir, settings.work)
    chosen = frozenset(settings.participants)

    def wanted(path: str) -> bool:
        label = entities_of(path).participant
        return not chosen or label in chosen or label is None

    for folder in dict.fromkeys(settings.releases):
        walk = walk_release(folder, cache=cache, own=own, wanted=wanted, n_procs=settings.n_procs)
        for image in walk:
            label = entities_of(image.path).participant
            if image.absent is not None or image.format in OWN_RESULTS:
                continue
            if not chosen or label in chosen:
                yield folder, image
