"""What every way of showing a sample must do: run it over your own before you install it.

::

    class TestWaveform(ViewContract):
        signature = Signature(input="text", labels=("noise", "speech"))
        rows = ("one", "another")

        def make(self) -> View:
            return WAVEFORM
"""

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from loopline.ports.view import Shown, Usual, View
from loopline.records.signature import Row, Signature

ADDRESS = "/api/tasks/0a1b2c/input"
ODD = (b"", b"null", b"{", b'"half', b"[1.0", b"\xff\xfe\x00", b"[[[[" * 500, b'"' + b"x" * 70_000 + b'"')
"""Bytes that a log may hold after all that can happen to one."""


class ViewContract:
    """Subclass it, name rows that it shows, and run it with pytest."""

    signature: Signature
    """Of a loop that shows samples so."""
    rows: Sequence[Row]
    """Two or more different ones."""

    def make(self) -> View:
        """The view."""
        raise NotImplementedError

    def shown(self, inputs: bytes, *, usual: Sequence[Usual] = ()) -> Shown:
        """What the page gets."""
        return self.make().shown(inputs, signature=self.signature, usual=usual, address=ADDRESS)

    def test_it_is_an_object_of_json_with_a_kind(self) -> None:
        """Read back from JSON it is the same, so that nothing is lost on the way to the page."""
        for row in self.rows:
            shown = self.shown(self.signature.encode(row))
            assert isinstance(shown["kind"], str)
            assert shown["kind"]
            assert msgspec.json.decode(msgspec.json.encode(shown)) == msgspec.to_builtins(dict(shown))

    def test_the_same_sample_is_always_shown_alike(self) -> None:
        """Keys in the same order too: what is shown depends on the sample alone."""
        for row in self.rows:
            inputs = self.signature.encode(row)
            assert msgspec.json.encode(self.shown(inputs)) == msgspec.json.encode(self.shown(inputs))

    def test_samples_of_one_kind_have_the_same_keys_in_the_same_order(self) -> None:
        """A sample cannot stand out by the form of what draws it."""
        keys: dict[object, list[str]] = {}
        for row in self.rows:
            shown = self.shown(self.signature.encode(row))
            assert keys.setdefault(shown["kind"], list(shown)) == list(shown)

    def test_odd_bytes_are_shown_as_something_and_never_raise(self) -> None:
        """A person reads that the sample cannot be shown, and passes it on."""
        for inputs in ODD:
            shown = self.shown(inputs)
            assert isinstance(shown["kind"], str)
            msgspec.json.encode(shown)

    def test_usual_ranges_that_do_not_fit_are_no_error(self) -> None:
        """There may be none, or of another number of features."""
        inputs = self.signature.encode(self.rows[0])
        for usual in ((), (Usual("a", 0.0, 1.0),), tuple(Usual(str(n), 0.0, 1.0) for n in range(99))):
            msgspec.json.encode(self.shown(inputs, usual=usual))

    def test_a_script_is_a_module_that_draws(self) -> None:
        """A whole path, so that it is found wherever the server was started; empty: the page itself draws it."""
        if script := self.make().script:
            assert Path(script).is_absolute()
            assert re.search(r"\bexport\b[^;]*\bdraw\b", Path(script).read_text(encoding="utf-8"))
