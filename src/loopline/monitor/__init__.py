"""Predictions -> signals: histograms, tolerance, the drift detector; ``stage.py`` is the recipe."""
