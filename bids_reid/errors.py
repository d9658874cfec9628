"""Errors that end in one clear line, and the exit codes they end with."""

from __future__ import annotations

import errno
from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of the command line (BEP027, table 7)."""

    OK = 0
    SOME_FAILED = 1
    RISK = 3
    NOT_BIDS = 16
    UNKNOWN_LEVEL = 17
    NOTHING_SELECTED = 18
    USAGE = 64
    NO_INPUT = 66
    MACHINE = 73


class ReidError(Exception):
    """Something the user can mend: the message names the file and what to do."""

    exit_code = Exit.SOME_FAILED


class UsageError(ReidError):
    """The command line, or a file it names, is not as it should be."""

    exit_code = Exit.USAGE


class NoInputError(ReidError):
    """A file or folder named on the command line is not there."""

    exit_code = Exit.NO_INPUT


class NotBidsError(ReidError):
    """``bids_dir`` is not a BIDS dataset."""

    exit_code = Exit.NOT_BIDS


class NothingSelectedError(ReidError):
    """The filters leave no scan."""

    exit_code = Exit.NOTHING_SELECTED


class MachineError(ReidError):
    """The machine refuses something: disk, memory, permission, a library. It is no scan's result.

    Nothing that is already done may be touched for it.
    """

    exit_code = Exit.MACHINE


_REFUSALS = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
)


def is_refusal(error: OSError) -> bool:
    """Whether the machine refuses something, whatever file it was that was read or written."""
    return error.errno in _REFUSALS


class CannotWriteError(MachineError):
    """The output folder cannot be written."""


class RenderingError(MachineError):
    """This machine cannot render."""


class ScanError(ReidError):
    """One scan cannot be turned into a template; the message is its reason in the tables."""


class ExtractorError(ReidError):
    """An extractor of another package failed, or gave something else than features."""


class PhotoError(ReidError):
    """One photograph cannot be read; the message is its reason in the tables."""
