"""Heads de-faced well and badly, with what is left of each part of the face.

`cases` makes them, `labels` says what is left, `measure` measures them as the program does, and
`table` counts its verdicts. They need `tests.support`, and so run from the repository's root.
"""
