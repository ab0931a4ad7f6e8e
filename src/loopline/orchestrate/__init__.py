"""Given this state and this time, what is due? ``decide`` and ``cadence`` are pure; ``runner`` does what they say."""
