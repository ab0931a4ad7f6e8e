"""How numbers, moments and rows are spelled on a page: every number with its unit, every share with its n."""

from datetime import UTC, datetime

import msgspec

from loopline.records.rollout import TrafficSplit

NARROW = "\u202f"
"""A thin space that does not break: between a number and its unit."""
PLUS_MINUS = "\u00b1"
PHASES: dict[str, str] = {
    "open": "Opened",
    "selected": "Samples chosen",
    "published": "People are labelling",
    "labelled": "Labels derived",
    "cut": "Dataset cut",
    "training": "Training",
    "trained": "Challenger ready",
    "judged": "Judged",
    "rolling": "Rolling out",
    "closed": "Closed",
}
OUTCOMES: dict[str, str] = {
    "": "under way",
    "promoted": "promoted",
    "rejected": "rejected",
    "inconclusive": "inconclusive",
    "labelled": "labelled",
    "rolled_back": "rolled back",
    "failed": "failed",
    "pass": "pass",
    "fail": "fail",
    "raised": "raised",
    "cleared": "cleared",
    "active": "active",
    "paused": "paused",
    "shadow": "shadow",
    "canary": "canary",
}
"""What a badge says; its colour follows from the key."""
EVIDENCE: dict[str, str] = {"log_e": "Log evidence of more failures", "log_bar": "Rolled back at"}
"""Facts of a rollout whose stored name is a symbol."""
METRICS: dict[str, str] = {"accuracy": "Accuracy", "macro_f1": "Macro F1", "log_score": "Log score"}
"""What the gate compares by, as people call it."""
NATS = frozenset({"log_score"})
"""Metrics measured in nats; every other one is a share."""


def count(number: float) -> str:
    """A whole number with separators.

    >>> count(12345)
    '12,345'
    """
    return f"{number:,.0f}"


def percent(share: float) -> str:
    """A share in percent, one decimal.

    >>> percent(0.7734).replace(NARROW, " ")
    '77.3 %'
    """
    return f"{100 * share:.1f}{NARROW}%"


def measured(value: float, metric: str) -> str:
    """What a model reached in a metric, in the metric's unit.

    >>> measured(0.7734, "macro_f1").replace(NARROW, " "), measured(-0.4871, "log_score").replace(NARROW, " ")
    ('77.3 %', '\u22120.487 nats')
    """
    return f"{_minus(value)}{extent(abs(value), metric)}" if metric in NATS else percent(value)


def extent(size: float, metric: str) -> str:
    """How far two values of a metric lie apart: percentage points between shares, nats between logarithms.

    >>> extent(0.02, "accuracy").replace(NARROW, " "), extent(0.02, "log_score").replace(NARROW, " ")
    ('2.0 points', '0.020 nats')
    """
    return f"{size:.3f}{NARROW}nats" if metric in NATS else f"{100 * size:.1f}{NARROW}points"


def gap(difference: float, metric: str) -> str:
    """A difference of two values of a metric, with its sign.

    >>> gap(-0.042, "accuracy").replace(NARROW, " "), gap(0.042, "log_score").replace(NARROW, " ")
    ('\u22124.2 points', '+0.042 nats')
    """
    return f"{'+' if difference > 0 else _minus(difference) or PLUS_MINUS}{extent(abs(difference), metric)}"


def _minus(number: float) -> str:
    return "\u2212" if number < 0 else ""


def short(digest: str | None) -> str:
    """The first twelve digits of a digest; a dash for none."""
    return digest[:12] if digest else "\u2013"


def decimal(number: float) -> str:
    """A number of unknown size, four significant digits.

    >>> decimal(0.123456), decimal(12345.6)
    ('0.1235', '12,346')
    """
    return f"{number:,.0f}" if abs(number) >= 1_000 else f"{number:.4g}"


def duration(seconds: float) -> str:
    """A length of time in its two largest units.

    >>> [duration(s).replace(NARROW, " ") for s in (4.21, 75, 7_260, 180_000)]
    ['4.2 s', '1 min 15 s', '2 h 1 min', '2 d 2 h']
    """
    if seconds < 60:
        return f"{seconds:.1f}{NARROW}s"
    for size, unit, below, smaller in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            rest = int(seconds % size // below)
            return f"{int(seconds // size)}{NARROW}{unit}" + (f" {rest}{NARROW}{smaller}" if rest else "")
    raise AssertionError("unreachable")


def moment(at: datetime) -> str:
    """Date and time in UTC.

    >>> moment(datetime(2026, 1, 5, 9, 0, tzinfo=UTC))
    '2026-01-05 09:00:00 UTC'
    """
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def shown(inputs: bytes) -> str:
    """One row, readable: the text itself, or its numbers.

    >>> shown(b'"so good"'), shown(b"[1.0,2.5]")
    ('so good', '1, 2.5')
    """
    row: object = msgspec.json.decode(inputs)
    return (
        row
        if isinstance(row, str)
        else ", ".join(f"{value:g}" for value in row if isinstance(value, float | int))
        if (isinstance(row, list))
        else str(row)
    )


def evidence(name: str) -> str:
    """A stored fact of a rollout as people call it.

    >>> evidence("canary_answers"), evidence("log_bar")
    ('Canary answers', 'Rolled back at')
    """
    return EVIDENCE.get(name) or name.replace("_", " ").capitalize()


def first_line(text: str) -> str:
    r"""The first line of a reason; the rest may be a whole log.

    >>> first_line("no rows\nTraceback ..."), first_line("")
    ('no rows', '')
    """
    return text.strip().partition("\n")[0].rstrip()


def sentence(text: str) -> str:
    """The text's first line as a sentence: a capital first, unless it begins with code or a name, and a full stop.

    >>> sentence("margin fell"), sentence("v2 passed"), sentence("train.py:train raised"), sentence("Why?")
    ('Margin fell.', 'v2 passed.', 'train.py:train raised.', 'Why?')
    """
    line = first_line(text)
    first = line.split(" ", 1)[0].rstrip(".:,;!?")
    is_code = any(letter.isdigit() or letter in "._:/" for letter in first)
    begun = line if is_code else line[:1].upper() + line[1:]
    return begun if begun[-1:] in (".", "!", "?", "") else f"{begun}."


def shares(split: TrafficSplit | None) -> tuple[tuple[str, float, str], ...]:
    """Who answers: (version, share in [0, 1], role), the incumbent first, versions without traffic last.

    >>> from loopline.records.ids import LoopName, VersionName
    >>> v1, v2 = VersionName("v1"), VersionName("v2")
    >>> shares(TrafficSplit(loop=LoopName("s"), revision=2, incumbent=v1, challenger=v2, basis_points=1_000))
    (('v1', 0.9, 'live'), ('v2', 0.1, 'canary'))
    """
    if split is None:
        return ()
    part = split.basis_points / 10_000 if split.challenger else 0.0
    rows: list[tuple[str, float, str]] = [(split.incumbent, 1.0 - part, "live")]
    if split.challenger:
        rows.append((split.challenger, part, "canary" if part else "shadow" if split.shadow else "waiting"))
    named = {version for version, _, _ in rows}
    return (*rows, *((version, 0.0, "kept warm") for version in split.keep if version not in named))
