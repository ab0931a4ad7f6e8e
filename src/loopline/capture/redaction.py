"""What must not be stored, taken out before anything is."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import re2  # type: ignore[import-untyped]
from blake3 import blake3

from loopline.errors import InvalidRecord
from loopline.records.settings import Redaction
from loopline.records.signature import Row

CONTEXT: Final = "loopline redaction v1"
FIELDS: Final = ("text", "group", "segment", "trace")
Change = Callable[[str], str]


class Redactor:
    """The rules, compiled. Expressions are RE2's: no text makes one of them take more than time linear in its length.

    A hash is BLAKE3 keyed with a key that only the ``secret`` gives: 32 hex digits, of a feature a number in [0, 1).
    Raises InvalidRecord, naming the rule, for an expression that RE2 does not know and a field that cannot be.

    >>> redactor = Redactor([Redaction(regex="[0-9]+", replace="#"), Redaction(field="1")], secret=b"key")
    >>> redactor.text("call 555 or 556"), redactor.row((1.0, 2.0))
    ('call # or #', (1.0, 0.0))
    """

    def __init__(self, rules: Sequence[Redaction], *, secret: bytes) -> None:
        self._key = blake3(secret, derive_key_context=CONTEXT).digest()
        changes: dict[str, list[Change]] = {field: [] for field in FIELDS}
        self._features: list[tuple[int, Redaction]] = []
        for number, rule in enumerate(rules, start=1):
            if rule.field in FIELDS:
                changes[rule.field].append(self._change(rule, thing=f"redaction rule {number}"))
            else:
                self._features.append(_feature(rule, thing=f"redaction rule {number}"))
        self._changes = {field: tuple(found) for field, found in changes.items()}
        self.is_idle = not rules

    def text(self, text: str) -> str:
        """What may be stored of a text row, or of a failure's message."""
        return self._applied("text", text)

    def trace(self, trace: str) -> str:
        """What may be stored of a trace id."""
        return self._applied("trace", trace)

    def group(self, group: str) -> str:
        """What may be stored of a group key that came with a request."""
        return self._applied("group", group)

    def segment(self, segment: str) -> str:
        """What may be stored of the segment that a request named."""
        return self._applied("segment", segment)

    def row(self, row: Row) -> Row:
        """What may be stored of an input; an image stays as it is."""
        if isinstance(row, str):
            return self.text(row)
        if isinstance(row, bytes) or not self._features:
            return row
        features = list(row)
        for number, rule in self._features:
            if number < len(features):
                features[number] = self._number(features[number], rule)
        return tuple(features)

    def own_group(self, group: str, *, row: Row) -> str:
        """What may be stored of a group that was derived from the row: where a rule touches such rows, a keyed hash."""
        is_touched = self._changes["text"] if isinstance(row, str) else self._features
        return self.hashed(group) if is_touched else group

    def hashed(self, text: str) -> str:
        """32 hex digits: equal texts have equal ones, and nobody without the secret can try out which text it was."""
        return blake3(text.encode("utf-8", "surrogatepass"), key=self._key).hexdigest(16)

    def _applied(self, field: str, text: str) -> str:
        if text:
            for change in self._changes[field]:
                text = change(text)
        return text

    def _number(self, value: float, rule: Redaction) -> float:
        if not rule.is_hashed:
            return float(rule.replace or 0)
        return (int(self.hashed(repr(value + 0.0)), 16) >> 75) / (1 << 53)

    def _change(self, rule: Redaction, *, thing: str) -> Change:
        if not rule.regex:
            return self.hashed if rule.is_hashed else lambda _: rule.replace
        pattern = _compiled(rule.regex, thing=thing)

        def replaced(found: Any) -> bytes:
            return (self.hashed(found.group().decode()) if rule.is_hashed else rule.replace).encode()

        # In bytes: the library would count the characters of a text anew for each match.
        return lambda text: pattern.sub(replaced, text.encode()).decode()


def _compiled(regex: str, *, thing: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(regex, options)
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
        remedy = "RE2 knows no look-around and no references back"
        raise InvalidRecord(
            thing, found=f"regex {regex!r} ({reason})", expected="one that RE2 reads", remedy=remedy
        ) from error


def _feature(rule: Redaction, *, thing: str) -> tuple[int, Redaction]:
    if not rule.field.isdecimal() or rule.regex:
        found = f"field {rule.field!r} with a regex" if rule.regex else f"field {rule.field!r}"
        expected = "text, group, segment, trace, or a feature's number without a regex"
        raise InvalidRecord(thing, found=found, expected=expected)
    try:
        float(rule.replace or 0)
    except ValueError:
        found = f"replace {rule.replace!r}"
        raise InvalidRecord(thing, found=found, expected="a number, for a feature") from None
    return int(rule.field), rule
