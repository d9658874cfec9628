"""Keypoints as vectors, so that a machine can learn from them: a bag of visual words.

The descriptors of a gallery's renders are put into groups that are alike, the words. An image
becomes how often each of them is in it, wherever that is (Csurka et al., ECCV Workshop on
Statistical Learning in Computer Vision, 2004). The square roots of the shares count (Arandjelovic
& Zisserman, CVPR 2012), so that a word that is there again and again does not drown the others.

The words are learned from renders alone. The order of the scans changes nothing: descriptors are
sorted, and how often one of them is there twice does not matter.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bids_reid.match.keypoints import as_numbers
from bids_reid.match.training import SVM_RENDERS, spaced

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from bids_reid.match.keypoints import Distance
    from bids_reid.match.probes import Gallery
    from bids_reid.records import Keypoints

WORDS = 128
"""Size of the vocabulary, fixed in advance: an image has up to 120 keypoints."""
WORDS_PEOPLE = 100
"""Number of people whose renders a vocabulary is learned from.

Of more people, as many, evenly spaced.
"""
WORDS_SAMPLE = 20_000
"""Largest number of descriptors that a vocabulary is learned from."""
WORDS_SEED = 0
"""Seed of the k-means, for its starting points and its batches."""
_BATCH, _ROUNDS = 1024, 10


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Words that descriptors are counted as.

    Attributes
    ----------
    words
        Shape (w, d) float32, w > 0: the middle of each group of descriptors. Bits are numbers of 0
        or 1 here. Values are rounded so that products with descriptors are exact in float32, and
        no image's word depends on what else is looked at.
    distance
        Of the extractor.
    """

    words: NDArray[np.float32]
    distance: Distance

    def vectors(self, keypoints: Keypoints) -> NDArray[np.float32]:
        """Return one vector of length 1 for each of n images, (n, w).

        The root of the share of its keypoints that is nearest to each word; zeros for an image
        without keypoints.
        """
        n, w = len(keypoints), len(self.words)
        if not n:
            # of a failure to enrol, whose descriptors have no length
            return np.empty((0, w), np.float32)
        counts = np.diff(keypoints.offsets)
        numbers = as_numbers(keypoints.descriptors, self.distance)
        squared = np.square(self.words).sum(axis=1) - 2 * (numbers @ self.words.T)
        places = np.repeat(np.arange(n), counts) * w + squared.argmin(axis=1)
        times = np.bincount(places, minlength=n * w).reshape(n, w)
        return np.sqrt(times / np.maximum(counts, 1)[:, None]).astype(np.float32)

    def of_photographs(self, photographs: Sequence[Keypoints]) -> NDArray[np.float32]:
        """Return the vectors of photographs, (p, w)."""
        empty = np.empty((0, len(self.words)), np.float32)
        return np.concatenate([empty, *(self.vectors(one) for one in photographs)])


class WordGallery:
    """A gallery of keypoints as one of vectors."""

    def __init__(self, gallery: Gallery[Keypoints], vocabulary: Vocabulary) -> None:
        self._gallery, self._vocabulary = gallery, vocabulary

    def __len__(self) -> int:
        return len(self._gallery)

    def __getitem__(self, scan: int) -> NDArray[np.float32]:
        """Return the vectors of a scan's renders (n, w), none without a template."""
        return self._vocabulary.vectors(self._gallery[scan])


def learn_words(
    gallery: Gallery[Keypoints], people: Sequence[str], *, distance: Distance
) -> Vocabulary | None:
    """Learn a vocabulary from the renders of a gallery.

    k-means in small batches (Sculley, WWW 2010; scikit-learn's ``MiniBatchKMeans``) for a fixed
    number of rounds.

    Parameters
    ----------
    gallery, people
        Templates, and whose each is.
    distance
        Of the extractor.

    Returns
    -------
    ``None`` if there is not one keypoint.
    """
    parts = list(_descriptors(gallery, people))
    if not sum(len(part) for part in parts):
        return None
    distinct = np.unique(np.concatenate(parts), axis=0)
    sample = distinct[list(spaced(range(len(distinct)), WORDS_SAMPLE))]
    # a sum of 128 products of bytes, or of 256 of bits and 256ths, is exact
    step = np.float32(1 / 256 if distance == 'hamming' else 1)
    return Vocabulary(np.round(_centres(as_numbers(sample, distance)) / step) * step, distance)


def _descriptors(
    gallery: Gallery[Keypoints], people: Sequence[str]
) -> Iterator[NDArray[np.uint8]]:
    """Yield the descriptors (k, d) of some renders of each scan of some people."""
    chosen = set(spaced(sorted(set(people)), WORDS_PEOPLE))
    for scan, person in enumerate(people):
        if person in chosen:
            template = gallery[scan]
            for image in spaced(range(len(template)), SVM_RENDERS):
                yield template[image].descriptors


def _centres(numbers: NDArray[np.float32]) -> NDArray[np.float32]:
    """Middles of groups of distinct rows (n, d), (w, d): no more than there are rows."""
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning

    # it stops after so many rounds and not when it seems done, which threads add up in any order
    machine = MiniBatchKMeans(
        min(WORDS, len(numbers)),
        batch_size=_BATCH,
        max_iter=_ROUNDS,
        max_no_improvement=None,
        tol=0,
        n_init=1,
        compute_labels=False,
        random_state=WORDS_SEED,
    )
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', ConvergenceWarning)
        machine.fit(numbers)
    return np.asarray(machine.cluster_centers_, np.float32)
