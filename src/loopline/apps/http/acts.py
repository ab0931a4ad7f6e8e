"""Which requests are acts that go on record, and how they are written before they are answered."""

import asyncio
import re
from collections.abc import Callable, MutableMapping
from typing import Any, Final

from loopline.apps.auditing import Scribe
from loopline.apps.http.admission import lies_under, need_of, routed
from loopline.apps.http.caller import CALLER, NOBODY, SUBJECT
from loopline.apps.http.identity import SAFE_METHODS

ANSWERS: Final = ("/api/claim", "/api/hold", "/api/annotations", "/api/skip", "/api/undo")
"""On record in the tables of people's work, with name and time."""
SIGNING: Final = ("/sign-in", "/sign-out")
"""These write acts of their own."""
LOOKED_AT: Final = re.compile(r"/api/reserve|/(.*/)?export(/.*)?")
"""What goes on record although it only reads: numbers of the reserve, and whatever is carried out of the house."""
TYPED: Final = re.compile(r":\w+}")
UNANSWERED: Final = "not answered"
Send = Callable[[Any], Any]
Scope = MutableMapping[str, Any]


def is_act(method: str, path: str) -> bool:
    """Whether this request goes on record.

    >>> is_act("POST", "/api/users"), is_act("GET", "/api/users"), is_act("POST", "/api/claim")
    (True, False, False)
    >>> is_act("GET", "/api/reserve"), is_act("GET", "/api/tasks/export"), is_act("POST", "/v2/models/m/infer")
    (True, True, False)
    >>> is_act("GET", "//api//reserve")
    True
    """
    if lies_under(path, "/v1", "/v2"):
        return method not in SAFE_METHODS and need_of(method, path) == "control"
    path = routed(path)
    if method in SAFE_METHODS:
        return LOOKED_AT.fullmatch(path) is not None
    return path not in ANSWERS and not lies_under(path, *SIGNING)


class Recorded:
    """Passes an answer on once its act is written."""

    def __init__(self, scope: Scope, send: Send, *, scribe: Scribe, address: str) -> None:
        self._scope, self._send, self._scribe, self._address = scope, send, scribe, address
        self._is_written = False

    async def __call__(self, message: Any) -> None:
        """Write the act when the answer begins, then send it on."""
        if message["type"] == "http.response.start":
            await self.write(str(message["status"]))
        await self._send(message)

    async def write(self, outcome: str = UNANSWERED) -> None:
        """Write the act, unless that was done."""
        if self._is_written:
            return
        self._is_written = True
        scope, caller = self._scope, self._scope.get(CALLER, NOBODY)
        template = str(scope.get("path_template") or scope["path"])
        named = scope.get(SUBJECT) or "/".join(str(part).strip("/") for part in scope.get("path_params", {}).values())
        act = f"{scope['method']} {TYPED.sub('}', template)}"
        await asyncio.to_thread(
            self._scribe.note, act, actor=caller.name, subject=str(named), outcome=outcome, address=self._address
        )
