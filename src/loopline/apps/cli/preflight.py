"""What can be told before a server starts; each check raises one clear sentence."""

import fcntl
import ipaddress
import os
import socket
import tempfile
from pathlib import Path

from loopline.errors import Conflict, Unavailable

FOLDER = ".loopline"
"""As ``apps.wiring`` calls it, without importing every library: the doctor also runs where one of them is missing."""


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


def running(root: Path) -> str:
    """Where the loop of this folder runs, in words; empty when nobody holds the folder."""
    try:
        lock = os.open(root / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # never started, or not ours to look at: the check of the folder tells which
        return ""
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        address = root / "address"
        return f"this loop runs at {address.read_text().strip()}" if address.is_file() else "this loop is starting"
    finally:
        os.close(lock)
    return ""


def writable(root: Path) -> None:
    """Raise unless files can be made in the folder, or in the one that will hold it. Leaves nothing behind."""
    try:
        target = root if root.exists() else root.parent
        with tempfile.TemporaryFile(dir=target):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise Unavailable(f"folder {root}", reason=reason, remedy="choose one that you may write to") from error
