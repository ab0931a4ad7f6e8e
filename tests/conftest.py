"""What all tests share: Hypothesis judges by laws, never by the clock of a busy machine."""

from hypothesis import settings

settings.register_profile("loopline", deadline=None)
settings.load_profile("loopline")
