"""Work on many pieces by Daft: its own threads, or the machines of a Ray cluster.

Daft and Ray tell their makers how they are used unless they are asked not to; they are asked not to.
"""

import os
import pickle
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, TypeVar

from loopline.errors import Conflict, Unavailable

P = TypeVar("P")
R = TypeVar("R")
ROUND = 64
"""Pieces that Daft is given at once: so many results may wait in the cluster."""
BUFFER = 2
"""Results that wait in this process."""
OWN = "ray"
"""The address of a cluster that is started here, and ends with this process."""
QUIET = {
    "DO_NOT_TRACK": "1",
    "DAFT_ANALYTICS_ENABLED": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "DAFT_PROGRESS_BAR": "0",
}


class DaftFleet:
    """Daft as a fleet. ``address``: empty for threads; ``ray`` for a cluster of its own; ``ray://HOST:PORT`` of one.

    Daft has one runner a process, so all fleets of a process have one address. The machines of a cluster need Loopline
    installed, and what the object store needs: the folder under the same path, or the bucket's credentials.
    """

    def __init__(self, address: str = "") -> None:
        self._address = address

    def map(self, work: Callable[[P], R], pieces: Sequence[P]) -> Iterator[R]:
        """What ``work`` makes of each piece, in order; of those given together some may be begun in vain.

        Raises Unavailable without Daft, or without the cluster; Conflict when Daft already runs elsewhere in this
        process.
        """
        daft = _ready(self._address)
        packed = pickle.dumps(work)

        # Defined here, so that it travels by value together with the work.
        def each(column: Any) -> list[bytes]:
            return [done(packed, piece) for piece in column.to_pylist()]

        run = daft.func.batch(return_dtype=daft.DataType.binary(), batch_size=1, use_process=False)(each)
        for start in range(0, len(pieces), ROUND):
            batch = [pickle.dumps(piece) for piece in pieces[start : start + ROUND]]
            # Closed here and now: left to the garbage collector, a pass that ended early may be closed by a thread that
            # Daft then waits for.
            with closing(self._rows(daft, run, batch)) as rows:
                yield from _in_order(rows)

    def _rows(self, daft: Any, run: Any, batch: Sequence[bytes]) -> Generator[dict[str, Any], None, None]:
        """Place and result of each, as they come. Raises Unavailable when the cluster is lost on the way."""
        try:
            frame = daft.from_pydict({"place": list(range(len(batch))), "piece": batch})
            if self._address:
                frame = frame.into_partitions(len(batch))
            frame = frame.select(frame["place"], run(frame["piece"]).alias("result"))
            with closing(frame.iter_rows(results_buffer_size=BUFFER)) as rows:
                yield from rows
        except ConnectionError as error:
            raise _lost(self._address) from error


def done(work: bytes, piece: bytes) -> bytes:
    """What packed work makes of a packed piece, packed: the result or the exception."""
    # A future keeps whatever is raised, for whoever asks.
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(lambda: pickle.loads(work)(pickle.loads(piece)))  # noqa: S301  packed by ``map``
        error = future.exception()
    if error is None:
        return pickle.dumps((None, future.result()))
    # Exceptions with arguments by name cannot be made again by calling their class.
    return pickle.dumps(((type(error), error.args, error.__dict__), None))


def _in_order(rows: Iterator[dict[str, Any]]) -> Iterator[Any]:
    """The results by place. Raises the first exception in its place."""
    early: dict[int, bytes] = {}
    expected = 0
    for row in rows:
        early[row["place"]] = row["result"]
        while expected in early:
            failure, result = pickle.loads(early.pop(expected))  # noqa: S301  packed by ``done``
            if failure:
                kind, arguments, fields = failure
                error = kind.__new__(kind, *arguments)
                error.args = arguments
                error.__dict__.update(fields)
                raise error
            yield result
            expected += 1


def _ready(address: str) -> Any:
    """Daft, with its runner set."""
    os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
    try:
        import daft
    except ModuleNotFoundError as error:
        extra = "loopline[ray]" if address else "loopline[daft]"
        raise Unavailable("launcher", reason="Daft is not installed", remedy=f"pip install '{extra}'") from error
    running = _STARTED[0] if _STARTED else None
    if running not in (None, address):
        found = f"Daft on {running or 'threads'}"
        expected = f"Daft on {address or 'threads'}"
        raise Conflict("launcher", found=found, expected=expected, remedy="start another process for it")
    if running is None:
        _start(daft, address)
        _STARTED.append(address)
    elif address:
        _require_ray(address)
    return daft


_STARTED: list[str] = []
"""The address that Daft was started with in this process: it takes no other."""


def _require_ray(address: str) -> None:
    """Raises Unavailable when the cluster was lost: asked anyway, Daft would begin another on this machine."""
    import ray

    if not ray.is_initialized():
        raise _lost(address)


def _lost(address: str) -> Unavailable:
    # What Daft left in a cluster it does not make again, even after Ray has found its way back.
    reason = f"the Ray cluster at {address} was lost"
    return Unavailable("launcher", reason=reason, remedy="see that it runs, then start this program again")


def _start(daft: Any, address: str) -> None:
    if not address:
        daft.set_runner_native()
        return
    try:
        import ray
    except ModuleNotFoundError as error:
        raise Unavailable("launcher", reason="Ray is not installed", remedy="pip install 'loopline[ray]'") from error
    try:
        if not ray.is_initialized():
            ray.init(None if address == OWN else address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, TimeoutError) as error:
        reason = f"the Ray cluster at {address} does not answer ({str(error).partition(chr(10))[0]})"
        remedy = "check the address, that it runs, and RAY_AUTH_MODE with its token"
        raise Unavailable("launcher", reason=reason, remedy=remedy) from error
    daft.set_runner_ray(noop_if_initialized=True)
