"""What the keys of ``[people]`` must be together."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import Any, Final

from loopline.apps.config.problems import Problem

TAKEN: Final = frozenset({
    "authorization", "cookie", "host", "origin", "forwarded", "x-forwarded-for", "x-forwarded-proto", "content-type",
    "content-length", "accept", "user-agent", "loopline-from", "loopline-key", "loopline-version", "sec-fetch-site",
})  # fmt: skip
"""Headers that say something else already."""


def doors(fields: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
    """A proxy that names people is somebody in particular, and names them in a header that says nothing else."""
    header, proxies = fields["people"].get("header", ""), fields["people"].get("proxies", ())
    if bool(header) != bool(proxies):
        found = "a header without proxies" if header else "proxies without a header"
        yield Problem("people.proxies", found=found, allowed="both, or neither")
    if header.lower() in TAKEN:
        allowed = "a header of its own, such as X-Forwarded-User"
        yield Problem("people.header", found=f'"{header}"', allowed=allowed)
    for network in proxies:
        if ip_network(network).prefixlen == 0:
            allowed = "the addresses of your proxies: whoever asks from them can be anybody"
            yield Problem("people.proxies", found=f'"{network}", which is everybody', allowed=allowed)
