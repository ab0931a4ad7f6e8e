"""Labels become immutable versions: what is learned from, since when, and why."""
