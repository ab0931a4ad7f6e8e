"""The Python API: one loop, read from a notebook or a program."""
