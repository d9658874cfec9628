"""Seeded fuzzing: damaged inputs may give typed errors only, in bounded time and memory."""
