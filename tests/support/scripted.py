"""A server that follows a script, and the node's HTTP client against it."""

import asyncio

import pytest

from ota.core import limits
from ota.device import http

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDate: Tue, 24 Nov 2026 07:00:00 GMT\r\n\r\nhello"


class Script:
    """A server that answers each request with the next piece of its script, whatever was asked.

    A piece is bytes, or a list of bytes and of strings: "close" ends the connection, "stall" says
    nothing more.
    """

    def __init__(self, *pieces, context=None):
        self.pieces = list(pieces)
        self.requests = []
        self.connections = 0
        self._context = context
        self._done = asyncio.Event()

    async def __aenter__(self):
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", 0, ssl=self._context, ssl_handshake_timeout=None
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._done.set()
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader, writer):
        self.connections += 1
        try:
            while self.pieces:
                head = await reader.readuntil(b"\r\n\r\n")
                length = 0
                for line in head.split(b"\r\n"):
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                self.requests.append(head + await reader.readexactly(length))
                piece = self.pieces.pop(0)
                for part in [piece] if isinstance(piece, bytes) else piece:
                    if part == "close":
                        return
                    if part == "stall":
                        await self._done.wait()
                        return
                    writer.write(part)
                    await writer.drain()
            await reader.read(1)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()


def run(scenario, *pieces, server=None, tls=None, name="lamppost.test"):
    """Run scenario(client, script) against a scripted server; `server`, `tls`: their contexts."""

    async def main():
        async with Script(*pieces, context=server) as script:
            client = http.Client("127.0.0.1", script.port, name, tls)
            try:
                return await scenario(client, script)
            finally:
                await client.close()

    return asyncio.run(main())


def refused(piece, error, **options):
    """Assert that an answer raises, and that the next exchange on a new connection is fine."""

    async def scenario(client, script):
        with pytest.raises(error) as caught:
            await client.request("GET", "/x", **options)
        assert (await client.request("GET", "/y")).body == b"hello"
        assert script.connections == 2
        return caught.value

    return run(scenario, piece, OK)


def head(*lines, body=b"", status=b"200 OK"):
    return b"HTTP/1.1 " + status + b"\r\n" + b"".join(x + b"\r\n" for x in lines) + b"\r\n" + body


def hurry(monkeypatch):
    monkeypatch.setattr(limits, "EXCHANGE_S", 0.2)
    monkeypatch.setattr(limits, "SLOWEST_BYTES_S", 1 << 20)
