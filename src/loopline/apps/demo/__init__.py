"""Plays the outside world around a real loop: traffic that drifts, and people who answer."""
