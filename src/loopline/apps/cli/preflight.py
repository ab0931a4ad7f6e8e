"""What can be told before a server starts; each check raises one clear sentence."""

import ipaddress
import socket

from loopline.errors import Conflict, Unavailable


def loopback(host: str) -> None:
    """Raise unless only this machine can reach the address."""
    try:
        is_loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise Conflict(
            f"host {host}", found="reachable by others or unknown", expected="a loopback address such as 127.0.0.1"
        )


def free(host: str, port: int) -> None:
    """Raise unless the port can be bound."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = error.strerror or "cannot be bound"
            raise Unavailable(f"port {port} on {host}", reason=reason, remedy="choose another with --port") from error
