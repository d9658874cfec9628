"""Imports of the steps of the participant level, made once.

Python's fork server imports this module; the workers, which are its copies, start with it.
"""

import gc
import signal
from contextlib import suppress
from importlib import import_module

MODULES = (
    'nipype.pipeline.plugins.multiproc',
    'onnx',
    'onnxruntime',
    'bids_reid.faces.detect',
    'bids_reid.faces.evidence',
    'bids_reid.faces.face_recognition',
    'bids_reid.faces.orb_sift',
    'bids_reid.surface.brain',
    'bids_reid.surface.complete',
    'bids_reid.surface.frame',
    'bids_reid.surface.gifti',
    'bids_reid.surface.skin',
    'bids_reid.surface.vault',
    'bids_reid.surface.volume',
    'bids_reid.views.render',
    'bids_reid.engine.participant_interfaces',
    'bids_reid.engine.workers',
)

# what is imported is no garbage, and looking for some takes a tenth of the time
gc.disable()
# Ctrl-C reaches all processes of a terminal: the main process says so, and ends the workers
signal.signal(signal.SIGINT, signal.SIG_IGN)
try:
    for module in MODULES:
        # the worker that needs it will fail and say why, and the others go on
        with suppress(Exception):
            import_module(module)
    with suppress(Exception):
        import_module('bids_reid.faces.detect').detector()
finally:
    gc.enable()
    gc.freeze()
