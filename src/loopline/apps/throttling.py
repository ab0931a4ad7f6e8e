"""Guessing made slow: whoever fails to sign in again and again waits longer each time."""

import ipaddress
import math
from collections import OrderedDict
from threading import Lock
from typing import Final, NamedTuple

FREE: Final = 5
"""Failures that cost nothing."""
AT_A_NAME, AT_AN_ADDRESS = 30.0, 900.0
"""The longest wait in seconds: for a name, wherever it is tried from; and for an address."""
FORGOTTEN: Final = 3_600.0
"""Seconds after the last failure at which all of them are forgotten."""
KNOWN: Final = 86_400.0
"""Seconds for which an address stays known as one from which somebody signed in."""
REMEMBERED: Final = 20_000
"""Names and addresses that are remembered; of more, the oldest are forgotten."""
Mark = tuple[str, str, str]
"""What failures are counted of: a kind, a name, an address."""


class _Count(NamedTuple):
    failures: int
    at: float
    """Of the last one."""
    until: float
    """No attempt before this time."""


class Throttle:
    """Counts failed attempts by name and by address, in memory. Thread-safe.

    After five failures the next attempt waits 1 second, then 2, 4, 8 and so on. A name waits half a minute at most, so
    that nobody is kept out for long by what strangers try; and not at all for what they tried, at an address from which
    its person signed in within the day. An address waits up to a quarter of an hour.
    """

    def __init__(self) -> None:
        self._counts: OrderedDict[Mark, _Count] = OrderedDict()
        self._known: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._lock = Lock()

    def attempt(self, name: str, address: str, now: float) -> int:
        """0 to go on, or the seconds to wait. An attempt counts as failed until ``succeeded`` says otherwise.

        ``name``: in the one spelling under which it is looked up; ``now``: seconds of a clock that never goes back.
        """
        place = place_of(address)
        with self._lock:
            marks = self._marks(name, place, now)
            wait = max(self._count(mark, now).until - now for mark in marks)
            if wait > 0:
                return math.ceil(wait)
            for mark in marks:
                self._fail(mark, now)
        return 0

    def succeeded(self, name: str, address: str, now: float) -> None:
        """The attempt was right: it does not count, and what was counted of this name here is forgotten.

        What else failed at the address stays: who knows one password does not get more guesses at others.
        """
        place = place_of(address)
        with self._lock:
            by_name, by_address = self._marks(name, place, now)
            self._counts.pop(by_name, None)
            self._lower(by_address)
            self._known[name, place] = now
            self._known.move_to_end((name, place))
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)

    def take_back(self, name: str, address: str, now: float) -> None:
        """Nobody looked at the attempt: it does not count, and is no success either."""
        with self._lock:
            for mark in self._marks(name, place_of(address), now):
                self._lower(mark)

    def _marks(self, name: str, place: str, now: float) -> tuple[Mark, Mark]:
        is_known = now - self._known.get((name, place), -math.inf) < KNOWN
        return ("name", name, place if is_known else ""), ("address", "", place)

    def _count(self, mark: Mark, now: float) -> _Count:
        count = self._counts.get(mark)
        return count if count and now - count.at < FORGOTTEN else _Count(0, now, 0.0)

    def _fail(self, mark: Mark, now: float) -> None:
        failures = self._count(mark, now).failures + 1
        most = AT_A_NAME if mark[0] == "name" else AT_AN_ADDRESS
        wait = min(most, 2.0 ** min(failures - FREE, 30)) if failures >= FREE else 0.0
        self._counts[mark] = _Count(failures, now, now + wait)
        self._counts.move_to_end(mark)
        if len(self._counts) > REMEMBERED:
            self._counts.popitem(last=False)

    def _lower(self, mark: Mark) -> None:
        if count := self._counts.get(mark):
            self._counts[mark] = _Count(max(0, count.failures - 1), count.at, 0.0)


def place_of(address: str) -> str:
    """What counts as one place: an IPv4 address, or the 64 leading bits of an IPv6 one, which one household has.

    >>> place_of("192.0.2.7"), place_of("2001:db8::1:2"), place_of("::ffff:192.0.2.7"), place_of("?")
    ('192.0.2.7', '2001:db8::', '192.0.2.7', '?')
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.IPv6Address(int(found) >> 64 << 64))
    return str(found)
