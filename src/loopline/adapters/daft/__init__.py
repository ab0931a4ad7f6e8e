"""Daft: threads of this machine, or a Ray cluster."""
