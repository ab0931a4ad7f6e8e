"""Texts of a made-up world whose truth is known: one telling word, and filler."""

from loopline.testing.factories import LABELS

OLD = {"negative": "dull", "neutral": "plain", "positive": "bright"}
NEW = {"negative": "meh", "neutral": "okay", "positive": "lit"}
SPREAD = 2_654_435_761
"""An odd number: multiplied by it, numbers that follow each other are spelled unlike each other."""
FILLER = tuple(f"w{i}" for i in range(40))


def text_of(number: int, *, is_new: bool) -> str:
    """The text of this number: unlike that of any other number, its truth cycling through the labels.

    >>> text_of(4, is_new=False), truth_of(text_of(4, is_new=False))
    ('w4 plain w28 n78dde6c4', 'neutral')
    """
    words = NEW if is_new else OLD
    telling = words[LABELS[number % 3]]
    name = number * SPREAD % 2**32
    return f"{FILLER[number % 40]} {telling} {FILLER[number * 7 % 40]} n{name:08x}" + ("x" if is_new else "")


def truth_of(text: str) -> str:
    """The label of a text of this world."""
    words = set(text.split())
    return next(label for label in LABELS if OLD[label] in words or NEW[label] in words)
