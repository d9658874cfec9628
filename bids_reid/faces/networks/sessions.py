"""ONNX Runtime as every extractor uses it: on the processor, or on a graphics card."""

from __future__ import annotations

import os
from contextlib import redirect_stdout, suppress
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np

from bids_reid.devices import card_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

CARD = 'CUDAExecutionProvider'
PROCESSOR = 'CPUExecutionProvider'
CARD_BATCH = 32
"""Faces per call on a card: always as many, as its kernels are chosen by the number."""
CARD_OPTIONS = {
    # TF32 has 10 bits of a number, and features would be off by 1e-3
    'use_tf32': '0',
    # the others try kernels out and take the fastest one, which may be another one each time
    'cudnn_conv_algo_search': 'DEFAULT',
    'cudnn_conv_use_max_workspace': '1',
    # several processes share a card
    'arena_extend_strategy': 'kSameAsRequested',
    'gpu_mem_limit': str(3 << 30),
}
"""Options of ONNX Runtime's CUDA provider."""
NO_PROVIDER = 'onnxruntime has no CUDA here: install onnxruntime-gpu in its place'
REFUSED = '--device gpu: the graphics card cannot be used'


class CardError(Exception):
    """The graphics card cannot run a network; the message says why."""


def open_session(model: bytes | str, *, on_card: bool = False) -> Any:
    """Open a model, or the file of one; as many threads as ``OMP_NUM_THREADS`` says, or one.

    Nothing is reported to anybody, and a thread that waits takes no processor time from others.

    Raises
    ------
    CardError
        It was to run on the card, and does not.
    """
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads()
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    # it is no faster with them, and takes more memory
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    if not on_card:
        return onnxruntime.InferenceSession(model, options, providers=[PROCESSOR])
    if not has_card_provider():
        raise CardError(NO_PROVIDER)
    _load_cuda()
    # what goes wrong on the card would be said on standard output, and tried on the processor
    session = onnxruntime.InferenceSession(
        model, options, providers=[(CARD, CARD_OPTIONS), PROCESSOR], enable_fallback=0
    )
    if session.get_providers()[:1] != [CARD]:
        raise CardError('onnxruntime cannot use CUDA: are the driver, CUDA and cuDNN installed?')
    return session


def has_card_provider() -> bool:
    """Whether this ONNX Runtime was built for graphics cards."""
    import onnxruntime

    return CARD in onnxruntime.get_available_providers()


def _load_cuda() -> None:
    """Load CUDA and cuDNN from Python packages, if they are in such; else the system has them."""
    import onnxruntime

    with redirect_stdout(StringIO()), suppress(Exception):
        onnxruntime.preload_dlls()


def filled(chips: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Fill n faces up to `CARD_BATCH` with black ones."""
    rest = np.zeros((CARD_BATCH - len(chips), *chips.shape[1:]), chips.dtype)
    return np.concatenate([chips, rest])


def engine_name(*, on_card: bool = False) -> str:
    """Name and version of ONNX Runtime; on a card with what runs it there, and the card's name."""
    import onnxruntime

    name = f'onnxruntime {onnxruntime.__version__}'
    if not on_card:
        return name
    cards = set(card_names())
    # of several kinds, which one it was is not known
    return ' '.join((name, CARD, *(f'({card})' for card in cards if len(cards) == 1)))


def threads() -> int:
    """Number of threads that OpenMP would take for its outermost loops."""
    asked = os.environ.get('OMP_NUM_THREADS', '').partition(',')[0].strip()
    return max(int(asked), 1) if asked.isdecimal() else 1
