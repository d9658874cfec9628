"""What the steps of the participant level import and read once.

Python's fork server imports this module; the workers, which are its copies, start with it.
"""

import gc
from importlib import import_module

MODULES = (
    'nipype.pipeline.plugins.multiproc',
    'onnx',
    'onnxruntime',
    'bids_reid.faces.detect',
    'bids_reid.faces.face_recognition',
    'bids_reid.surface.frame',
    'bids_reid.surface.gifti',
    'bids_reid.surface.skin',
    'bids_reid.surface.vault',
    'bids_reid.surface.volume',
    'bids_reid.views.render',
    'bids_reid.workflows.interfaces',
    'bids_reid.workflows.plugin',
)

# what is imported is no garbage, and looking for some takes a tenth of the time
gc.disable()
for module in MODULES:
    import_module(module)
import_module('bids_reid.faces.detect').detector()
gc.enable()
gc.freeze()
