"""The real doors of a running loop, as the simulated world knocks on them: HTTP on one kept connection."""

import http.client
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from loopline.errors import Unavailable

PATIENCE_SECONDS = 0.25
"""Between two knocks on a door that does not open."""
SECONDS = 10.0
"""What one answer may take."""
REFUSALS = (400, 401, 403, 413, 422)
"""Statuses that asking again would not change; a 404 may be a model that is still being loaded."""


class Door:
    """Asks one server, one request at a time; a thread needs its own."""

    def __init__(self, url: str, *, token: str) -> None:
        address = urlsplit(url)
        self._line = http.client.HTTPConnection(address.hostname or "127.0.0.1", address.port, timeout=SECONDS)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def get(self, path: str) -> Any:
        """The decoded answer. Raises Unavailable when there is none, or when it is not a 200."""
        return self._ask("GET", path, b"")

    def post(self, path: str, document: Mapping[str, Any]) -> Any:
        """The decoded answer. Raises Unavailable when there is none, or when it is not a 2xx."""
        return self._ask("POST", path, json.dumps(document).encode())

    def close(self) -> None:
        """Let the connection go; the next request opens another."""
        self._line.close()

    def _ask(self, method: str, path: str, body: bytes) -> Any:
        try:
            self._line.request(method, path, body=body or None, headers=self._headers)
            reply = self._line.getresponse()
            content = reply.read()
        except (OSError, http.client.HTTPException) as error:
            self._line.close()
            raise Unavailable("server", reason=f"{type(error).__name__}: {error}") from error
        if not 200 <= reply.status < 300:
            said = content[:200].decode(errors="replace")
            if reply.status in REFUSALS:
                raise Refused(f"{method} {path}", reason=f"{reply.status}: {said}")
            raise Unavailable("server", reason=f"{method} {path}: {reply.status}: {said}")
        return json.loads(content) if content else None


class Refused(Unavailable):
    """The server is there and says no: asking again would not help."""


def token_of(folder: Path) -> str:
    """The token that a starting server leaves in its folder; empty until it has."""
    path = folder / ".loopline" / "token"
    return path.read_text().strip() if path.is_file() else ""


class Ending:
    """Knows when a child of the demo has to end: on the stop file, or when its parent is gone."""

    def __init__(self, folder: Path) -> None:
        self._stop = folder / "demo" / "stop"
        self._parent = os.getppid()

    def is_due(self) -> bool:
        """Whether to end now."""
        return self._stop.exists() or os.getppid() != self._parent

    def insist(self, ask: Callable[[], Any]) -> Any:
        """What ``ask`` gives, asked again while the server is away; None when it is time to end."""
        while not self.is_due():
            try:
                return ask()
            except Refused:
                raise
            except Unavailable:
                time.sleep(PATIENCE_SECONDS)
        return None

    def wait_for_token(self, folder: Path) -> str:
        """The token, as soon as there is one; empty when it is time to end."""
        while not self.is_due():
            if token := token_of(folder):
                return token
            time.sleep(PATIENCE_SECONDS)
        return ""
