"""The node's HTTP client: what it sends, what it keeps open, where it goes."""

import asyncio

import pytest
from scripted import OK, Script, head, run

from ota.core import errors
from ota.device import http


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


def test_bytes_behind_the_answer_end_the_connection():
    async def scenario(client, script):
        assert (await client.request("GET", "/a")).body == b"hello"
        assert (await client.request("GET", "/b")).body == b"hello"
        assert script.connections == 2

    run(scenario, OK + OK.replace(b"hello", b"false"), OK)


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
