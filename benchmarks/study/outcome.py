"""The study's table: what each method reached on synthetic people, beside what was published."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from bids_reid.risk.identification import wilson_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PUBLISHED_N = 182
PUBLISHED: dict[tuple[str, str], tuple[float, float]] = {
    ('orb', 'best'): (0.0, 0.0),
    ('sift', 'best'): (0.0, 0.0),
    ('face_recognition', 'best'): (0.51, 0.55),
    ('deepface-Dlib', 'best'): (0.51, 0.55),
    ('face_recognition', 'svm'): (0.58, 0.59),
    ('deepface-Dlib', 'svm'): (0.58, 0.59),
}
"""Lowest and highest match rate that the abstracts give, by extractor and decision.

Prakaashana et al., Alzheimer's & Dementia 2024 (abstract) and NeuroImage 2025, doi
10.1016/j.neuroimage.2025.121476. The abstracts do not say which of face_recognition and DeepFace
had which rate, nor which of DeepFace's models it was, nor whether ORB and SIFT had SVMs too.
"""
TARGET = ('face_recognition', 'best')
"""The method to which the likeness of the synthetic people is set; no other is looked at."""
_ORDER = (
    *('orb', 'sift', 'face_recognition', 'deepface-Dlib'),
    # what the study did not try
    *('facenet-all-views', 'face_recognition+facenet-all-views'),
)
_NOT_AVAILABLE = 'n/a'


@dataclass(frozen=True, slots=True)
class Method:
    """A row of the study's table; fields are its columns, ``None`` is ``n/a``.

    Rates are of one photograph per participant searched among all, at rank 1; ``ci_low`` and
    ``ci_high`` are Wilson's 95% interval. ``published_low`` and ``published_high`` bound Wilson's
    intervals of the published rates with the published N.
    """

    extractor: str
    decision: str
    n_probes: int
    n_gallery: int
    n_failed_acquire: int
    n_failed_enrol: int
    n_correct: int
    rate: float
    ci_low: float
    ci_high: float
    chance: float
    published_low: float | None
    published_high: float | None

    @property
    def name(self) -> str:
        """As in the figure."""
        return f'{self.extractor}, {self.decision}'

    @property
    def reproduces(self) -> bool | None:
        """Whether the rate lies inside the published interval; ``None`` if none was published."""
        if self.published_low is None or self.published_high is None:
            return None
        return self.published_low <= self.rate <= self.published_high


def methods(rows: Iterable[Mapping[str, str]], modality: str) -> list[Method]:
    """Select rank 1 of single photographs from ``group_identification.tsv``, in the study's order.

    Parameters
    ----------
    rows : iterable of mapping
        Column to cell, as :func:`bids_reid.bids.tables.read_table` gives them.
    modality : str
        BIDS suffix of the scans.

    Raises
    ------
    ValueError
        No row is of this kind, or one has no rate.
    """
    wanted = {'condition': 'raw', 'modality': modality, 'unit': 'photo', 'k': '1'}
    found = [
        _method(row) for row in rows if all(row[name] == value for name, value in wanted.items())
    ]
    if not found:
        raise ValueError(f'no rank-1 rate of single photographs on raw {modality} scans')
    # sorted() keeps the order of the program's decisions
    return sorted(found, key=lambda method: _place(method.extractor))


def _place(extractor: str) -> tuple[int, str]:
    known = extractor in _ORDER
    return (_ORDER.index(extractor) if known else len(_ORDER), extractor)


def _method(row: Mapping[str, str]) -> Method:
    columns = {field.name: field.type for field in fields(Method)}
    read = {'str': str, 'int': int, 'float': float}
    low, high = published_interval(row['extractor'], row['decision'])
    return Method(
        **{name: read[str(kind)](row[name]) for name, kind in columns.items() if kind in read},
        published_low=low,
        published_high=high,
    )


def published_interval(extractor: str, decision: str) -> tuple[float | None, float | None]:
    """From the lower end of the lowest published rate's interval to the highest's upper end."""
    rates = PUBLISHED.get((extractor, decision))
    if rates is None:
        return None, None
    low, high = (wilson_interval(round(rate * PUBLISHED_N), PUBLISHED_N) for rate in rates)
    return low[0], high[1]


def as_tsv(found: Sequence[Method]) -> str:
    """Write the table as TSV with a header."""
    lines = ['\t'.join(field.name for field in fields(Method))]
    lines += ['\t'.join(_cell(value) for value in asdict(method).values()) for method in found]
    return '\n'.join(lines) + '\n'


def _cell(value: object) -> str:
    if value is None:
        return _NOT_AVAILABLE
    return f'{value:.4g}' if isinstance(value, float) else str(value)


def as_text(found: Sequence[Method]) -> str:
    """Write the table for people, in Markdown."""
    lines = [
        '| method | match rate | 95% interval | found | published interval | inside it |',
        '|---|---|---|---|---|---|',
    ]
    for method in found:
        published = 'none'
        if method.published_low is not None and method.published_high is not None:
            published = f'{method.published_low:.1%} to {method.published_high:.1%}'
        inside = {True: 'yes', False: 'no', None: ''}[method.reproduces]
        lines.append(
            f'| {method.name} | {method.rate:.1%} | {method.ci_low:.1%} to {method.ci_high:.1%} '
            f'| {method.n_correct} of {method.n_probes} | {published} | {inside} |'
        )
    one = found[0]
    lines += [
        '',
        f'Chance: {one.chance:.2%} (one of {one.n_gallery}). Photographs without a face: '
        f'{max(method.n_failed_acquire for method in found)} at most; participants without a '
        f'template: {max(method.n_failed_enrol for method in found)} at most.',
    ]
    return '\n'.join(lines)
