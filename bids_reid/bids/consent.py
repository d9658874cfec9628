"""``--consent``: who agreed that their photographs are searched with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bids_reid.bids.participants_table import PARTICIPANT
from bids_reid.bids.photo_labels import DatasetLabels
from bids_reid.bids.user_rows import MISSING, read_rows
from bids_reid.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

CONSENT = 'consent'
_ANSWERS = {'yes': True, 'no': False, **dict.fromkeys(MISSING, False)}


class Consent:
    """The answers of people; without one, a person has not agreed.

    Parameters
    ----------
    agreed : collection of str
        Labels, without prefix, of those who said yes: of the dataset, or as they were typed.
    dataset : collection of str
        All participants of the dataset.
    """

    def __init__(self, agreed: Collection[str], dataset: Collection[str]) -> None:
        self._agreed = frozenset(agreed)
        self._dataset = DatasetLabels(dataset)
        # strangers are in no dataset: their labels may be typed differently there and here
        self._others = DatasetLabels(self._agreed - self._dataset.known)

    def allows(self, typed: str | None) -> bool:
        """Whether a photograph with this label may be opened.

        One without a label shows somebody whom no table can name: a distractor.
        """
        if typed is None:
            return True
        meant = self._dataset.meant_by(typed) or self._others.meant_by(typed)
        return len(meant) == 1 and meant[0] in self._agreed


def read_consent(path: Path, dataset: Collection[str]) -> Consent:
    """Read a TSV with the columns ``participant_id`` and ``consent`` (yes, no or n/a).

    Labels are compared as those of photographs: without prefix, case and leading zeros where only
    one participant can be meant.

    Raises
    ------
    NoInputError
        It cannot be read.
    UsageError
        A column or a label is missing, an answer is another word, a label may mean two
        participants, or two rows of one disagree.
    """
    table = read_rows(path, (PARTICIPANT, CONSENT))
    labels = DatasetLabels(dataset)
    answers: dict[str, tuple[bool, int]] = {}
    for row in table.rows:
        where = f'{path}, line {row.line}'
        label = _label(row[PARTICIPANT], labels, where)
        answer = _ANSWERS.get(row[CONSENT].lower())
        if answer is None:
            raise UsageError(f'{where}: consent is yes, no or n/a, not {row[CONSENT]!r}')
        before, line = answers.setdefault(label, (answer, row.line))
        if before != answer:
            raise UsageError(f'{where}: the row contradicts line {line} about the same person')
    return Consent([label for label, (answer, _) in answers.items() if answer], dataset)


def _label(typed: str, labels: DatasetLabels, where: str) -> str:
    """Return the label of the dataset that a row means; of somebody else, as it is typed."""
    if typed in MISSING:
        raise UsageError(f'{where}: the row has no {PARTICIPANT}')
    meant = labels.meant_by(typed)
    if len(meant) > 1:
        raise UsageError(
            f'{where}: {typed!r} may be sub-{" or sub-".join(meant)}: use the exact label of the '
            'dataset'
        )
    return meant[0] if meant else typed.removeprefix('sub-')
