"""The outside world: one folder an outside library, each keeping the promises of a port."""
