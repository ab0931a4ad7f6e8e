"""One batch of lines to the server, and what it said about them."""

from __future__ import annotations

import gzip
import http.client
import json
import urllib.parse
from typing import Any, NamedTuple, Sequence

LONGEST_ANSWER = 4 << 20
SLOWEST_RETRY_SECONDS = 60.0


class Answer(NamedTuple):
    """What became of a batch."""

    is_settled: bool
    """Whether the server has said of each line that it is stored or unusable."""
    refused: int = 0
    """Lines that it calls unusable."""
    is_too_much: bool = False
    """Whether smaller parts may succeed."""
    after: float = 0.0
    """Seconds for which it asks not to be asked; 0: it names none."""
    trouble: str = ""


class Door:
    """A connection that is kept while it works.

    ``url``: ``http://host:8686``, with a path in front of ``/v1`` if there is one.
    """

    def __init__(self, url: str, *, loop: str, token: str, timeout: float) -> None:
        self._url, self._timeout = url, timeout
        self._headers = {
            "content-type": "application/x-ndjson",
            "content-encoding": "gzip",
            "loopline-loop": loop,
            "user-agent": "loopline-client",
        }
        if token:
            self._headers["authorization"] = "Bearer " + token
        self._connection: http.client.HTTPConnection | None = None

    def post(self, path: str, lines: Sequence[bytes]) -> Answer:
        """Send the lines. Raises nothing: what goes wrong on the way is an answer that settles nothing."""
        try:
            status, after, body = self._exchange(path, gzip.compress(b"\n".join(lines), 1))
        except Exception as error:
            self.close()
            return Answer(False, trouble=f"{self._url}: {type(error).__name__}: {error}")
        return understood(status, body, lines=len(lines), after=after)

    def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _exchange(self, path: str, body: bytes) -> tuple[int, str, bytes]:
        where = urllib.parse.urlsplit(self._url)
        if self._connection is None:
            if where.scheme not in ("http", "https") or not where.hostname:
                raise ValueError(f"url: {self._url!r}, expected http://host:port")
            kind = http.client.HTTPSConnection if where.scheme == "https" else http.client.HTTPConnection
            self._connection = kind(where.hostname, where.port, timeout=self._timeout)
        self._connection.request("POST", where.path.rstrip("/") + path, body=body, headers=self._headers)
        response = self._connection.getresponse()
        content = response.read(LONGEST_ANSWER)
        if response.will_close or not response.isclosed():
            self.close()
        return response.status, response.headers.get("retry-after", ""), content


def understood(status: int, body: bytes, *, lines: int, after: str = "") -> Answer:
    """What an answer of the server says about so many lines.

    >>> understood(200, b'{"accepted": 2}', lines=2)
    Answer(is_settled=True, refused=0, is_too_much=False, after=0.0, trouble='')
    >>> understood(503, b'{"error": "no room"}', lines=2, after="3").after
    3.0
    """
    said = _read(body)
    bad = said.get("bad", 0)
    if status in (200, 207) or (status == 400 and bad):
        if not isinstance(bad, int) or said.get("accepted") != lines - bad:
            return Answer(False, trouble=f"the server took {said.get('accepted')!r} of {lines} lines")
        return Answer(True, refused=bad, trouble=_first_error(said))
    trouble = f"the server answered {status}: {str(said.get('error', ''))[:500]}"
    if status in (400, 413, 422):
        return Answer(lines == 1, refused=1, is_too_much=lines > 1, trouble=trouble)
    return Answer(False, after=_seconds(after), trouble=trouble)


def _read(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _first_error(said: dict[str, Any]) -> str:
    errors = said.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else {}
    return str(first.get("error", ""))[:500] if isinstance(first, dict) else ""


def _seconds(after: str) -> float:
    try:
        return min(max(float(after), 0.0), SLOWEST_RETRY_SECONDS)
    except ValueError:
        return 0.0
