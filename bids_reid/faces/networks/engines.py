"""What runs a network, and how a fast engine proves itself against the authors' own."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from bids_reid.devices import network_device
from bids_reid.errors import MachineError
from bids_reid.faces.networks.sessions import CARD_BATCH, REFUSED, CardError, has_card_provider

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


CARD_TOLERANCE = 1e-4
"""Largest L2 distance between the features that a graphics card and the reference give."""


class Engine(Protocol):
    """What runs a network."""

    name: str
    """With its version, as in sidecars."""

    def embed(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (n, d) features of n grey faces (n, rows, columns)."""
        ...


class Loaded(NamedTuple):
    """An engine, the hash of its weights, and why it is not the fast one (empty if it is)."""

    engine: Engine
    weights_sha256: str
    reason: str


def load_checked(
    fast: Callable[[], Engine],
    reference: Callable[[], Engine],
    chips: NDArray[np.uint8],
    tolerance: float,
    weights_sha256: str,
    on_card: Callable[[], Engine] | None = None,
) -> Loaded:
    """Load the fast engine, or the reference where the two do not agree.

    On a graphics card it is another engine, which is tried first: it has to agree as well. This is
    done in each process, on the machine that it runs on: a processor for which a kernel is wrong
    is not the one on which somebody checked it before. The reference is gone before the fast
    engine is loaded, so that there is one network in memory at a time.

    Parameters
    ----------
    fast, reference
        Load an engine; the reference's errors are not caught.
    chips : (n, rows, columns) uint8
        For which both have to give the same.
    tolerance : float
        Largest L2 distance between the features that both give for one of them.
    weights_sha256 : str
        As noted in the result.
    on_card : callable, optional
        Loads the fast engine on a graphics card.

    Raises
    ------
    MachineError
        The network has to run on a card, and cannot.
    """
    expected, name = _features(reference, chips)
    device, reasons = network_device(), list[str]()
    if on_card is not None and (device == 'gpu' or (device == 'auto' and has_card_provider())):
        # of all places in a batch
        many = np.repeat(chips, CARD_BATCH, axis=0)
        engine, reason = _agreeing(on_card, many, expected, CARD_TOLERANCE, name)
        if engine is not None:
            return Loaded(engine, weights_sha256, '')
        reasons.append(f'not on the graphics card: {reason}')
        if device == 'gpu':
            raise MachineError(f'{REFUSED}: {reason}')
    engine, reason = _agreeing(fast, chips, expected, tolerance, name)
    if engine is None:
        engine = reference()
        reasons.append(reason)
    _return_memory()
    return Loaded(engine, weights_sha256, '; '.join(reasons))


def _return_memory() -> None:
    """Give the system back what building a network took: more than the network itself."""
    # not every system's C library has it
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _agreeing(
    load: Callable[[], Engine],
    chips: NDArray[np.uint8],
    expected: NDArray[np.float32],
    tolerance: float,
    name: str,
) -> tuple[Engine | None, str]:
    """Load an engine that gives what the reference of that name does, or say why it is none."""
    try:
        engine = load()
        distance = largest_distance(engine.embed(chips), expected)
    except CardError as error:
        return None, str(error)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the reference gives the same
        return None, f'onnxruntime cannot be used: {error}'
    # not "distance > tolerance", which NaN is not
    if not distance <= tolerance:
        return None, f'onnxruntime differs from {name} by {distance:.2g}'
    return engine, ''


def _features(
    load: Callable[[], Engine], chips: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], str]:
    """Features of chips and the first word of the engine's name; the engine is dropped."""
    engine = load()
    return engine.embed(chips), engine.name.partition(' ')[0]


def largest_distance(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Largest L2 distance between two engines' features (n, d) of the same chips."""
    return float(np.linalg.norm(one - other, axis=1).max())


def check_chips(pixels: int) -> NDArray[np.uint8]:
    """Return one chip (1, pixels, pixels) with coarse and fine structure, from black to white."""
    row, column = np.indices((pixels, pixels))
    waves = np.sin(row / 23) * np.cos(column / 17) + np.sin(row * column / 300)
    return np.round(63.75 * (waves + 2)).astype(np.uint8)[None]
