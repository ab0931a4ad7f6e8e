"""What is wrong with a ``loop.toml``: every problem at once, one line each."""

import difflib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from loopline.errors import InvalidRecord


class Problem(NamedTuple):
    """One thing to mend.

    >>> str(Problem("select.explore", found="1.5", allowed="a number from 0 to 1"))
    'select.explore: found 1.5, allowed: a number from 0 to 1'
    """

    key: str
    """Where it stands: ``select.explore``."""
    found: str
    """What is written there."""
    allowed: str
    """What may be written there."""
    remedy: str = ""
    """The nearest key for a typo, or another way out."""

    def __str__(self) -> str:
        """Give the line that a person reads."""
        return f"{self.key}: found {self.found}, allowed: {self.allowed}" + (f"; {self.remedy}" if self.remedy else "")


class InvalidSettings(InvalidRecord):
    """A ``loop.toml`` that breaks its rules; the message lists every problem, in the order of the file's sections."""

    def __init__(self, path: str, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = f"{len(problems)} problem" + ("s" if len(problems) > 1 else "")
        lines = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(path, found=count, expected="none", remedy=f"mend every line below{lines}")


def nearest(name: str, known: Iterable[str]) -> str:
    """Which of the known names is meant, perhaps; empty when none is near.

    >>> nearest("mulitple", ["single", "multiple"]), nearest("x", ["single"])
    ('did you mean multiple?', '')
    """
    near = difflib.get_close_matches(name, tuple(known), n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else ""


def unknown(section: str, key: str, *, known: Iterable[str]) -> Problem:
    """A key that nobody reads, with the nearest known one.

    >>> str(unknown("select", "budgte", known=("when", "budget")))
    'select.budgte: found an unknown key, allowed: when, budget; did you mean budget?'
    >>> str(unknown("", "serv", known=("serve", "loop")))
    '[serv]: found an unknown section, allowed: [serve] [loop]; did you mean [serve]?'
    """
    names = tuple(known)
    near = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
    if section:
        remedy = f"did you mean {near[0]}?" if near else ""
        return Problem(f"{section}.{key}", found="an unknown key", allowed=", ".join(names), remedy=remedy)
    remedy = f"did you mean [{near[0]}]?" if near else ""
    return Problem(f"[{key}]", found="an unknown section", allowed=" ".join(f"[{n}]" for n in names), remedy=remedy)
