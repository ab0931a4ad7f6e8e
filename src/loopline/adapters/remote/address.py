"""Which addresses a model may be asked at."""

import ipaddress
import re
import socket
from urllib.parse import urlsplit

from loopline.errors import InvalidRecord, Unavailable

PATH = re.compile(r"(?P<root>/.*)?/v2/models/(?P<model>[^/]+)(/versions/[^/]+)?")
METADATA = frozenset(map(ipaddress.ip_address, ("100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254")))
"""Where clouds hand out credentials, beside the link-local addresses."""


def checked(url: str) -> str:
    """The address without a trailing slash, when a model may be asked at it.

    Private and loopback addresses may be: only the owner names addresses, in ``loop.toml`` or on the command line.
    Raises InvalidRecord for another form, and for one that leads to a cloud's metadata or to no single machine;
    Unavailable when its name cannot be resolved.

    >>> checked("http://127.0.0.1:8080/v2/models/mood/")
    'http://127.0.0.1:8080/v2/models/mood'
    """
    plain = url.rstrip("/")
    try:
        parts = urlsplit(plain)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise InvalidRecord("model server", found=f"{url!r} ({error})", expected=_FORM) from error
    is_form = parts.scheme in ("http", "https") and host and PATH.fullmatch(parts.path)
    if not is_form or parts.username is not None or parts.query or parts.fragment:
        raise InvalidRecord("model server", found=repr(url), expected=_FORM)
    for found in _resolved(host, port or (443 if parts.scheme == "https" else 80)):
        if found.is_link_local or found.is_multicast or found.is_unspecified or found in METADATA:
            expected = "the address of a machine that serves models"
            raise InvalidRecord("model server", found=f"{host}, which is {found}", expected=expected)
    return plain


_FORM = "http://host:port/v2/models/name, or .../versions/version, without user, query and fragment"


def root_of(url: str) -> str:
    """The address of the server's own metadata.

    >>> root_of("http://h:8080/v2/models/mood/versions/3")
    'http://h:8080/v2'
    """
    return url[: url.rindex("/v2/models/")] + "/v2"


def _resolved(host: str, port: int) -> set[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        remedy = "check the name, and that this machine can resolve it"
        raise Unavailable(f"model server {host}", reason=str(error), remedy=remedy) from error
    plain = {ipaddress.ip_address(str(address[0]).partition("%")[0]) for *_, address in found}
    return {getattr(one, "ipv4_mapped", None) or one for one in plain}
