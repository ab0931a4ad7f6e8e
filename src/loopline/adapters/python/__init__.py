"""Models that are the owner's own Python: a factory, by name."""
