"""Learn where the face of a scan is in its renders, from synthetic people.

    python -m benchmarks.face_boxes [--people N] > bids_reid/data/face_boxes.json

Prints the median box of each camera, found by the detector on heads that differ from each other
and lie differently in the scanner. How far the boxes of single heads are from it goes to stderr.
"""

from __future__ import annotations

import argparse
import json
import sys

import numpy as np

from bids_reid.faces.detect import Box, find_faces_by_camera
from bids_reid.faces.frame_boxes import Camera, median_boxes
from bids_reid.phantom.identity import draw_people
from bids_reid.phantom.scanner import scan_volume
from bids_reid.surface.frame import FieldOfView, find_frame
from bids_reid.surface.skin import extract_skin
from bids_reid.surface.volume import Volume
from bids_reid.views.cameras import standard_views
from bids_reid.views.render import IMAGE_PIXELS, render_views
from bids_reid.views.selftest import use_offscreen_window

SEED = 31
SPACING = 1.5


def boxes_of(volume: Volume) -> dict[Camera, Box]:
    """Boxes of the cameras in whose render the detector finds a face."""
    skin = extract_skin(volume)
    frame = find_frame(skin.points, FieldOfView(volume.affine, volume.data.shape)).frame
    # the light under which the detector looks first
    views = [v for v in standard_views() if (v.light_azimuth, v.light_elevation) == (0.0, 30.0)]
    renders = render_views(skin.points, skin.triangles, frame, views)
    return find_faces_by_camera(renders.images, views)


def main() -> None:
    """Print the boxes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--people', type=int, default=16)
    people = parser.parse_args().people
    use_offscreen_window()
    heads = []
    for number, person in enumerate(draw_people(people, seed=[SEED, 0])):
        data, affine = scan_volume(person, seed=[SEED, 1, number], spacing=SPACING)
        heads.append(boxes_of(Volume(data.astype(np.float32), affine, (SPACING,) * 3)))
        print(f'{number + 1}/{people}: {len(heads[-1])} of 9 cameras', file=sys.stderr, flush=True)
    learnt = median_boxes(heads)
    for camera, box in learnt.items():
        off = [np.abs(np.subtract(head[camera], box)).max() for head in heads if camera in head]
        print(f'{camera}: {len(off)} heads, off by {np.mean(off):.0f}', file=sys.stderr)
    entries = [
        {'CameraYaw': camera[0], 'CameraPitch': camera[1], 'Box': list(box)}
        for camera, box in learnt.items()
    ]
    print(
        json.dumps(
            {
                'Description': 'Median face box (left, top, right, bottom; pixels) per camera',
                'Source': f'benchmarks/face_boxes.py --people {people}, seed {SEED}',
                'Pixels': IMAGE_PIXELS,
                'Boxes': entries,
            },
            indent=2,
        )
    )


if __name__ == '__main__':
    main()
