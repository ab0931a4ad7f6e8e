"""How much people label, as it was measured."""

import msgspec


class Throughput(msgspec.Struct, frozen=True, kw_only=True):
    """What a loop's people did in the last weeks, all of them together."""

    people: int
    """Who gave an answer that stands."""
    days: int
    """Days from the first of these answers to now, the present one included."""
    labels_a_day: float | None
    """Labels of samples that a cycle chose, on a usual day on which anyone answered. None: on most such days they ran
    out of tasks, so that what they can do was not seen."""
