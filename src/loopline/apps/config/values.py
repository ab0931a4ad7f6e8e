"""The kinds of value that ``loop.toml`` may hold: each reads what was found, or says what is allowed."""

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import ip_network
from itertools import pairwise
from typing import Any, NamedTuple

from loopline.records.settings import Redaction

Read = Callable[[Any], Mapping[str, object]]
"""From a TOML value to settings fields; raises ValueError when the value is not allowed."""

KNOWN_ELSEWHERE = r"scikit-activeml:[A-Za-z]\w*"
"""Names of strategies that another library has: whether it has this one shows when it is asked."""
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class Unknown(ValueError):
    """A name that is none of those known; may be one of them, misspelt."""

    def __init__(self, found: str, *, known: Iterable[str]) -> None:
        self.near = difflib.get_close_matches(found, tuple(known), n=1, cutoff=0.5)


class Key(NamedTuple):
    """One key of one section: what it may hold and which fields it fills."""

    allowed: str
    """In words, after "allowed:"."""
    read: Read
    missing: str = ""
    """What the key would ask for, where this release does not do it."""


def text(field: str, allowed: str = "a text", *, pattern: str = r"(?s).+") -> Key:
    """A text that fits the pattern as a whole."""

    def read(found: Any) -> Mapping[str, object]:
        if not isinstance(found, str) or not re.fullmatch(pattern, found):
            raise ValueError
        return {field: found}

    return Key(allowed, read)


def choice(field: str, *options: str) -> Key:
    """One of a few words."""
    return text(field, " or ".join(f'"{option}"' for option in options), pattern="|".join(map(re.escape, options)))


def strategy(field: str, built_in: Sequence[str], *, installed: Callable[[], Iterable[str]] = tuple) -> Key:
    """The name of a strategy: built in, from an installed package (looked for when it is none of these), or foreign."""

    def read(found: Any) -> Mapping[str, object]:
        if not isinstance(found, str):
            raise ValueError
        if found not in built_in and not re.fullmatch(KNOWN_ELSEWHERE, found):
            known = (*built_in, *installed())
            if found not in known:
                raise Unknown(found, known=known)
        return {field: found}

    names = ", ".join(f'"{name}"' for name in built_in)
    return Key(f'{names}, the name of an installed one, or "scikit-activeml:NAME"', read)


def number(field: str, low: float, high: float, *, above: bool = False) -> Key:
    """A finite number from ``low`` (or just above it) to ``high``."""
    start = f"a number above {low:g}" if above else f"a number from {low:g}"
    allowed = start + (f" to {high:g}" if math.isfinite(high) else "" if above else " up")

    def read(found: Any) -> Mapping[str, object]:
        if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
            raise ValueError
        if not low <= found <= high or (above and found == low):
            raise ValueError
        return {field: float(found)}

    return Key(allowed, read)


def whole(field: str, low: int, *, high: int = 2**53) -> Key:
    """A whole number from ``low`` up."""
    allowed = f"a whole number from {low}" + (f" to {high}" if high < 2**53 else " up")

    def read(found: Any) -> Mapping[str, object]:
        if isinstance(found, bool) or not isinstance(found, int) or not low <= found <= high:
            raise ValueError
        return {field: found}

    return Key(allowed, read)


def flag(field: str) -> Key:
    """True or false."""

    def read(found: Any) -> Mapping[str, object]:
        if not isinstance(found, bool):
            raise ValueError
        return {field: found}

    return Key("true or false", read)


def seconds(found: object) -> float:
    """Seconds in a duration.

    >>> seconds("6h"), seconds("1.5m")
    (21600.0, 90.0)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd])", found) if isinstance(found, str) else None
    if match is None or float(match[1]) == 0:
        raise ValueError
    return float(match[1]) * UNITS[match[2]]


def duration(field: str, *, as_whole: bool = False) -> Key:
    """A time span above zero, kept in seconds."""

    def read(found: Any) -> Mapping[str, object]:
        span = seconds(found)
        return {field: max(1, round(span)) if as_whole else span}

    return Key('a duration such as "5s", "2m", "6h" or "7d"', read)


def age(field: str) -> Key:
    """A time span above zero, kept in seconds, or never: 0."""

    def read(found: Any) -> Mapping[str, object]:
        return {field: 0.0 if found == "never" else seconds(found)}

    return Key('a duration such as "5s", "2m", "6h" or "7d", or "never"', read)


def labels(field: str) -> Key:
    """Two or more distinct class names."""

    def read(found: Any) -> Mapping[str, object]:
        if not isinstance(found, list) or not all(isinstance(name, str) and name.strip() for name in found):
            raise ValueError
        if len(found) < 2 or len(set(found)) < len(found):
            raise ValueError
        return {field: tuple(found)}

    return Key('a list of two or more distinct names, such as ["no", "yes"]', read)


def when(every: str, volume: str) -> Key:
    """The wake-ups of a cycle: by the clock, by volume, or both; what is not listed is off."""

    def read(found: Any) -> Mapping[str, object]:
        if not isinstance(found, list) or not found:
            raise ValueError
        fields: dict[str, object] = {}
        for wake in found:
            kind, _, value = wake.partition(" ") if isinstance(wake, str) else ("", "", "")
            if kind == "every" and every not in fields:
                fields[every] = seconds(value)
            elif kind == "volume" and volume not in fields and value.isdigit() and int(value) > 0:
                fields[volume] = int(value)
            else:
                raise ValueError
        return {every: 0.0, volume: 0} | fields

    return Key('a list of "every 6h" and "volume 5000", or one of them', read)


def predictions(field: str) -> Key:
    """A count of predictions, in words."""

    def read(found: Any) -> Mapping[str, object]:
        match = re.fullmatch(r"(\d{1,12}) predictions?", found) if isinstance(found, str) else None
        if match is None:
            raise ValueError
        return {field: int(match[1])}

    return Key('a count such as "500 predictions"', read)


def percents(field: str) -> Key:
    """Ascending whole percents that end in 100."""

    def read(found: Any) -> Mapping[str, object]:
        if not isinstance(found, list) or not all(isinstance(p, int) and not isinstance(p, bool) for p in found):
            raise ValueError
        if not found or found[0] < 1 or found[-1] != 100 or any(a >= b for a, b in pairwise(found)):
            raise ValueError
        return {field: tuple(found)}

    return Key("ascending whole percents from 1 that end in 100, such as [1, 5, 25, 100]", read)


def names(field: str, *options: str, least: int = 1) -> Key:
    """A list of distinct words out of a few."""

    def read(found: Any) -> Mapping[str, object]:
        if not isinstance(found, list) or len(found) < least or any(name not in options for name in found):
            raise ValueError
        if len(set(found)) < len(found):
            raise ValueError
        return {field: tuple(found)}

    return Key(f"a list of distinct names out of {', '.join(options)}", read)


def words(field: str, what: str) -> Key:
    """A table of words by segment of the traffic."""

    def read(found: Any) -> Mapping[str, object]:
        if not isinstance(found, dict) or not found:
            raise ValueError
        if not all(isinstance(word, str) and word for word in found.values()):
            raise ValueError
        return {field: tuple(sorted(found.items()))}

    return Key(f'{{ "SEGMENT" = "{what}" }}, one or more', read)


def addresses(field: str) -> Key:
    """A list of IP addresses or networks."""

    def read(found: Any) -> Mapping[str, object]:
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise ValueError
        return {field: tuple(str(ip_network(one)) for one in found)}

    return Key('a list of addresses or networks, such as "127.0.0.1" or "10.0.0.0/8"', read)


RULE: Mapping[str, tuple[str, type]] = {
    "field": ("field", str),
    "regex": ("regex", str),
    "replace": ("replace", str),
    "hash": ("is_hashed", bool),
}
"""Key of a redaction rule -> its field in the record, and what it holds."""


def redactions(field: str) -> Key:
    """A list of small tables, each a rule about what is not stored."""

    def read(found: Any) -> Mapping[str, object]:
        if not isinstance(found, list):
            raise ValueError
        return {field: tuple(map(_rule, found))}

    return Key(
        'a list of rules such as { regex = "[0-9]{16}", replace = "#" } or { field = "group", hash = true }', read
    )


def _rule(found: Any) -> Redaction:
    if not isinstance(found, dict) or not found or not found.keys() <= RULE.keys():
        raise ValueError
    fields: dict[str, Any] = {}
    for key, value in found.items():
        name, kind = RULE[key]
        if not isinstance(value, kind):
            raise ValueError
        fields[name] = value
    rule = Redaction(**fields)
    if not re.fullmatch(r"text|group|segment|trace|[0-9]{1,6}", rule.field):
        raise ValueError
    try:
        re.compile(rule.regex)
    except re.error:
        raise ValueError from None
    return rule


def table(**keys: Key) -> Key:
    """A small table on one line; every key in it is optional."""
    allowed = "{ " + ", ".join(f"{name} = {key.allowed}" for name, key in keys.items()) + " }"

    def read(found: Any) -> Mapping[str, object]:
        if not isinstance(found, dict) or not found.keys() <= keys.keys():
            raise ValueError
        fields: dict[str, object] = {}
        for name, value in found.items():
            fields |= keys[name].read(value)
        return fields

    return Key(allowed, read)


def absent(what: str, *, accepted: object = None) -> Key:
    """A key that this release does not act on: refused, unless it asks for what happens anyway."""

    def read(found: Any) -> Mapping[str, object]:
        if accepted is None or found != accepted:
            raise ValueError
        return {}

    return Key("nothing; leave the key out" if accepted is None else f'"{accepted}"', read, missing=what)
