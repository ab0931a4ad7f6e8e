"""Ways of showing a sample: the built-in ones, and those of the entry point group ``loopline.views``.

An entry point's name is what ``[annotate] view`` says, and it points to a ``loopline.ports.view.View`` or to a class of
which one is made without arguments::

    [project.entry-points."loopline.views"]
    "waveform" = "mine:WAVEFORM"

Where it raises, or gives what JSON cannot hold, the person reads a text that says so, and can pass the task on. Its
script is read once, and served under an address that changes with its content.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from blake3 import blake3

from loopline.adapters.views.automatic import BY_INPUT, VIEWS
from loopline.apps.installed import Group, entries, loaded
from loopline.errors import NotFound, Unavailable
from loopline.ports.view import Shown, Usual, View
from loopline.records.signature import InputKind, Signature

GROUP: Final = Group("loopline.views", "view", ("script", "shown"))
AUTO: Final = "auto"
SCRIPTS: Final = "/static/views/"
"""Where scripts are served, each by the name of its view: to anybody, as the page's own are."""
NAMES: Final = frozenset({*VIEWS, AUTO})
log = logging.getLogger("loopline.views")


def known() -> tuple[str, ...]:
    """The names that ``loop.toml`` may use, sorted. Imports nothing."""
    return tuple(sorted({*NAMES, *entries(GROUP, built_in=NAMES)}))


def resolved(name: str, *, kind: InputKind) -> View:
    """The view of this name; ``auto``: the one that this kind of input calls for.

    Raises NotFound, which lists the known ones; Unavailable when it cannot be imported; InvalidRecord when it is none.
    """
    if name in NAMES:
        return VIEWS[BY_INPUT[kind] if name == AUTO else name]
    installed = entries(GROUP, built_in=NAMES)
    if name not in installed:
        raise NotFound("view", name, known=known())
    return Guarded(name, loaded(GROUP, installed[name]))


class Guarded:
    """A view from elsewhere: where it fails, a text says so; what it shows says which script draws it."""

    def __init__(self, name: str, view: View) -> None:
        self._name, self._view, self.drawing = name, view, b""
        if view.script:
            try:
                self.drawing = Path(view.script).read_bytes()
            except OSError as error:
                reason, remedy = f"{view.script}: {error.strerror}", "mend it, or choose another view"
                raise Unavailable(f"script of view {name}", reason=reason, remedy=remedy) from error
        digest = blake3(self.drawing).hexdigest(length=8)
        self.address = f"{SCRIPTS}{name}.js?{digest}" if self.drawing else ""

    @property
    def script(self) -> str:
        """The file that holds the ES module which draws it."""
        return self._view.script

    def shown(self, inputs: bytes, *, signature: Signature, usual: Sequence[Usual], address: str) -> Shown:
        """What the page draws from, as JSON holds it."""
        try:
            found = self._view.shown(inputs, signature=signature, usual=usual, address=address)
            shown = msgspec.json.decode(msgspec.json.encode(found), type=dict[str, object])
            if not isinstance(shown.get("kind"), str):
                raise TypeError("what it shows has no kind")
        except Exception as error:
            log.error("view %s failed: %s", self._name, type(error).__name__)  # no more: it may quote a sealed sample
            return _failed(self._name, error)
        return {**shown, "script": self.address} if self.address else shown


def _failed(name: str, error: Exception) -> Mapping[str, object]:
    text = f"This sample cannot be shown: the view {name} failed ({type(error).__name__}). Pass it on."
    return {"kind": "text", "text": text}
