"""A step of the group level that fails ends it in one line, with the code of its kind."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bids_reid.engine import group_run
from bids_reid.engine.crashes import NO_MEMORY
from bids_reid.engine.execution import GraphRun
from bids_reid.engine.plugins import KILLED
from bids_reid.errors import Exit, ReidError
from bids_reid.settings import Settings


@pytest.mark.parametrize(
    ('reasons', 'said', 'code'),
    [
        ([KILLED, KILLED], KILLED, Exit.MACHINE),
        ([NO_MEMORY, KILLED], f'{NO_MEMORY} (and 1 more reason: see logs)', Exit.MACHINE),
        (['x is missing: run the participant level'] * 2, 'x is missing.*', Exit.SOME_FAILED),
    ],
)
def test_what_the_machine_lacks_has_its_own_code(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reasons: list[str],
    said: str,
    code: Exit,
) -> None:
    """A script that tries again with more memory has to know when."""
    failed = GraphRun({f'group_wf.search_{n}': reason for n, reason in enumerate(reasons)})
    workflow = SimpleNamespace(name='group_wf', list_node_names=list)
    monkeypatch.setattr(group_run, 'init_group_wf', lambda **_: workflow)
    monkeypatch.setattr(group_run, 'run_for_user', lambda *_, **__: failed)
    settings = Settings(bids_dir=tmp_path, output_dir=tmp_path / 'out', levels=('group',))
    nothing: Any = None
    with pytest.raises(ReidError) as error:
        group_run.search(settings, nothing, nothing)
    assert error.value.exit_code == code
    assert error.match(said.replace('(', r'\(').replace(')', r'\)'))
