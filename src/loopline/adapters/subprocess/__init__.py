"""Training runs as detached processes, each with a folder of its own."""
