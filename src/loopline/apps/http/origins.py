"""Where a request comes from: its address, whether it was encrypted, and whom a proxy that we trust says it is from.

Only the peer at the other end of the connection is believed to be a proxy, never what a header says of one.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any, Final

from loopline.apps.people import user_name
from loopline.errors import InvalidRecord
from loopline.records.settings import PeopleSettings

Headers = Iterable[tuple[bytes, bytes]]
LONGEST: Final = 256
"""Bytes of a name in a header."""


class Origins:
    """Reads ASGI scopes by the settings of people."""

    def __init__(self, settings: PeopleSettings) -> None:
        self._networks = tuple(ipaddress.ip_network(one) for one in settings.proxies)
        self._header = settings.header.lower().encode()

    def is_proxy(self, scope: Mapping[str, Any]) -> bool:
        """Whether the peer of this connection is a proxy that we trust."""
        return self._is_trusted(peer(scope))

    def address(self, scope: Mapping[str, Any]) -> str:
        """The address that asks: the peer's, or, behind proxies that we trust, the nearest that is none of them."""
        found = peer(scope)
        if not self._is_trusted(found):
            return found
        lines = [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"x-forwarded-for"]
        for hop in reversed([one.strip() for one in ",".join(lines).split(",")]):
            if not _is_address(hop):
                return found
            found = hop
            if not self._is_trusted(hop):
                return hop
        return found

    def is_secure(self, scope: Mapping[str, Any]) -> bool:
        """Whether the browser speaks https, to us or to a proxy that we trust."""
        if scope.get("scheme") == "https":
            return True
        said = [value for name, value in scope["headers"] if name.lower() == b"x-forwarded-proto"]
        return said == [b"https"] and self.is_proxy(scope)

    def introduced(self, scope: Mapping[str, Any]) -> str:
        """The name that a trusted proxy gives the person; empty when there is none, or nobody whom we believe.

        Raises InvalidRecord for a name that nobody can have, and for two names at once.
        """
        if not self._header or not self.is_proxy(scope):
            return ""
        said = [value for name, value in scope["headers"] if name.lower() == self._header]
        if not any(said):
            return ""
        thing = f"header {self._header.decode()}"
        if len(said) > 1:
            remedy = "let the proxy take away what a browser sends under this name"
            raise InvalidRecord(thing, found=f"{len(said)} of them", expected="one", remedy=remedy)
        try:
            return user_name(said[0][:LONGEST].decode())
        except UnicodeDecodeError:
            raise InvalidRecord(thing, found="bytes that are no UTF-8", expected="the name of a user") from None

    def _is_trusted(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
            found = found.ipv4_mapped
        return any(found in network for network in self._networks)


def peer(scope: Mapping[str, Any]) -> str:
    """The address at the other end of the connection; empty when it has none.

    >>> peer({"client": ("192.0.2.7", 4711)}), peer({})
    ('192.0.2.7', '')
    """
    client = scope.get("client")
    return str(client[0]) if client else ""


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
