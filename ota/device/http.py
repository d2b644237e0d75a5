"""The node's one HTTP/1.1 client: one kept-alive TLS connection, one request at a time.

Speaks just what a node needs (RFC 9112): answers framed by Content-Length. Chunked coding,
content coding, redirects, interim answers and doubtful framing are refused, and so is every byte
beyond the caller's limit. A whole exchange stands under one deadline that grows with the bytes
allowed, so a trickle ends like silence does.

Runs on MicroPython and, for tests, on CPython: the streams differ in `readinto`.
"""

# ruff: noqa: A005 - never imported but as ota.device.http
import asyncio
import json

from ota.core import errors, limits

_HOSTED = not hasattr(asyncio.StreamReader, "readinto")
_KEPT = (b"date", b"retry-after", b"content-type", b"location")


def context(anchors: list[bytes], identity: tuple[bytes, bytes] | None) -> object:
    """Build the TLS context: anchors: CA certificates; identity: (certificate, key); all DER.

    The peer's chain, name and dates are always checked (PROTOCOL_TLS_CLIENT).
    """
    import tls

    made = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    for anchor in anchors:
        made.load_verify_locations(anchor)
    if identity:
        made.load_cert_chain(identity[0], identity[1])
    return made


class Response:
    """status: int; headers: date, retry-after, content-type, location, as far as sent; body."""

    def __init__(self, status: int, headers: dict[str, str], length: int) -> None:
        self.status = status
        self.headers = headers
        self.length = length
        self.body = b""

    def json(self) -> object:
        """Return what the body says as JSON; BadResponse for none, or more than the heap holds."""
        if self.body.count(b"[") + self.body.count(b"{") > limits.ANSWER_CONTAINERS:
            raise errors.BadResponse("too many objects")
        try:
            return json.loads(self.body)
        except (ValueError, RuntimeError):
            raise errors.BadResponse("not JSON")

    def refusal(self) -> errors.ServerError:
        """Give the error that tells this status, with the delay the server asks for."""
        after = self.headers.get("retry-after", "")
        return errors.ServerError(self.status, int(after) if after.isdigit() else 0)


class Client:
    """A connection to one server.

    address, port: where it listens; name: of its certificate, and the Host header; context: TLS,
    None for plain TCP; resolve: async callable host -> numeric address, None to leave it to the
    platform; buffer: of limits.BUFFER_BYTES or more, None for one of its own.
    """

    def __init__(
        self,
        address: str,
        port: int,
        name: str,
        context: object,
        resolve=None,  # noqa: ANN001 - a callable
        buffer: bytearray | None = None,
    ) -> None:
        self._address = address
        self._port = port
        self._name = name
        self._context = context
        self._resolve = resolve
        self._lock = asyncio.Lock()
        self._reader = self._writer = None
        self._view = memoryview(buffer or bytearray(limits.BUFFER_BYTES))[: limits.BUFFER_BYTES]
        self._start = self._end = 0
        self._closing = False

    async def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        content_type: str | None = None,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        limit: int = limits.ANSWER_BYTES,
    ) -> Response:
        """Send a request and read its answer whole, at most `limit` bytes; any status but 3xx.

        Raises NetworkError; the connection is then closed, the next request dials anew.
        """
        lines = ["%s %s HTTP/1.1" % (method, path), "Host: " + self._name]
        if body or method != "GET":
            lines.append("Content-Length: %d" % len(body))
        if content_type:
            lines.append("Content-Type: " + content_type)
        lines.extend(["%s: %s" % pair for pair in headers])
        return await self._exchange(lines, body, None, limit)

    async def download(self, path: str, sink, limit: int) -> int:  # noqa: ANN001 - a callable
        """GET a path into sink(memoryview of at most 1 KB), at most `limit` bytes; their number.

        Raises NetworkError, or ServerError when the status is not 200. What sink raises travels.
        """
        lines = ["GET %s HTTP/1.1" % path, "Host: " + self._name]
        response = await self._exchange(lines, b"", sink, limit)
        if response.status != 200:
            raise response.refusal()
        return response.length

    async def close(self) -> None:
        """Close the connection, if there is one."""
        writer, self._reader, self._writer = self._writer, None, None
        self._start = self._end = 0
        if writer:
            if _HOSTED:
                writer.transport.abort()  # do not wait for the peer's farewell
            writer.close()
            try:
                await writer.wait_closed()
            except OSError:
                pass  # it was broken already

    async def _exchange(self, lines: list[str], body: bytes, sink, limit: int) -> Response:  # noqa: ANN001
        """Do one exchange under the lock and the deadline; leave no half-read connection."""
        seconds = limits.EXCHANGE_S + limit // limits.SLOWEST_BYTES_S
        await self._lock.acquire()
        whole = False
        try:
            response = await asyncio.wait_for(
                self._attempts(("\r\n".join(lines) + "\r\n\r\n").encode(), body, sink, limit),
                seconds,
            )
            whole = not self._closing
            return response
        except asyncio.TimeoutError:
            raise errors.Timeout("no whole answer in %d s" % seconds)
        finally:
            try:
                if not whole:
                    await self.close()
            finally:
                self._lock.release()

    async def _attempts(self, head: bytes, body: bytes, sink, limit: int) -> Response:  # noqa: ANN001
        """Send on the kept connection; if that has died before the answer's first byte, redial."""
        kept = self._writer is not None
        if kept:
            try:
                await self._send(head, body)
                await self._fill()
            except errors.NetworkError:
                await self.close()
                kept = False
        if not kept:
            await self._dial()
            await self._send(head, body)
        return await self._answer(sink, limit)

    async def _dial(self) -> None:
        host = self._address
        try:
            if self._resolve:
                host = await self._resolve(host)
            self._reader, self._writer = await asyncio.open_connection(
                host,
                self._port,
                ssl=self._context,
                server_hostname=self._name if self._context else None,
            )
        except ValueError as error:
            raise errors.Untrusted(str(error))
        except OSError as error:
            raise errors.Unreachable("%s port %d: %s" % (host, self._port, error))

    async def _send(self, head: bytes, body: bytes) -> None:
        assert self._writer
        try:
            self._writer.write(head)
            if body:
                self._writer.write(body)
            await self._writer.drain()
        except ValueError as error:  # MicroPython shakes hands with the first bytes
            raise errors.Untrusted(str(error))
        except OSError as error:
            raise errors.Closed(str(error))

    async def _fill(self) -> None:
        """Wait for more bytes behind those in the buffer; at least one."""
        if self._start == self._end:
            self._start = self._end = 0
        self._end += await self._read(self._view[self._end :])

    async def _read(self, view: memoryview) -> int:
        """Read at least one byte into view; Closed when the peer has ended."""
        assert self._reader
        n = None
        try:
            while n is None:  # over TLS, None means again
                if _HOSTED:
                    data = await self._reader.read(len(view))
                    n = len(data)
                    view[:n] = data
                else:
                    n = await self._reader.readinto(view)
        except ValueError as error:
            raise errors.Untrusted(str(error))
        except OSError as error:
            raise errors.Closed(str(error))
        if not n:
            raise errors.Closed("the peer ended the connection")
        return n

    async def _line(self) -> bytes:
        """Read a line of the head, without its end."""
        while True:
            start, end = self._start, self._end
            at = bytes(self._view[start:end]).find(b"\n")
            if at >= 0:
                self._start = start + at + 1
                return bytes(self._view[start : start + at]).rstrip()
            if start:
                self._view[: end - start] = bytes(self._view[start:end])
                self._start, self._end = 0, end - start
            elif end == len(self._view):
                raise errors.BadResponse("header line too long")
            await self._fill()

    async def _answer(self, sink, limit: int) -> Response:  # noqa: ANN001
        """Read one answer; at most `limit` bytes of body, or a short refusal's."""
        response = await self._response()
        wanted = sink and response.status == 200
        left = response.length
        if left > (limit if wanted or not sink else limits.ANSWER_BYTES):
            raise errors.TooLong("%d bytes, at most %d expected" % (left, limit))
        body = None if sink else memoryview(bytearray(left))
        at = 0
        while left:
            if self._start == self._end:
                await self._fill()
            n = min(left, self._end - self._start)
            piece = self._view[self._start : self._start + n]
            if body:
                body[at : at + n] = piece
            elif wanted:
                sink(piece)
            self._start += n
            at += n
            left -= n
        if self._start != self._end:
            self._closing = True  # nothing was asked yet that these bytes could answer
        if body:
            response.body = bytes(body)
        return response

    async def _response(self) -> Response:
        """Read status line and headers; decide about framing (RFC 9112 section 6.3)."""
        line = await self._line()
        version, code = line[:9], line[9:12]
        if version not in (b"HTTP/1.1 ", b"HTTP/1.0 ") or not code.isdigit() or len(code) != 3:
            raise errors.BadResponse("no HTTP status line")
        status = int(code)
        if not 200 <= status < 600 or 300 <= status < 400:
            raise errors.BadResponse("status %d" % status)
        self._closing = version == b"HTTP/1.0 "
        response = Response(status, {}, -1)
        total = 0
        while line:
            line = await self._line()
            total += len(line)
            if total > limits.HEAD_BYTES:
                raise errors.BadResponse("head too long")
            if line:
                self._header(line, response)
        if status == 204:
            response.length = 0
        if response.length < 0:
            raise errors.BadResponse("no Content-Length")
        return response

    def _header(self, line: bytes, response: Response) -> None:
        at = line.find(b":")
        name, value = line[:at].lower(), line[at + 1 :].strip()
        if at < 1 or b" " in name or b"\t" in name:
            raise errors.BadResponse("header line")
        if name == b"content-length":
            if response.length != -1 or not value.isdigit() or len(value) > 9:
                raise errors.BadResponse("Content-Length")
            response.length = int(value)
        elif name in (b"transfer-encoding", b"content-encoding"):
            raise errors.BadResponse("%s is not spoken here" % name.decode())
        elif name == b"connection":
            self._closing = self._closing or b"close" in value.lower()
        elif name in _KEPT:
            try:
                response.headers[name.decode()] = value.decode()
            except UnicodeError:
                raise errors.BadResponse("header value")
