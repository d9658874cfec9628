"""Encoded photographs: a row for each, in their order, whatever the extractor gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bids_reid.group.group_steps import encode_photographs
from PIL import Image

from bids_reid.faces.extractors import load_extractor
from bids_reid.faces.photographs import loose_crop, read_photograph
from bids_reid.records import Keypoints, Photo


@pytest.fixture(scope='module')
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Photo]:
    """No face, a face, no picture, another face."""
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
    return files


@pytest.mark.parametrize('extractor', ['orb', 'face_recognition'])
def test_each_photograph_has_what_is_its_own(
    extractor: str, photos: list[Photo], tmp_path: Path
) -> None:
    """One photograph without a face must not give its successors' features to others."""
    encode_photographs(photos, extractor, tmp_path / 'e.npz')
    with np.load(tmp_path / 'e.npz') as content:
        arrays = dict(content)
    assert arrays['statuses'][:, 0].tolist() == ['no_face', 'ok', 'unreadable', 'ok']
    model = load_extractor(extractor)
    for number in (1, 3):
        found = loose_crop(read_photograph(photos[number].path))
        assert found is not None
        expected = model.features([found[0]], [found[1]])
        if model.kind == 'keypoints':
            mine = Keypoints.of(arrays)[number]
            assert len(mine.descriptors) > 10
            for name, values in expected.items():
                np.testing.assert_array_equal(mine.arrays()[name], values)
        else:
            np.testing.assert_array_equal(arrays['features'][number], expected['features'][0])
    if model.kind == 'keypoints':
        assert np.diff(arrays['offsets'])[[0, 2]].tolist() == [0, 0]
    else:
        assert np.isnan(arrays['features'][[0, 2]]).all()


def test_no_face_at_all_is_a_file_too(photos: list[Photo], tmp_path: Path) -> None:
    """The group level reads the files of all parts of the photographs."""
    for extractor, name, shape in (
        ('sift', 'offsets', (3,)),
        ('face_recognition', 'features', (2, 128)),
    ):
        encode_photographs([photos[0], photos[2]], extractor, tmp_path / 'e.npz')
        with np.load(tmp_path / 'e.npz') as content:
            assert content[name].shape == shape
