"""What to ask people about: informativeness, duplicates, diversity, probability; ``stage.py`` is the recipe."""
