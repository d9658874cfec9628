"""Nipype: interfaces (two specs and a call) and graphs (wiring only)."""
