"""Photographs of synthetic people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from scipy.ndimage import map_coordinates

from bids_reid.phantom.anatomy import Expression, anatomy
from bids_reid.phantom.camera import Camera, normals, trace
from bids_reid.phantom.hair import hair_sdf
from bids_reid.phantom.head_shape import CHUNK, head_sdf
from bids_reid.phantom.paint import Grain, Paint, paint_head

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bids_reid.phantom.identity import Identity
    from bids_reid.phantom.shapes import Array

# A coarse lattice of distances around head and shoulders: far points need no better.
_LOW, _HIGH, _CELL = (-256.0, -216.0, -248.0), (256.0, 88.0, 152.0), 8.0
_BLOCK = 4  # pixels along one side that share a ray until it comes near the surface


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything about a photograph that is not the person.

    ``key`` and ``fill`` are unit directions to the lights along the picture's right, its up and
    towards the camera; ``warmth`` tints the key light.
    """

    camera: Camera
    key: Array
    fill: Array
    strength: tuple[float, float, float]  # key, fill, surroundings
    warmth: float
    background: Array  # (2, 3) linear RGB, top and bottom
    clothes: tuple[float, float, float]
    exposure: float
    grain: float


def photograph(
    identity: Identity,
    *,
    seed: int | Sequence[int],
    yaw: float = 0.0,
    expression: Expression | None = None,
    size: int = 480,
) -> NDArray[np.uint8]:
    """Photograph somebody.

    Parameters
    ----------
    seed
        For the camera, the lights, the background, the clothes and, unless given, the expression.
    yaw
        Where the camera stands, degrees towards the person's left; a little is added at random.
    size
        Edge of the picture, pixels; a multiple of 4.

    Returns
    -------
    (size, size, 3) uint8 sRGB.
    """
    if size % _BLOCK:
        raise ValueError(f'size must be a multiple of {_BLOCK}, not {size}')
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    scene = draw_scene(rng, yaw)
    drawn = draw_expression(rng)
    person = _Person(identity, drawn if expression is None else expression)
    origin, rays = scene.camera.rays(size)
    near, active = person.approach(scene.camera, size)
    hit, depth = trace(person.distance, origin, rays[active], near[active], 1900.0)
    picture = _backdrop(scene, size)
    pixels = np.flatnonzero(active)[hit]
    points = origin + depth[hit, None] * rays[pixels]
    picture[pixels] = _shade(person, scene, points, rays[pixels], Grain(rng))
    return _develop(picture.reshape(size, size, 3), scene, rng)


def draw_expression(rng: np.random.Generator) -> Expression:
    """What people do in front of a camera: nothing much, or a smile."""
    smile = float(rng.uniform(0.0, 0.25) if rng.random() < 0.6 else rng.uniform(0.3, 0.8))
    return Expression(
        eyes_open=float(rng.uniform(0.85, 1.1)),
        smile=smile,
        jaw_open=float(rng.uniform(0.1, 0.35)) if rng.random() < 0.25 else 0.0,
        brow_raise=float(np.clip(rng.normal(0.1, 0.25), -0.3, 0.8)),
    )


def draw_scene(rng: np.random.Generator, yaw: float) -> Scene:
    """A camera at head height, a main light from above one side, a weaker one, a wall."""
    camera = Camera(
        target=(float(rng.normal(0, 5)), -25.0, float(rng.normal(-14, 5))),
        yaw=yaw + float(rng.normal(0.0, 2.0)),
        pitch=float(rng.normal(0.0, 3.0)),
        roll=float(rng.normal(0.0, 2.0)),
        distance=float(rng.uniform(800.0, 1300.0)),
        view=float(rng.uniform(320.0, 370.0)),
    )
    azimuth = float(rng.uniform(15.0, 50.0)) * (1.0 if rng.random() < 0.5 else -1.0)
    wall = rng.uniform(0.08, 0.6) * (1.0 + 0.25 * rng.uniform(-1.0, 1.0, 3))
    return Scene(
        camera=camera,
        key=_toward(azimuth, float(rng.uniform(15.0, 50.0))),
        fill=_toward(-azimuth * 1.2, float(rng.uniform(0.0, 25.0))),
        strength=(1.0, float(rng.uniform(0.15, 0.5)), float(rng.uniform(0.25, 0.5))),
        warmth=float(rng.uniform(-0.06, 0.10)),
        background=np.stack([wall * rng.uniform(0.9, 1.3), wall]).astype(np.float32),
        clothes=tuple((rng.uniform(0.02, 0.3) * (1 + 0.5 * rng.uniform(-1, 1, 3))).tolist()),
        exposure=float(rng.uniform(0.85, 1.15)),
        grain=float(rng.uniform(0.004, 0.012)),
    )


def _toward(azimuth: float, elevation: float) -> Array:
    """Unit vector (right, up, towards the camera) at two angles in degrees."""
    a, e = np.radians([azimuth, elevation])
    return np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)], np.float32)


class _Person:
    """One person with one expression: distances, exact and from a coarse lattice."""

    def __init__(self, identity: Identity, expression: Expression) -> None:
        self.identity, self.expression = identity, expression
        self.anatomy = anatomy(identity, expression)
        axes = [
            np.arange(low, high + 1, _CELL, dtype=np.float32)
            for low, high in zip(_LOW, _HIGH, strict=True)
        ]
        lattice = np.stack(np.meshgrid(*axes, indexing='ij'), axis=-1)
        self._coarse = self.distance(lattice.reshape(-1, 3)).reshape(lattice.shape[:3])

    def distance(self, points: Array) -> Array:
        """(n,) mm to skin, clothes or hair."""
        out = head_sdf(points, self.identity, self.expression, shoulders=True)
        hair = self.hair(points)
        return out if hair is None else np.minimum(out, hair)

    def hair(self, points: Array) -> Array | None:
        """(n,) mm to the hair, in chunks that fit the cache; ``None`` for a bald head."""
        columns = np.ascontiguousarray(points.T)
        out = np.empty(len(points), np.float32)
        for start in range(0, len(out), CHUNK):
            part = slice(start, start + CHUNK)
            x, y, z = columns[:, part]
            hair = hair_sdf(x, y, z, self.anatomy)
            if hair is None:
                return None
            out[part] = hair
        return out

    def about(self, points: Array) -> Array:
        """(n,) mm to the surface, interpolated in the lattice."""
        where = (points - np.array(_LOW, np.float32)).T * np.float32(1 / _CELL)
        distance: Array = map_coordinates(self._coarse, where, order=1, mode='nearest')
        return distance

    def approach(self, camera: Camera, size: int) -> tuple[Array, NDArray[np.bool_]]:
        """Walk through the lattice until near the surface, with one ray for a block of pixels.

        Returns how far every pixel's ray may start from the camera, (size * size,) mm, and which
        of them get near the surface at all.
        """
        blocks = size // _BLOCK
        origin, rays = camera.rays(blocks)
        # Rays of one block part by at most half its diagonal; the lattice is off by half a cell's.
        margin = 0.71 * camera.view / blocks + 0.87 * _CELL
        depth = np.full(len(rays), max(camera.distance - 150.0, 1.0), np.float32)
        active = np.arange(len(rays))
        for _ in range(60):
            here = self.about(origin + depth[active, None] * rays[active])
            depth[active] += np.maximum(here - margin, 0.0)
            active = active[(here > margin + 1.0) & (depth[active] < camera.distance + 300.0)]
            if not len(active):
                break
        depth = depth.reshape(blocks, blocks).repeat(_BLOCK, axis=0).repeat(_BLOCK, axis=1)
        depth = depth.reshape(-1)
        return depth, depth < camera.distance + 300.0


def _shade(person: _Person, scene: Scene, points: Array, rays: Array, grain: Grain) -> Array:
    """(n, 3) linear RGB of points on the surface, seen along ``rays``."""
    distance = person.distance(points)
    facing = normals(person.distance, points, distance, reach=0.4)
    hair = person.hair(points)
    hairy = np.zeros(len(points), bool) if hair is None else hair < distance + 0.05
    paint = paint_head(points, hairy, person.anatomy, grain, scene.clothes)
    right, up, back = scene.camera.axes()
    open_air = _openness(person, points, facing)
    skylight = (0.75 + 0.25 * (facing @ up)) * open_air * scene.strength[2]
    warm = np.array([1 + scene.warmth, 1.0, 1 - scene.warmth], np.float32)
    light = skylight[:, None] * np.ones(3, np.float32)
    glints = np.zeros((len(points), 3), np.float32)
    for direction, strength, tint, casts in (
        (scene.key, scene.strength[0], warm, True),
        (scene.fill, scene.strength[1], np.ones(3, np.float32), False),
    ):
        towards = direction[0] * right + direction[1] * up + direction[2] * back
        shadow = _shadow(person, points, facing, towards) if casts else open_air
        light += _soft_light(facing @ towards) * (strength * shadow)[:, None] * tint
        glints += (_glint(facing, towards, rays, paint) * strength * shadow)[:, None] * tint
    colour: Array = paint.albedo * light + glints
    return colour


def _soft_light(cosine: Array) -> Array:
    """Diffuse light that creeps round edges, red the furthest, as under skin (wrap lighting)."""
    wrap = np.array([0.22, 0.10, 0.07], np.float32)
    lit: Array = np.clip((cosine[:, None] + wrap) / (1.0 + wrap), 0.0, None)
    return lit


def _glint(facing: Array, towards: Array, rays: Array, paint: Paint) -> Array:
    """Specular reflection (J. F. Blinn, SIGGRAPH 1977)."""
    half = towards - rays
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    cosine = np.clip((facing * half).sum(1), 1e-3, 1.0)
    glint: Array = paint.gloss * cosine**paint.shine
    return glint


def _openness(person: _Person, points: Array, facing: Array) -> Array:
    """Ambient occlusion: how far the surface is from points above it, against their height."""
    shut = np.zeros(len(points), np.float32)
    for height, weight in ((9.0, 0.45), (18.0, 0.3)):
        above = person.about(points + height * facing)
        shut += weight * np.clip(1.0 - above * (1 / height), 0.0, 1.0)
    open_air: Array = np.clip(1.0 - shut, 0.15, 1.0)
    return open_air


def _shadow(person: _Person, points: Array, facing: Array, towards: Array) -> Array:
    """Soft shadow: the narrowest gap on the way to the light, against the way (Quilez)."""
    light = np.ones(len(points), np.float32)
    travelled = np.full(len(points), 7.0, np.float32)
    start = points + 2.0 * facing
    for _ in range(14):
        gap = person.about(start + travelled[:, None] * towards)
        np.minimum(light, np.clip(0.5 + 5.0 * gap / travelled, 0.0, 1.0), out=light)
        travelled += np.clip(gap, 4.0, 30.0)
    return light


def _backdrop(scene: Scene, size: int) -> Array:
    """(size * size, 3) linear RGB: a wall that darkens from the top to the bottom."""
    fade = np.linspace(0.0, 1.0, size, dtype=np.float32)[:, None]
    rows = (1.0 - fade) * scene.background[0] + fade * scene.background[1]
    return np.repeat(rows, size, axis=0)


def _develop(picture: Array, scene: Scene, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Lens blur, exposure, sRGB curve (approximated by gamma 2.2), sensor noise, 8 bits."""
    picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.0014 * len(picture)), np.float32)
    picture = 1.0 - np.exp(-1.2 * scene.exposure * picture)
    picture = np.clip(picture, 0.0, 1.0) ** np.float32(1 / 2.2)
    picture += np.float32(scene.grain) * rng.standard_normal(picture.shape, np.float32)
    out: NDArray[np.uint8] = np.rint(255.0 * np.clip(picture, 0.0, 1.0)).astype(np.uint8)
    return out
