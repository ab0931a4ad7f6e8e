"""A verdict -> traffic: shadow, canary steps, guards; ``stage.py`` is the recipe."""
