"""A TCP proxy that is as far away as it is told: what passes through keeps its order and comes half a round trip late.

A browser's own emulation of latency delays the head of an answer and not what else is on the way; this delays every
segment in both directions, and a new connection by a whole round trip, as its handshake would.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def distant(port: int, *, round_trip_seconds: float) -> Iterator[int]:
    """The port of the proxy before ``port`` of this machine."""
    loop = asyncio.new_event_loop()
    proxy = _Proxy(port, half=round_trip_seconds / 2)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(proxy.listen(), loop).result(10)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


class _Proxy:
    def __init__(self, port: int, *, half: float) -> None:
        self._port, self._half = port, half

    async def listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._meet, "127.0.0.1", 0)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.close()
            return
        there = self._carry(reader, far_writer, first=2 * self._half)
        back = self._carry(far_reader, writer, first=0.0)
        await asyncio.gather(there, back)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, first: float) -> None:
        """All bytes in order, each at the moment at which it would arrive."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        clock = asyncio.get_running_loop()

        async def arrive() -> None:
            while True:
                due, content = await under_way.get()
                await asyncio.sleep(due - clock.time())
                if not content:
                    break
                writer.write(content)
                await writer.drain()
            writer.close()

        arrival = asyncio.create_task(arrive())
        earliest = clock.time() + first
        try:
            while content := await reader.read(65_536):
                under_way.put_nowait((max(clock.time(), earliest) + self._half, content))
        except OSError:
            pass
        under_way.put_nowait((clock.time() + self._half, b""))
        await asyncio.gather(arrival, return_exceptions=True)
