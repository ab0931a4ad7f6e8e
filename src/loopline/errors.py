"""The error families: each takes the datum and builds the sentence a person needs.

::

    LooplineError
    |-- InvalidRecord   (ValueError)    what came in breaks a rule; mend it and send it again
    |-- NotFound        (LookupError)   no such thing; the message names what is known
    |-- Conflict                        it clashes with what is already stored; look, then decide
    `-- Unavailable                     a part does not answer; nothing is lost, try again

The core never speaks of HTTP: ``apps/http`` maps each family to one status, once.
"""


class LooplineError(Exception):
    """Anything Loopline raises on purpose."""


class InvalidRecord(LooplineError, ValueError):
    """A record breaks one of its own rules: ``thing: found ..., expected ...``.

    >>> str(InvalidRecord("prediction p17", found="probabilities sum to 0.93", expected="1"))
    'prediction p17: probabilities sum to 0.93, expected 1'
    """

    def __init__(self, thing: str, *, found: str, expected: str, remedy: str = "") -> None:
        self.thing, self.found, self.expected, self.remedy = thing, found, expected, remedy
        super().__init__(f"{thing}: {found}, expected {expected}" + (f"; {remedy}" if remedy else ""))


class NotFound(LooplineError, LookupError):
    """A named thing does not exist; the known ones are listed.

    >>> str(NotFound("strategy", "entropy", known=("entropy.v1", "margin.v1")))
    "no strategy 'entropy'; known: entropy.v1, margin.v1"
    """

    def __init__(self, kind: str, name: str, *, known: tuple[str, ...] = ()) -> None:
        self.kind, self.name, self.known = kind, name, known
        shown = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
        super().__init__(f"no {kind} {name!r}" + (f"; known: {shown}" if known else ""))


class Conflict(LooplineError):
    """What was asked clashes with what is stored; the message says what holds now.

    >>> str(Conflict("task t3", found="leased to ana", expected="free", remedy="wait for the lease to end"))
    'task t3: leased to ana, expected free; wait for the lease to end'
    """

    def __init__(self, thing: str, *, found: str, expected: str, remedy: str = "") -> None:
        self.thing, self.found, self.expected, self.remedy = thing, found, expected, remedy
        super().__init__(f"{thing}: {found}, expected {expected}" + (f"; {remedy}" if remedy else ""))


class Unavailable(LooplineError):
    """A part that we need does not answer now; asking again later is safe.

    >>> str(Unavailable("object store", reason="disk full", remedy="free some space"))
    'object store: disk full; free some space'
    """

    def __init__(self, thing: str, *, reason: str, remedy: str = "") -> None:
        self.thing, self.reason, self.remedy = thing, reason, remedy
        super().__init__(f"{thing}: {reason}" + (f"; {remedy}" if remedy else ""))
