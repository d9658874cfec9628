"""Synthetic people for the demo and the tests: one head, as an MRI volume and as photographs."""
