"""The walk through a release: every file below a folder that can show a head.

Nothing is left out by its name or place, and nothing that cannot be read is passed over: it is an
image, too, with the reason. Paths come sorted, and memory is that of one folder.
"""

from __future__ import annotations

import heapq
from itertools import groupby
from typing import TYPE_CHECKING

from bids_reid.bids.examine import examined
from bids_reid.bids.files import file_sha256
from bids_reid.bids.hash_cache import HashCache
from bids_reid.bids.series import images_of
from bids_reid.bids.tree import found_below, found_file
from bids_reid.bids.walk import check_there

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from pathlib import Path

    from bids_reid.bids.examine import Examined
    from bids_reid.bids.tree import Found
    from bids_reid.records import Image


def walk_release(
    folder: Path,
    *,
    cache: HashCache | None = None,
    own: Collection[Path] = (),
    wanted: Callable[[str], bool] | None = None,
    n_procs: int = 1,
) -> Iterator[Image]:
    """Find every file below ``folder`` that can show a head.

    Also those in ``sourcedata/``, ``derivatives/`` and hidden folders, behind links, and in the
    history of git. Files are only read.

    Parameters
    ----------
    cache : HashCache or None
        What is known from runs before; what is found is added, and not saved.
    own : collection of Path
        Folders of this program's results. One that lies in the release is one image, of the
        format ``own output``, and is not looked into.
    wanted : callable
        Says of the path of a file whether it is of interest; no other is opened.
    n_procs : int
        Processes that read files.

    Returns
    -------
    iterator of Image
        By path.

    Raises
    ------
    NoInputError
        The folder itself cannot be listed.
    """
    check_there(folder, folder=True)
    known = HashCache(None) if cache is None else cache
    found = found_below(folder, own, known)
    if wanted is not None:
        found = (one for one in found if wanted(one.path))
    return _images(found, known, n_procs)


def _images(found: Iterable[Found], cache: HashCache, n_procs: int) -> Iterator[Image]:
    """Yield images by path, though those of a folder come before those of the folders in it."""
    waiting: list[tuple[str, int, Image]] = []
    number = 0
    files = examined(found, cache, n_procs)
    for place, items in groupby(files, key=_folder):
        # whatever is found from here on comes behind the folder's own path
        while waiting and waiting[0][0] < place:
            yield heapq.heappop(waiting)[-1]
        for image in images_of(list(items), cache):
            heapq.heappush(waiting, (image.path, number, image))
            number += 1
    while waiting:
        yield heapq.heappop(waiting)[-1]


def _folder(item: Examined) -> str:
    return item.found.folder


def content_sha256(path: Path, cache: HashCache) -> str | None:
    """Hash of a file, from the cache if it is there; ``None`` if content and hash are not here.

    The key of git-annex or Git LFS may hold the hash of content that is not here.
    """
    items = list(examined([found_file(path)], cache, 1))
    images = list(images_of(items, cache))
    if images:
        return images[0].sha256
    try:
        return file_sha256(path)
    except OSError:
        return None
