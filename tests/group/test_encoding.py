"""Encoded photographs are found by their names, whatever the extractor gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from bids_reid.faces import photographs
from bids_reid.faces.detect import Box
from bids_reid.faces.extractors import load_extractor
from bids_reid.faces.photographs import Head, loose_crop, read_photograph
from bids_reid.group.encoding import (
    NOT_TAKEN,
    Outcome,
    crop_photographs,
    encode_photographs,
    read_encoded,
)
from bids_reid.group.merging import MergeError
from bids_reid.match.probes import KeypointProbes, VectorProbes
from bids_reid.records import Photo
from tests.support.study import D, Pixels, Study


@pytest.fixture(scope='module')
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Photo]:
    """No face, a face, no picture, another face, and a link without content."""
    from bids_reid.phantom.identity import draw_people
    from bids_reid.phantom.photograph import photograph

    folder = tmp_path_factory.mktemp('photographs')
    pictures = [np.zeros((200, 200, 3), np.uint8)] * 4
    for number, person in zip((1, 3), draw_people(2, seed=11), strict=True):
        pictures[number] = np.round(photograph(person, seed=number, size=320)).astype(np.uint8)
    files = []
    for number, picture in enumerate(pictures):
        path = folder / f'{number}.png'
        Image.fromarray(picture).save(path)
        files.append(Photo(path.name, None, path))
    files[2].path.write_text('no picture')
    (folder / '4.png').symlink_to(folder / 'annexed')
    return [*files, Photo('4.png', None, folder / '4.png')]


@pytest.mark.parametrize('cut', [0.3, 0.6, 0.9])
def test_a_damaged_photograph_of_a_phone_stops_nothing(
    photos: list[Photo], tmp_path: Path, cut: float
) -> None:
    """Its decoder's EOFError ended the group level, and nobody got a table."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    path = tmp_path / 'phone.heic'
    with Image.open(photos[1].path) as picture:
        picture.save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * cut)])
    heads, outcomes = crop_photographs([Photo('phone.heic', '01', path), photos[1]])
    assert outcomes[0] == ('unreadable', 'not a picture, or damaged', 0, 0, 0)
    assert (len(heads), outcomes[1].status) == (1, 'ok')


@pytest.mark.parametrize('extractor', ['orb', 'face_recognition'])
def test_each_photograph_has_what_is_its_own(
    extractor: str, photos: list[Photo], tmp_path: Path
) -> None:
    """One photograph without a face must not give its successors' features to others."""
    encode_photographs(photos, extractor, tmp_path / 'e.npz')
    names = [photo.name for photo in photos]
    encoded = read_encoded([tmp_path / 'e.npz'], names, extractor)
    statuses = [encoded.outcomes[name][0] for name in names]
    assert statuses == ['no_face', 'ok', 'unreadable', 'ok', 'unreadable']
    assert encoded.outcomes['1.png'] == ('ok', '', 1, 1, 0)
    assert 'link without content' in encoded.outcomes['4.png'][1]
    assert encoded.acquired(names) == ['1.png', '3.png']
    model = load_extractor(extractor)
    for number, probes in ((1, encoded.probes(['1.png'])), (3, encoded.probes(['3.png']))):
        crop = loose_crop(read_photograph(photos[number].path))
        assert crop is not None
        expected = model.features([crop[0]], [crop[1]])
        if isinstance(probes, KeypointProbes):
            (mine,) = probes.photographs
            assert len(mine.descriptors) > 10
            for name, values in expected.items():
                np.testing.assert_array_equal(mine.arrays()[name], values)
        else:
            assert isinstance(probes, VectorProbes)
            np.testing.assert_array_equal(probes.features, expected['features'])
    # whoever takes one without a face for a probe is stopped, or has nothing
    if model.kind == 'keypoints':
        assert np.diff(encoded.arrays['offsets'])[[0, 2, 4]].tolist() == [0, 0, 0]
    else:
        with pytest.raises(ValueError, match='not finite'):
            encoded.probes(['0.png'])


def test_what_was_found_about_a_photograph_is_kept(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page names photographs with several faces, whatever part of the work saw them."""

    def crop(image: NDArray[np.uint8]) -> Head | None:
        bright = int(image[0, 0])
        return Head(image, Box(0, 0, 9, 9), bright, 1, 90 * (bright % 4)) if bright else None

    monkeypatch.setattr(photographs, 'loose_crop', crop)
    photos = []
    for number in (3, 0, 2):
        path = tmp_path / f'{number}.png'
        Image.fromarray(np.full((50, 50), number, np.uint8)).save(path)
        photos.append(Photo(path.name, None, path))
    for number, some in enumerate((photos[:1], photos[1:])):
        encode_photographs(some, 'pixels', tmp_path / f'{number}.npz')
    files = [tmp_path / '1.npz', tmp_path / '0.npz']
    outcomes = read_encoded(files, [photo.name for photo in photos], 'pixels').outcomes
    assert outcomes['3.png'] == Outcome('ok', '', n_faces=3, n_alike=1, turned=270)
    assert outcomes['2.png'] == Outcome('ok', '', n_faces=2, n_alike=1, turned=180)
    assert outcomes['0.png'] == Outcome('no_face', 'no face was found', 0, 0, 0)


def test_no_face_at_all_is_a_file_too(photos: list[Photo], tmp_path: Path) -> None:
    """The group level reads the files of all parts of the photographs."""
    for extractor, name, shape in (
        ('sift', 'offsets', (3,)),
        ('face_recognition', 'features', (2, 128)),
    ):
        encode_photographs([photos[0], photos[2]], extractor, tmp_path / 'e.npz')
        encoded = read_encoded([tmp_path / 'e.npz'], ['0.png', '2.png'], extractor)
        assert encoded.arrays[name].shape == shape
        assert encoded.acquired(encoded.outcomes) == []


def test_a_photograph_in_no_file_or_two_stops_the_run(study: Study, tmp_path: Path) -> None:
    """Otherwise rates are of fewer photographs than were given, or of some twice."""
    names = [photo.name for photo in study.photos[:4]]
    files = [tmp_path / 'a.npz', tmp_path / 'b.npz']
    encode_photographs(study.photos[:2], 'pixels', files[0])
    encode_photographs(study.photos[2:4], 'pixels', files[1])
    assert list(read_encoded(files, names, 'pixels').outcomes) == names
    with pytest.raises(MergeError, match=r'no result for photograph 02\.png'):
        read_encoded(files[:1], names, 'pixels')
    with pytest.raises(MergeError, match=r'two results for photograph 00\.png'):
        read_encoded([*files, files[0]], names, 'pixels')
    with pytest.raises(MergeError, match=r'photograph 03\.png, which was not asked for'):
        read_encoded(files, names[:3], 'pixels')


def refuse(monkeypatch: pytest.MonkeyPatch, *photos: Photo) -> None:
    """Let pixels not take the faces on some photographs."""
    firsts = [np.asarray(Image.open(photo.path))[0, :D] for photo in photos]
    plain = Pixels.features

    def features(self: Pixels, images: list[np.ndarray], boxes: list[Box]) -> dict[str, Any]:
        rows = plain(self, images, boxes)['features']
        for row, image in zip(rows, images, strict=True):
            if any((image[0, :D] == first).all() for first in firsts):
                row[:] = np.nan
        return {'features': rows}

    monkeypatch.setattr(Pixels, 'features', features)


def test_a_photograph_that_was_not_taken_is_a_failure_to_acquire(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commercial matchers reject faces; as a row of NaN one would stop the whole search."""
    refuse(monkeypatch, study.photos[2])
    photos = study.photos[:6]
    names = [photo.name for photo in photos]
    for extractor, status in (('pixels', 'no_face'), ('points', 'ok')):
        encode_photographs(photos, extractor, tmp_path / 'e.npz')
        encoded = read_encoded([tmp_path / 'e.npz'], names, extractor)
        statuses = [encoded.outcomes[name][0] for name in names]
        # the sixth shows no face to anybody
        assert statuses == ['ok', 'ok', status, 'ok', 'ok', 'no_face']
        assert len(encoded.probes(encoded.acquired(names))) == statuses.count('ok')
        if extractor == 'pixels':
            assert encoded.outcomes[names[2]][1] == f'pixels {NOT_TAKEN}'
            assert encoded.outcomes[names[5]][1] == 'no face was found'


def test_none_that_was_taken_is_a_file_too(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = study.photos[:3]
    refuse(monkeypatch, *photos)
    encode_photographs(photos, 'pixels', tmp_path / 'e.npz')
    encoded = read_encoded([tmp_path / 'e.npz'], [photo.name for photo in photos], 'pixels')
    assert encoded.acquired(encoded.outcomes) == []
    assert len(encoded.probes([])) == 0
