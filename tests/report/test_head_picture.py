"""The average head, coloured by what is left of a face."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from bids_reid.report.head_picture import (
    BESIDE_TEXT,
    CLASSES,
    SHARES,
    Key,
    head_base,
    head_overlay,
    head_picture,
    shares,
    used,
    view_widths,
)
from bids_reid.surface.parts import PARTS, face_parts
from bids_reid.surface.traces import LETTERS, OUTSIDE

RNG = np.random.default_rng(3)
N_POINTS = len(face_parts().points)


def letters_with(part: str, letter: str, others: str = 'a') -> str:
    """Return a map with one letter on a part and another one elsewhere."""
    on = face_parts().part == PARTS.index(part)
    return ''.join(np.where(on, letter, others))


def colours(png: bytes) -> np.ndarray:
    """Return red, green, blue and opacity (h, w, 4) of a picture."""
    return np.asarray(Image.open(io.BytesIO(png)).convert('RGBA')).astype(int)


def red(png: bytes) -> np.ndarray:
    """Return where a picture is as red as skin that is in its place."""
    r, g, b, _ = np.moveaxis(colours(png), -1, 0)
    return (r > 70) & (r > 2.5 * g) & (r > 2.5 * b)


def test_every_letter_that_is_measured_has_a_colour() -> None:
    """Otherwise a page fails for a scan with a rare distance."""
    assert set(CLASSES) == {*LETTERS, OUTSIDE}


def test_only_skin_in_its_place_is_red() -> None:
    """Otherwise a curator looks where nothing is left."""
    for letter in CLASSES:
        assert red(head_picture(letter * N_POINTS)).any() == (letter == 'd'), letter


def test_what_is_left_is_red_where_it_is() -> None:
    """Otherwise a curator does not find the ear that a tool left."""
    picture = red(head_picture(letters_with('left ear', 'd')))
    (_, right), (_, front), _ = view_widths()
    width = picture.shape[1]
    where = np.nonzero(picture.any(axis=0))[0] / width
    # seen from the front, its left is on the right
    assert where.min() > right + front / 2
    assert where.max() > right + front
    assert picture.sum() > 500


@pytest.mark.parametrize('part', PARTS)
def test_half_a_square_centimetre_that_is_left_is_not_smoothed_away(part: str) -> None:
    """Otherwise the tip of a nose is left and nobody sees it."""
    points = face_parts().points
    mine = np.flatnonzero(face_parts().part == PARTS.index(part))
    # what protrudes: forwards, of ears sidewards
    tip = mine[np.abs(points[mine, 0 if 'ear' in part else 1] + 100).argmax()]
    spot = np.argsort(np.linalg.norm(points - points[tip], axis=1))[:3]
    letters = np.full(N_POINTS, 'a')
    letters[spot] = 'd'
    assert red(head_picture(''.join(letters))).sum() > 10


def test_skin_beside_the_face_is_no_alarm() -> None:
    """Otherwise every scan that was de-faced well has a red neck and forehead."""
    _, y, z = face_parts().points.T
    beside = ((y < -70) | (z > 35)) & (face_parts().part < 0)
    assert beside.sum() > 1000
    removed = ''.join(np.where(beside, 'd', 'a'))
    assert not red(head_picture(removed)).any()
    assert BESIDE_TEXT in [key.text for key in used(removed)]


def test_a_page_with_many_pictures_stays_small_and_the_same() -> None:
    """Otherwise two audits of one dataset cannot be compared, nor a page be sent."""
    letters = ''.join(RNG.choice(list(CLASSES), N_POINTS))
    for one in ('d' * N_POINTS, letters_with('nose', 'd'), letters_with('chin', '.', 'd')):
        assert len(head_picture(one)) < 60_000
        assert head_picture(one) == head_picture(one)
    # no scan is like this
    assert len(head_picture(letters)) < 90_000


def test_the_head_stands_on_the_page_whatever_its_colour() -> None:
    """Otherwise a white box shines on a dark page."""
    opacity = colours(head_picture('a' * N_POINTS))[..., 3]
    assert opacity[0, 0] == 0
    assert np.mean(opacity == 255) > 0.4
    assert np.mean((opacity > 0) & (opacity < 255)) < 0.05


@pytest.mark.parametrize('part', ['nose', 'left ear'])
def test_colours_laid_over_the_light_look_like_the_picture(part: str) -> None:
    """Otherwise a page of a participant and that of the group show different heads."""
    letters = letters_with(part, 'd', '.')
    light, over, whole = map(colours, (head_base(), head_overlay(letters), head_picture(letters)))
    assert light.shape == over.shape == whole.shape
    shown = over[..., 3] == 255
    assert set(np.unique(over[..., 3])) == {0, 255}
    assert (light[..., 3] == whole[..., 3]).all()
    assert (shown == (whole[..., 3] == 255)).all()
    both = light[..., :3] * over[..., :3] / 255
    difference = np.abs(both - whole[..., :3])[shown]
    assert difference.mean() < 3
    assert np.quantile(difference, 0.98) < 12


def test_the_colours_of_a_page_are_small_and_the_same() -> None:
    """A study of 1,000 people has some 3,000 of them."""
    assert len(head_base()) < 20_000
    for one in ('d' * N_POINTS, letters_with('nose', 'd'), letters_with('chin', '.', 'd')):
        assert len(head_overlay(one)) < 9_000
        assert head_overlay(one) == head_overlay(one)


@pytest.mark.parametrize('letters', ['d' * (N_POINTS - 1), 'd' * (N_POINTS - 1) + 'x'])
def test_other_letters_are_refused(letters: str) -> None:
    with pytest.raises(ValueError, match='face map'):
        head_picture(letters)


def test_the_legend_has_what_the_picture_has() -> None:
    """Otherwise readers look for colours that are not there."""
    texts = [key.text for key in used(letters_with('nose', 'd'))]
    assert texts == [CLASSES['d'].text, CLASSES['a'].text]
    assert used('.' * N_POINTS) == (CLASSES['.'],)


def test_a_face_left_once_in_many_scans_is_not_none() -> None:
    """Otherwise the one scan of a thousand that a tool missed is lost in the mean."""
    assert shares([1, 0], [1000, 1000]) == '10'
    assert shares([1, 1, 2, 3, 4], [4, 2, 3, 4, 4]) == '23445'
    assert shares([0], [0]) == '.'
    one, none = (head_picture(letter * N_POINTS, SHARES) for letter in '10')
    assert np.abs(colours(one) - colours(none)).sum(axis=-1).max() > 150


def luminance(key: Key) -> float:
    """Relative luminance of a colour, 0 to 1, as WCAG has it."""
    part = np.array(list(bytes.fromhex(key.colour[1:]))) / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_colours_differ_for_those_who_see_no_red() -> None:
    """Otherwise one man in twelve cannot tell a face from a cut."""
    plain = [luminance(SHARES[letter]) for letter in '12345']
    assert plain == sorted(plain, reverse=True)
    # what has no other brightness has a pattern, or is blue
    assert luminance(CLASSES['c']) > 2.5 * luminance(CLASSES['d'])
    assert {CLASSES[letter].pattern for letter in 'def.'} == {'edged', 'dotted', 'striped'}
