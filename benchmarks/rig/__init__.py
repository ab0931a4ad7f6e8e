"""What the benchmarks measure with: rivals' environments, servers as process families, the load, and statistics."""
