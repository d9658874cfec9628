"""``python -m bids_reid`` is ``bids-reid``."""

import sys

from bids_reid.cli import main

if __name__ == '__main__':
    sys.exit(main())
