"""The error families: each takes the datum and builds the sentence a person needs.

::

    LooplineError
    |-- InvalidRecord   (ValueError)    what came in breaks a rule; mend it and send it again
    |   `-- Unreadable                  a row is not what it claims to be: no fault of the model that was asked
    |-- NotFound        (LookupError)   no such thing; the message names what is known
    |-- Conflict                        it clashes with what is already stored; look, then decide
    `-- Unavailable                     a part does not answer; nothing is lost, try again
        `-- Busy                        it has too much to do now; try again after so many seconds

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


class Unreadable(InvalidRecord):
    """A row is not what it claims to be, such as an image that is none: the fault is not the model's.

    >>> str(Unreadable("image 0", found="a PDF", expected="a PNG file"))
    'image 0: a PDF, expected a PNG file'
    """


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


class Busy(Unavailable):
    """A part has more to do than it takes on; after ``seconds`` it is worth asking again.

    >>> str(Busy("model", reason="400 requests wait", seconds=1))
    'model: 400 requests wait; try again in 1 s'
    """

    def __init__(self, thing: str, *, reason: str, seconds: int, is_callers: bool = False) -> None:
        self.seconds, self.is_callers = seconds, is_callers
        """``is_callers``: this caller asks too often; else everybody does."""
        super().__init__(thing, reason=reason, remedy=f"try again in {seconds} s")
