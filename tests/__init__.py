"""Tests, and what they share with benchmarks."""
