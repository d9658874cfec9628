"""Measurements of what SECURITY.md promises: each prints numbers, and exits 1 on a broken one."""
