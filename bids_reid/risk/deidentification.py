"""The claim of de-facing in a sidecar against the face on the scan."""

from __future__ import annotations

CLAIM_WITH_FACE = 'the sidecar says that the image was de-faced, but a face is present'
CLAIM_UNSURE = 'the sidecar says that the image was de-faced, but part of a face may be left'
FACE_GONE_UNSAID = 'no face is present, but the sidecar does not say that the image was de-faced'


def contradiction(claimed: bool | None, face_present: str | None) -> str | None:
    """Compare a claim of de-facing with the face that was found.

    Parameters
    ----------
    claimed
        Whether the sidecar says that the face was removed or replaced; ``None`` if it says
        nothing of de-identification.
    face_present
        ``yes``, ``no`` or ``unsure``; ``None`` if it could not be told.

    Returns
    -------
    What does not fit, in words; ``None`` if nothing is known to. A replaced face is a face: for
    a re-faced scan the first contradiction has to be read with the rates.
    """
    if claimed and face_present == 'yes':
        return CLAIM_WITH_FACE
    if claimed and face_present == 'unsure':
        return CLAIM_UNSURE
    if not claimed and face_present == 'no':
        return FACE_GONE_UNSAID
    return None
