"""ONNX Runtime as every extractor uses it: on the processor, with the threads asked for."""

from __future__ import annotations

import os
from typing import Any


def open_session(model: bytes | str) -> Any:
    """Open a model, or the file of one; as many threads as ``OMP_NUM_THREADS`` says, or one.

    Nothing is reported to anybody, and a thread that waits takes no processor time from others.
    """
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads()
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    return onnxruntime.InferenceSession(model, options, providers=['CPUExecutionProvider'])


def engine_name() -> str:
    """Name and version of ONNX Runtime."""
    import onnxruntime

    return f'onnxruntime {onnxruntime.__version__}'


def threads() -> int:
    """Number of threads that OpenMP would take for its outermost loops."""
    asked = os.environ.get('OMP_NUM_THREADS', '').partition(',')[0].strip()
    return max(int(asked), 1) if asked.isdecimal() else 1
