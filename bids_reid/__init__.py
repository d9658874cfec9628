"""bids_reid: is a face left in a dataset, and how many participants could be recognised."""

import os

__version__ = '0.1.0.dev9'

NO_CALLS_HOME = {'NIPYPE_NO_ET': '1', 'NO_ET': '1', 'ORT_DISABLE_TELEMETRY': '1'}
"""Nipype asks a server for its newest version, ONNX Runtime (from 1.29) reports what it is used
for, unless the environment says otherwise before they are imported."""
os.environ |= NO_CALLS_HOME
