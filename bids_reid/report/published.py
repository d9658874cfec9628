"""Rates of published studies, and how the strongest attacks of a run stand beside them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from bids_reid.bids.files import packaged_text
from bids_reid.records import RAW
from bids_reid.report import words
from bids_reid.report.references import Reference, reference
from bids_reid.risk.identification import wilson_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bids_reid.risk.attacks import StrongestRow


@dataclass(frozen=True, slots=True)
class Study:
    """A rank-1 rate that a study published: photographs of people against their scans.

    Attributes
    ----------
    study : str
        Key of ``data/references.json``.
    label : str
        First author and year.
    scan, modality : str
        Kind of scans, in words and in short.
    n_people : int
        People with a scan and photographs.
    gallery, matcher : str
        Among whom was searched, and with what.
    defacing : str or None
        How the faces were removed; ``None`` if they were not.
    low, high : float
        The rate as published; a range if the study gives several.
    """

    study: str
    label: str
    scan: str
    modality: str
    n_people: int
    gallery: str
    matcher: str
    defacing: str | None
    low: float
    high: float

    @property
    def reference(self) -> Reference:
        """Where it was published."""
        return reference(self.study)

    @property
    def rate(self) -> str:
        """The rate in words."""
        return range_of(self.low, self.high)


@dataclass(frozen=True, slots=True)
class Bar:
    """A line of the chart: a rate or a range of rates, with an interval if there is one."""

    label: str
    own: bool
    defaced: bool
    low: float
    high: float
    ci_low: float | None = None
    ci_high: float | None = None


@cache
def studies() -> tuple[Study, ...]:
    """Return the published rates, by year, then modality."""
    return tuple(Study(**entry) for entry in json.loads(packaged_text('published.json')))


def range_of(low: float, high: float) -> str:
    """Write a rate, or a range of rates.

    >>> range_of(0.275, 0.275), range_of(0.06, 0.61)
    ('28%', '6 to 61%')
    """
    if low == high:
        return words.percent(low)
    return f'{words.percent(low).removesuffix("%")} to {words.percent(high)}'


def bars(strongest: Sequence[StrongestRow]) -> list[Bar]:
    """Return the lines of the chart: those of this run, then the studies.

    The interval of a study is Wilson's, of the rate and number of people that it gives. A range
    of rates has none.
    """
    own = [
        Bar(
            label=f'this dataset, {row.modality} · {row.condition}, n = {row.n_people:,}',
            own=True,
            defaced=row.condition != RAW,
            low=row.rate,
            high=row.rate,
            ci_low=row.ci_low_corrected,
            ci_high=row.ci_high_corrected,
        )
        for row in strongest
    ]
    others = []
    for study in studies():
        interval: tuple[float | None, float | None] = (None, None)
        if study.low == study.high:
            interval = wilson_interval(round(study.low * study.n_people), study.n_people)
        others.append(
            Bar(
                label=f'{study.label}, {study.modality}, n = {study.n_people:,}{_after(study)}',
                own=False,
                defaced=study.defacing is not None,
                low=study.low,
                high=study.high,
                ci_low=interval[0],
                ci_high=interval[1],
            )
        )
    return own + others


def _after(study: Study) -> str:
    return '' if study.defacing is None else f', after {study.defacing}'
