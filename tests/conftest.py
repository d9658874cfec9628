"""What all tests share."""

from __future__ import annotations

from bids_reid.views.selftest import use_offscreen_window

# before anything imports VTK
use_offscreen_window()
