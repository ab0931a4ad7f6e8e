"""A bounded queue of frames between processes, in one memory-mapped file."""
