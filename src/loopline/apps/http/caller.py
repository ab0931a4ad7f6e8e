"""Who asks: put beside a request by the door, read by the routes and by the pages."""

from contextvars import ContextVar
from typing import Any, Final, NamedTuple, cast

from litestar import Request
from litestar.exceptions import PermissionDeniedException

from loopline.apps.access import EVERYTHING, Need
from loopline.errors import InvalidRecord
from loopline.records.people import User

CALLER: Final = "loopline.caller"
"""Where the scope of a request holds its ``Caller``."""
SUBJECT: Final = "loopline.subject"
"""Where a route says what the request was about, for the audit log."""
LONGEST_NAME: Final = 64


class Caller(NamedTuple):
    """Who asks, and what is open to them."""

    name: str
    """For the record: a person's name, a key's id, ``token``, ``console``."""
    may: frozenset[Need]
    user: User | None = None
    """The person who signed in; None for the token and for keys."""


NOBODY: Final = Caller("", frozenset())
"""Who showed nothing that opens anything."""
TOKEN: Final = Caller(EVERYTHING.key, EVERYTHING.may)
"""Who showed the installation's own token."""
CONSOLE: Final = Caller("console", EVERYTHING.may)
"""The command line, which has the token and says so in the header ``FROM``."""
FROM: Final = b"loopline-from"
ASKING: Final[ContextVar[Caller]] = ContextVar("asking", default=NOBODY)
"""The caller of the request that is being answered, for what is far from it: the navigation of a page."""


def caller_of(request: Request[Any, Any, Any]) -> Caller:
    """Who asks; nobody, when the request did not come through the door."""
    caller = request.scope.get(CALLER)
    return caller if isinstance(caller, Caller) else NOBODY


def annotator_of(caller: Caller, given: str) -> str:
    """Whose answers these are: of whoever signed in, else of whom the body names.

    Raises PermissionDeniedException when somebody who signed in names another, InvalidRecord for what is no name.

    >>> annotator_of(TOKEN, "ana")
    'ana'
    """
    if caller.user is None:
        return named(given)
    if given not in ("", caller.user.name):
        found = f"annotator {given[:80]!r}"
        raise PermissionDeniedException(f"{found} named, expected {caller.user.name!r}, who signed in, or no name")
    return caller.user.name


def named(annotator: str) -> str:
    """The annotator's name, if it can be one. Raises InvalidRecord."""
    if not 1 <= len(annotator) <= LONGEST_NAME or not annotator.isprintable() or annotator != annotator.strip():
        found = f"{annotator[:80]!r} ({len(annotator)} characters)"
        expected = f"1 to {LONGEST_NAME} printable characters, no blank at either end"
        raise InvalidRecord("annotator", found=found, expected=expected)
    return annotator


def about(request: Request[Any, Any, Any], subject: str) -> None:
    """Say what a request is about where its path does not; the audit log tells it. Never a secret."""
    cast(dict[str, Any], request.scope)[SUBJECT] = subject
