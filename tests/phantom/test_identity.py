"""Who the synthetic people are."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bids_reid.phantom.identity import HAIR_STYLES, Identity, draw_people

SHAPE = [
    field.name
    for field in dataclasses.fields(Identity)
    if field.type == 'float' and field.name not in {'hairline', 'brow_thickness', 'stubble'}
]


def shapes(people: list[Identity]) -> np.ndarray:
    return np.array([[getattr(person, name) for name in SHAPE] for person in people])


def test_more_people_leave_the_first_ones_as_they_were():
    """Otherwise growing a demo (--people) would silently change everybody in it."""
    assert draw_people(9, seed=3)[:4] == draw_people(4, seed=3)


def test_a_seed_says_who_is_drawn():
    """Otherwise two demos could not be told apart, or none could be repeated."""
    assert draw_people(2, seed=3) == draw_people(2, seed=3)
    assert draw_people(2, seed=3) != draw_people(2, seed=4)
    assert draw_people(2, seed=[3, 1]) != draw_people(2, seed=[3, 2])


def test_there_are_enough_numbers_to_tell_people_apart():
    """With few parameters the demo's people would differ in size only."""
    spread = shapes(draw_people(60, seed=0)).std(axis=0)
    assert len(SHAPE) >= 20
    assert (spread > 0).all()


@pytest.mark.parametrize('alike', [-0.5, 0.3, 0.7])
def test_alike_scales_every_difference_by_as_much_as_it_says(alike):
    """--alike would otherwise not make the gallery harder."""
    natural, closer = shapes(draw_people(50, seed=1)), shapes(draw_people(50, seed=1, alike=alike))
    np.testing.assert_allclose(closer.std(axis=0), (1 - alike) * natural.std(axis=0), rtol=1e-6)


@pytest.mark.parametrize('alike', [-0.7, 1.0])
def test_alike_outside_its_range_is_refused(alike):
    """At 1 everybody is the same, below the least heads leave what people look like."""
    with pytest.raises(ValueError, match='alike'):
        draw_people(1, seed=0, alike=alike)


def test_people_are_adults_of_both_sexes_below_89():
    """The dataset would break privacy conventions (ages above 89) or look odd."""
    people = draw_people(80, seed=5)
    assert {person.sex for person in people} == {'F', 'M'}
    assert all(18 <= person.age < 89 for person in people)
    assert {person.hair_style for person in people} <= set(HAIR_STYLES)
    assert all(0 < value < 1 for person in people for value in person.skin + person.hair)
