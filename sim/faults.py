"""A TCP proxy that stands for a bad network, and counts what passes.

Faults apply to connections that are open as well as to new ones, from the moment they are set.
TCP hides a lost packet: what is seen of it is the time until it is sent again, and, when that
fails for long, a connection that breaks. So is `loss`.
"""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from sim.errors import SimError
from sim.records import Records

T = TypeVar("T")

_PIECE = 4096
_LOOK_S = 0.01
_NO_LINGER = struct.pack("ii", 1, 0)  # a close is then a reset (socket(7), SO_LINGER)
_START_S = 10.0
_KEPT = 1000  # connections whose traffic is remembered one by one
_RESEND_S = 0.2  # Linux' least time until TCP sends again (RFC 6298, section 2.4 has 1 s)
_BREAKS = 0.05  # the share of lost pieces that were lost for good


@dataclass
class Traffic:
    """One connection: bytes towards the server (`up`) and towards the client (`down`)."""

    up: int = 0
    down: int = 0
    open: bool = True


@dataclass
class Faults:
    """What the network does to connections; every field may be changed at any time."""

    delay_s: float = 0.0
    """Each piece of data travels this long."""
    bytes_per_s: float | None = None
    """Each direction of each connection carries no more than this."""
    black_hole: bool = False
    """Connections open, but nothing passes and nobody hears of it."""
    refuse: bool = False
    """New connections are reset."""
    cut_after: int | None = None
    """A connection is reset after this many bytes towards the client."""
    loss: float = 0.0
    """Each piece of data is lost with this probability, and comes later or not at all."""
    lose_answers: int = 0
    """So many answers of TLS 1.2 servers are lost with their connection, counted down …"""
    lose_over: int = 0
    """… but only answers to requests of more than so many bytes of TLS records."""


class _Link:
    """One open connection: both writers, to be ended together."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.traffic = Traffic()
        self.writers = [writer]
        self.up, self.down = Records(), Records()
        self.asked = 0

    def reset(self) -> None:
        """End it so that both ends get an error (RST)."""
        for writer in self.writers:
            end: socket.socket | None = writer.get_extra_info("socket")
            if end is not None and end.fileno() >= 0:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            writer.transport.abort()
        self.traffic.open = False

    def end(self) -> None:
        """End it in order."""
        for writer in self.writers:
            writer.close()
        self.traffic.open = False


class Proxy:
    """Forwards `host`:`port` to `target`, in a thread of its own."""

    def __init__(
        self, target: tuple[str, int], *, host: str = "127.0.0.1", port: int = 0, seed: int = 0
    ) -> None:
        self.target = target
        self.host = host
        self.faults = Faults()
        self.connections: deque[Traffic] = deque(maxlen=_KEPT)
        self.up = 0
        """Bytes towards the server, of all connections."""
        self.down = 0
        """Bytes towards the clients, of all connections."""
        self._chance = random.Random(seed)  # noqa: S311 - bad luck, not secrets
        self._links: set[_Link] = set()
        self._wanted_port = port
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="sim-proxy", daemon=True)
        self._thread.start()
        if not self._ready.wait(_START_S) or self._failure:
            raise SimError(f"the proxy cannot listen: {self._failure or 'no answer'}")

    def cut(self) -> None:
        """Reset every open connection now."""
        self._call(self._cut_all())

    def close(self) -> None:
        """Close everything."""
        if self._thread.is_alive():
            self._call(self._cut_all())
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(_START_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_START_S)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        try:
            server = await asyncio.start_server(self._accept, self.host, self._wanted_port)
        except OSError as error:
            self._failure = error
            self._ready.set()
            return
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()

    async def _cut_all(self) -> None:
        for link in list(self._links):
            link.reset()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(writer)
        self.connections.append(link.traffic)
        self._links.add(link)
        try:
            if self.faults.refuse:
                raise ConnectionRefusedError  # as when the server is not there
            far_reader, far_writer = await asyncio.open_connection(*self.target)
            link.writers.append(far_writer)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, far_writer, link, "up"))
                group.create_task(self._pump(far_reader, writer, link, "down"))
            link.end()
        except* OSError:  # one side is gone: so is the other
            link.reset()
        finally:
            self._links.discard(link)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        link: _Link,
        way: str,
    ) -> None:
        while data := await reader.read(_PIECE):
            await self._travel(len(data))
            if self._loses(data, link, way):
                link.reset()
                raise ConnectionResetError("the answer is lost")
            data, cut = self._share(data, link, way)
            setattr(link.traffic, way, getattr(link.traffic, way) + len(data))
            setattr(self, way, getattr(self, way) + len(data))
            writer.write(data)
            await writer.drain()
            if cut:
                link.reset()
                raise ConnectionResetError("cut")
        with contextlib.suppress(OSError):
            writer.write_eof()

    async def _travel(self, size: int) -> None:
        """Take the time that `size` bytes take; ConnectionResetError when they never arrive."""
        while self.faults.black_hole:  # noqa: ASYNC110 - a plain field, set from any thread
            await asyncio.sleep(_LOOK_S)
        await asyncio.sleep(self.faults.delay_s)
        if self.faults.bytes_per_s:
            await asyncio.sleep(size / self.faults.bytes_per_s)
        wait_s = _RESEND_S
        while self._chance.random() < self.faults.loss:
            if self._chance.random() < _BREAKS:
                raise ConnectionResetError("lost for good")
            await asyncio.sleep(wait_s)
            wait_s *= 2

    def _loses(self, data: bytes, link: _Link, way: str) -> bool:
        """Say whether `data` begins an answer that is to be lost."""
        said = (link.up if way == "up" else link.down).application(data)
        if way == "up":
            link.asked += said
            return False
        asked = link.asked
        if said:
            link.asked = 0
        if not said or not self.faults.lose_answers or asked <= self.faults.lose_over:
            return False
        self.faults.lose_answers -= 1
        return True

    def _share(self, data: bytes, link: _Link, way: str) -> tuple[bytes, bool]:
        """Return what of `data` still passes, and whether the connection is cut behind it."""
        limit = self.faults.cut_after
        if limit is None or way == "up":
            return data, False
        left = max(0, limit - link.traffic.down)
        return data[:left], len(data) >= left
