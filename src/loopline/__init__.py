"""Loopline: a closed active-learning loop for models in production. Read ``loop.py`` first."""

__version__ = "0.1.0"
