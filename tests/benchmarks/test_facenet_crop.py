"""A comparison of crops that does not crop as it says chooses the wrong one."""

from __future__ import annotations

import argparse

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.facenet_crop import Crop, Pictures, crops, found, level
from bids_reid.faces.detect import Box, find_face, find_faces
from bids_reid.faces.face_recognition import load
from bids_reid.phantom.identity import draw_people
from bids_reid.phantom.photograph import photograph

CROP = Crop(1.3, 0.0, 'none', 'fixed')


def averaged(faces: NDArray[np.float32]) -> NDArray[np.float32]:
    """Stands for the network: 25 means of squares."""
    return faces.reshape(len(faces), 5, 32, 5, 32).mean(axis=(2, 4)).reshape(len(faces), 25)


def test_who_looks_like_his_scan_is_found() -> None:
    """Three people, each with renders and photographs of one pattern, at different places."""
    rng = np.random.default_rng(0)
    people = []
    for _ in range(3):
        pattern = cv2.resize(rng.integers(0, 256, (5, 5), np.uint8), (80, 80))
        images = np.zeros((5, 200, 200), np.uint8)
        boxes = []
        for image in images:
            left, top = rng.integers(10, 100, 2)
            image[top : top + 80, left : left + 80] = pattern
            boxes.append([left + 10, top + 10, left + 69, top + 69])
        people.append(Pictures(images[:3], np.array(boxes[:3]), images[3:], np.array(boxes[3:])))
    assert found(people, CROP, averaged).tolist() == [True] * 6
    # photographs of somebody else are not found
    strange = [one._replace(photographs=people[0].photographs) for one in people]
    strange = [one._replace(photograph_boxes=people[0].photograph_boxes) for one in strange]
    assert found(strange, CROP, averaged).sum() <= 2


def test_every_crop_is_tried_once() -> None:
    options = argparse.Namespace(
        alignments=['none', 'chip'], scalings=['fixed'], sides=[1.3, 1.5], ups=[0.1, 0.0]
    )
    tried = list(crops(options, CROP))
    assert len(tried) == len(set(tried)) == 3 + 2
    assert CROP not in tried
    assert {crop.up for crop in tried if crop.alignment == 'chip'} == {0.0}


@pytest.mark.parametrize('degrees', [-12, 12])
def test_eyes_are_level_after_they_were_levelled(degrees: int) -> None:
    colour = photograph(draw_people(1, seed=5)[0], seed=1, size=480)
    grey = np.ascontiguousarray(colour.mean(axis=2).astype(np.uint8))
    middle = (grey.shape[1] / 2, grey.shape[0] / 2)
    turn = cv2.getRotationMatrix2D(middle, degrees, 1)
    turned = np.asarray(cv2.warpAffine(grey, turn, grey.shape[::-1]), np.uint8)

    def slope(image: NDArray[np.uint8]) -> float:
        box = find_faces(image, enlarge=1)[0].box
        assert box is not None
        points = [(p.x, p.y) for p in load().landmarks(image, box).parts()]
        right, left = (np.mean(points[part], axis=0) for part in (slice(0, 2), slice(2, 4)))
        across, down = right - left
        return float(np.degrees(np.arctan2(down, across)))

    box = find_face(turned)
    assert box is not None
    assert abs(slope(turned)) > 8
    levelled = level(turned, Box(*box), Crop(1.6, 0.1, 'level', 'fixed'))
    assert abs(slope(levelled)) < 3
