"""The node's HTTP client against servers that do wrong: plain, and over mutual TLS."""

import asyncio
import ssl

import pytest

from ota.core import errors, limits
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


def run(scenario, *pieces):
    """Run scenario(client, script) against a scripted server."""

    async def main():
        async with Script(*pieces) as script:
            client = http.Client("127.0.0.1", script.port, "lamppost.test", None)
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


def test_exact_bytes_of_a_request_and_one_connection_for_all():
    async def scenario(client, script):
        first = await client.request("GET", "/a")
        second = await client.request(
            "POST", "/b", b"{}", "application/json", headers=(("Authorization", "Basic eA=="),)
        )
        assert (first.status, first.body, second.body) == (200, b"hello", b"hello")
        assert first.headers == {"date": "Tue, 24 Nov 2026 07:00:00 GMT"}
        assert script.connections == 1
        assert script.requests == [
            b"GET /a HTTP/1.1\r\nHost: lamppost.test\r\n\r\n",
            (
                b"POST /b HTTP/1.1\r\nHost: lamppost.test\r\nContent-Length: 2\r\n"
                b"Content-Type: application/json\r\nAuthorization: Basic eA==\r\n\r\n{}"
            ),
        ]

    run(scenario, OK, OK)


def test_requests_at_once_take_turns():
    async def scenario(client, script):
        answers = await asyncio.gather(*(client.request("GET", f"/{i}") for i in range(5)))
        assert [a.body for a in answers] == [b"hello"] * 5
        assert script.connections == 1

    run(scenario, *[OK] * 5)


def test_an_error_status_is_an_answer_and_keeps_the_connection():
    async def scenario(client, script):
        answer = await client.request("GET", "/a")
        assert answer.status == 503
        assert answer.refusal().retry_after_s == 7
        await client.request("GET", "/b")
        assert script.connections == 1

    sorry = head(b"Retry-After: 7", b"Content-Length: 2", body=b"no", status=b"503 Busy")
    run(scenario, sorry, OK)


def test_no_content():
    async def scenario(client, script):
        assert (await client.request("PUT", "/a")).body == b""
        await client.request("GET", "/b")
        assert script.connections == 1

    run(scenario, head(status=b"204 No Content"), OK)


def test_a_kept_connection_that_died_is_redialled_once():
    async def scenario(client, script):
        await client.request("GET", "/a")
        assert (await client.request("GET", "/b")).body == b"hello"
        assert script.connections == 2

    run(scenario, [OK, "close"], OK)


def test_a_new_connection_that_dies_is_not_redialled():
    async def scenario(client, script):
        with pytest.raises(errors.Closed):
            await client.request("GET", "/a")
        assert script.connections == 1

    run(scenario, ["close"], OK)


def test_connection_close_is_obeyed():
    async def scenario(client, script):
        await client.request("GET", "/a")
        await client.request("GET", "/b")
        assert script.connections == 2

    run(scenario, head(b"Content-Length: 1", b"Connection: close", body=b"x"), OK)


def test_download_goes_to_the_sink_in_pieces():
    body = bytes(range(256)) * 20

    async def scenario(client, script):
        pieces = []
        n = await client.download("/f", lambda view: pieces.append(bytes(view)), len(body))
        assert n == len(body)
        assert b"".join(pieces) == body
        assert max(map(len, pieces)) <= 1024

    run(scenario, head(b"Content-Length: 5120", body=body))


def test_download_refused_leaves_the_sink_untouched():
    async def scenario(client, script):
        with pytest.raises(errors.ServerError) as caught:
            await client.download("/f", pytest.fail, 100)
        assert caught.value.status == 404
        assert (await client.request("GET", "/b")).body == b"hello"
        assert script.connections == 1

    run(scenario, head(b"Content-Length: 4", body=b"none", status=b"404 Not Found"), OK)


def test_part_of_a_file_that_nobody_asked_for_is_not_the_file():
    """No range is ever asked for, so a proxy that ignores or invents one cannot shift bytes."""

    async def scenario(client, script):
        with pytest.raises(errors.ServerError) as caught:
            await client.download("/f", pytest.fail, 100)
        assert caught.value.status == 206

    part = (b"Content-Range: bytes 5-9/10", b"Content-Length: 5")
    run(scenario, head(*part, body=b"hello", status=b"206 Partial Content"))


def test_a_sink_that_fails_closes_the_connection_and_travels():
    def sink(view):
        raise OSError(28, "full")

    async def scenario(client, script):
        with pytest.raises(OSError, match="full"):
            await client.download("/f", sink, 100)
        assert (await client.request("GET", "/b")).body == b"hello"
        assert script.connections == 2

    run(scenario, OK, OK)


def test_too_much_is_refused_before_it_is_read():
    refused(head(b"Content-Length: 2049", body=b"x" * 2049), errors.TooLong)
    refused(head(b"Content-Length: 11", body=b"x" * 11), errors.TooLong, limit=10)


def test_too_little_is_closed():
    refused([head(b"Content-Length: 10", body=b"123"), "close"], errors.Closed)
    refused([b"HTTP/1.1 200 OK\r\nContent-Le", "close"], errors.Closed)


def test_bytes_behind_the_answer_end_the_connection():
    async def scenario(client, script):
        assert (await client.request("GET", "/a")).body == b"hello"
        assert (await client.request("GET", "/b")).body == b"hello"
        assert script.connections == 2

    run(scenario, OK + OK.replace(b"hello", b"false"), OK)


def test_framing_that_is_not_ours_is_refused():
    chunked = head(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n")
    refused(chunked, errors.BadResponse)
    both = head(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"hello")
    refused(both, errors.BadResponse)
    packed = head(b"Content-Length: 5", b"Content-Encoding: gzip", body=b"hello")
    refused(packed, errors.BadResponse)
    refused([head(body=b"until the end"), "close"], errors.BadResponse)
    for length in (b"-1", b"+5", b"5, 5", b"0x5", b"", b"1e3", b"9999999999"):
        refused(head(b"Content-Length: " + length, body=b"hello"), errors.BadResponse)
    twice = head(b"Content-Length: 5", b"Content-Length: 6", body=b"hello")
    refused(twice, errors.BadResponse)
    refused(head(b"Content-Length : 5", body=b"hello"), errors.BadResponse)
    refused(head(b"Content-Length: 5", b"no colon here", body=b"hello"), errors.BadResponse)
    refused(head(b"Content-Length: 5", b"Date: \xff\xfe", body=b"hello"), errors.BadResponse)


def test_redirects_and_interim_answers_are_refused():
    moved = head(b"Location: http://evil/", b"Content-Length: 0", status=b"302 Found")
    refused(moved, errors.BadResponse)
    refused(head(status=b"304 Not Modified"), errors.BadResponse)
    refused(head(status=b"100 Continue") + OK, errors.BadResponse)


def test_what_is_not_http_is_refused():
    for junk in (b"SSH-2.0-x\r\n\r\n", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 2xx OK\r\n\r\n"):
        refused(junk, errors.BadResponse)


def test_an_endless_head_is_refused():
    refused(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000, errors.BadResponse)
    many = head(*[b"X-%d: %s" % (i, b"y" * 500) for i in range(40)])
    refused(many, errors.BadResponse)


def hurry(monkeypatch):
    monkeypatch.setattr(limits, "EXCHANGE_S", 0.2)
    monkeypatch.setattr(limits, "SLOWEST_BYTES_S", 1 << 20)


def test_silence_and_a_trickle_end_at_the_deadline(monkeypatch):
    hurry(monkeypatch)
    refused(["stall"], errors.Timeout)
    refused([head(b"Content-Length: 500", body=b"x"), "stall"], errors.Timeout, limit=500)
    refused([b"HTTP/1.1 200 OK\r\n", "stall"], errors.Timeout)


def test_nobody_listens():
    async def main():
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        client = http.Client("127.0.0.1", port, "x", None)
        with pytest.raises(errors.Unreachable):
            await client.request("GET", "/")

    asyncio.run(main())


def test_the_resolver_is_asked():
    asked = []

    async def resolve(host):
        asked.append(host)
        return "127.0.0.1"

    async def main():
        async with Script(OK) as script:
            client = http.Client("fleet.example", script.port, "lamppost.test", None, resolve)
            assert (await client.request("GET", "/")).body == b"hello"
            await client.close()

    asyncio.run(main())
    assert asked == ["fleet.example"]


def test_a_name_that_nobody_knows_is_no_way_to_the_server():
    async def resolve(host):
        raise OSError(2, "no address for " + host)

    client = http.Client("fleet.example", 1, "lamppost.test", None, resolve)
    with pytest.raises(errors.Unreachable, match=r"fleet\.example"):
        asyncio.run(client.request("GET", "/"))


def test_mutual_tls(pki):
    async def main():
        async with Script(OK, OK, context=pki.server_context()) as script:
            context = pki.client_context(pki.ca)
            client = http.Client("127.0.0.1", script.port, "lamppost.test", context)
            assert (await client.request("GET", "/a")).body == b"hello"
            assert (await client.request("GET", "/b")).body == b"hello"
            assert script.connections == 1
            await client.close()

    asyncio.run(main())


@pytest.mark.parametrize("fault", ["stranger", "name"])
def test_a_server_of_another_ca_or_name_is_untrusted(pki, fault):
    async def main():
        async with Script(OK, context=pki.server_context()) as script:
            context = pki.client_context(pki.stranger if fault == "stranger" else pki.ca)
            name = "other.test" if fault == "name" else "lamppost.test"
            client = http.Client("127.0.0.1", script.port, name, context)
            with pytest.raises(errors.Untrusted):
                await client.request("GET", "/a")
            assert script.requests == []

    asyncio.run(main())


def test_plain_text_where_tls_is_expected(pki, monkeypatch):
    hurry(monkeypatch)

    async def main():
        async with Script(OK) as script:
            client = http.Client(
                "127.0.0.1", script.port, "lamppost.test", pki.client_context(pki.ca)
            )
            with pytest.raises(errors.NetworkError):
                await client.request("GET", "/a")

    asyncio.run(main())


def test_a_client_without_certificate_is_turned_away(pki):
    async def main():
        async with Script(OK, context=pki.server_context()) as script:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(pki.ca.pem())
            client = http.Client("127.0.0.1", script.port, "lamppost.test", context)
            with pytest.raises(errors.NetworkError):
                await client.request("GET", "/a")
            assert script.requests == []

    asyncio.run(main())
