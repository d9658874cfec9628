"""What Nipype says while it works, without what is private."""

from __future__ import annotations

import logging
import re

from bids_reid.printable import printable

_PRIVATE = re.compile(
    r'\b(?:Photo|Plan|Rules)\('  # values as Python shows them, cut or whole
    r'|^\s*\* (?:photos|plan|rules|Cached inputs|New inputs):',  # inputs that have changed
    re.MULTILINE,
)
LEFT_OUT = '(left out: it may name people)'


class Discreet(logging.Filter):
    """Leave out lines with inputs that name people on photographs; show control characters.

    Nipype compares the inputs of a step with those of an earlier run, and writes what differs.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Change a record; none is lost."""
        lines = record.getMessage().splitlines()
        kept = [LEFT_OUT if _PRIVATE.search(line) else line for line in lines]
        record.msg, record.args = printable('\n'.join(kept), keep='\n\t'), None
        return True


_DISCREET = Discreet()


def make_logs_discreet() -> None:
    """Let nothing that Nipype says name anybody, whatever its level."""
    for name in ('nipype', *logging.root.manager.loggerDict):
        if name.partition('.')[0] == 'nipype':
            logging.getLogger(name).addFilter(_DISCREET)
