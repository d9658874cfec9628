"""Head images of a BIDS dataset by their names alone: no index is made, and no image is read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from bids_reid.bids.entities import LABEL
from bids_reid.records import Scan
from bids_reid.suggestions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

HEAD_DATATYPES = ('anat', 'pet', 'ct')
"""Folders that may contain an image of the whole head."""
HEAD_SUFFIXES = frozenset(
    (
        *('T1w', 'T2w', 'FLAIR', 'PDw', 'T2starw', 'inplaneT1', 'inplaneT2', 'angio', 'PDT2'),
        *('UNIT1', 'MP2RAGE', 'MPM', 'MTS', 'MTR', 'MEGRE', 'MESE', 'VFA', 'IRT1', 'T1rho'),
        *('T1map', 'T2map', 'T2starmap', 'R1map', 'R2map', 'R2starmap', 'PDmap', 'PDT2map'),
        *('MTRmap', 'MTsat', 'MTVmap', 'MWFmap', 'S0map', 'M0map', 'Chimap'),
        *('FLASH', 'PD', 'T2star', 'pet', 'ct', 'CT'),
    )
)
"""Suffixes that BIDS defines for images in these folders.

Any other suffix of a dataset counts too.
"""
_HEAD_IMAGE = re.compile(
    rf'(?P<folder>sub-{LABEL})/(?:(?P<session>ses-{LABEL})/)?(?:{"|".join(HEAD_DATATYPES)})/'
    r'(?P<name>(?P=folder)(?(session)_(?P=session))(?:_[^/]+)?)_(?P<suffix>[A-Za-z0-9]+)'
    r'\.nii(?:\.gz)?'
)
"""Where BIDS puts a head image: no backup folder, no ``._`` file of macOS."""
_BY_CASE = {suffix.casefold(): suffix for suffix in sorted(HEAD_SUFFIXES)}
_LABELS = re.compile(r'\w*mask|\w*seg', re.IGNORECASE)
_NO_MAGNITUDE = re.compile(r'_part-(phase|real|imag)(?=_|$)')


def scan_of(path: Path, bids_dir: Path) -> Scan | None:
    """Scan of an image of the raw dataset; ``None`` if it is not where BIDS puts one."""
    match = _HEAD_IMAGE.fullmatch(path.relative_to(bids_dir).as_posix())
    if match is None or why_no_suffix(match['name'], match['suffix']) is not None:
        return None
    session = match['session']
    return Scan(
        participant=match['folder'].removeprefix('sub-'),
        session=None if session is None else session.removeprefix('ses-'),
        modality=match['suffix'],
        source_name=match['name'],
        path=path,
    )


def suffix_meant(text: str) -> str | None:
    """Return the suffix of BIDS that differs from a text in upper and lower case only."""
    meant = _BY_CASE.get(text.casefold())
    return None if text in HEAD_SUFFIXES else meant


def misspelt_suffix(name: str, there: Collection[str]) -> str:
    """Ask for the suffix that is meant; one that BIDS knows is no slip for another.

    >>> misspelt_suffix('FLAR', ['T1w', 'FLAIR']), misspelt_suffix('T2w', ['T1w'])
    (': did you mean FLAIR?', '')
    """
    return '' if name in HEAD_SUFFIXES else did_you_mean(name, there)


def why_no_suffix(name: str, last: str) -> str | None:
    """Say why the last word of an image's name is no suffix of BIDS; ``None`` if it may be one.

    Parameters
    ----------
    name : str
        All before the last word, as ``sub-01_acq-x``.
    last : str
        Any that is not like those of BIDS may be a dataset's own.

    >>> why_no_suffix('sub-01', 't1w')
    'the suffix is t1w, not T1w'
    >>> why_no_suffix('sub-01_T1w', 'defaced')
    'T1w is not at the end of the file name'
    """
    if last in HEAD_SUFFIXES or _LABELS.fullmatch(last):
        return None
    meant = suffix_meant(last)
    if meant is not None:
        return f'the suffix is {last}, not {meant}'
    early = [word for word in name.split('_') if word in HEAD_SUFFIXES]
    return f'{early[-1]} is not at the end of the file name' if early else None


def head_images(
    bids_dir: Path, modalities: Collection[str] = (), participants: Iterable[str] = ()
) -> list[Scan]:
    """Return the raw scans that the participant level takes without a filter file, in order.

    Parameters
    ----------
    bids_dir : Path
        Raw BIDS dataset. Of what cannot be listed nothing is returned.
    modalities : collection of str
        BIDS suffixes; without any, all but those of masks and maps of labels.
    participants : iterable of str
        Labels without prefix; empty for all.
    """
    # a scan that is there as .nii and .nii.gz counts once
    scans = {
        scan.original: scan
        for scan in _named_scans(bids_dir, participants)
        if is_wanted(scan.modality, modalities) and no_magnitude(scan.source_name) is None
    }
    return sorted(scans.values(), key=lambda scan: scan.place)


def left_out_images(bids_dir: Path, participants: Iterable[str] = ()) -> list[tuple[Path, str]]:
    """Return the images beside the scans that the participant level does not take, with reasons.

    Parameters
    ----------
    bids_dir : Path
        Raw BIDS dataset.
    participants : iterable of str
        Labels without prefix; empty for all.

    Returns
    -------
    list of (Path, str)
        Masks and maps of labels, and images that are no magnitudes; ``--modalities`` and filters
        have no part in this.
    """
    reasons = []
    for scan in _named_scans(bids_dir, participants):
        reason = no_magnitude(scan.source_name)
        if not is_wanted(scan.modality, ()):
            reason = f'its suffix {scan.modality} marks a mask or label map'
        if reason is not None:
            reasons.append((scan.path, reason))
    return sorted(reasons)


def is_wanted(suffix: str, modalities: Collection[str]) -> bool:
    """Whether images of a suffix are taken; with no ``modalities`` named, all but labels are."""
    return suffix in modalities if modalities else _LABELS.fullmatch(suffix) is None


def no_magnitude(name: str) -> str | None:
    """Say why an image is left out for the entity ``part`` of its name; ``None`` if it is not."""
    match = _NO_MAGNITUDE.search(name)
    return (
        None
        if match is None
        else f'its name marks it as part-{match[1]}, not as a magnitude image'
    )


def _named_scans(bids_dir: Path, participants: Iterable[str]) -> Iterator[Scan]:
    """Yield all images where BIDS puts those of heads, sorted within each folder."""
    people = [bids_dir / f'sub-{label}' for label in participants]
    for person in people or sorted(bids_dir.glob('sub-*')):
        for place in (person, *sorted(person.glob('ses-*'))):
            for datatype in HEAD_DATATYPES:
                for path in sorted((place / datatype).glob('*.nii*')):
                    scan = scan_of(path, bids_dir)
                    if scan is not None:
                        yield scan
