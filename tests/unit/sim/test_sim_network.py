"""The proxy and the SNTP server, with real sockets on loopback."""

import socket
import struct
import threading
import time

import pytest

from sim.errors import SimError
from sim.faults import Proxy
from sim.sntp import LIES, SntpServer


@pytest.fixture
def echo():
    """A server that sends everything back."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection):
        with connection:
            try:
                while data := connection.recv(4096):
                    connection.sendall(data)
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.fixture
def proxy(echo):
    with Proxy(echo) as made:
        yield made


def connect(proxy, timeout_s=5):
    return socket.create_connection(("127.0.0.1", proxy.port), timeout_s)


def hear(proxy):
    with connect(proxy) as connection:
        return connection.recv(1)


def exactly(connection, count):
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            break
        data += piece
    return data


def test_bytes_pass_and_are_counted_by_connection_and_direction(proxy):
    for size in (10, 5000):
        with connect(proxy) as connection:
            connection.sendall(bytes(size))
            assert exactly(connection, size) == bytes(size)
    assert [(t.up, t.down) for t in proxy.connections] == [(10, 10), (5000, 5000)]
    assert (proxy.up, proxy.down) == (5010, 5010)


def test_the_end_of_one_side_reaches_the_other(proxy):
    with connect(proxy) as connection:
        connection.sendall(b"last words")
        connection.shutdown(socket.SHUT_WR)
        assert exactly(connection, 100) == b"last words"


def test_delay_and_throttle_take_their_time(proxy):
    proxy.faults.delay_s = 0.05
    with connect(proxy) as connection:
        start = time.monotonic()
        connection.sendall(b"x")
        assert exactly(connection, 1) == b"x"
        assert time.monotonic() - start >= 0.1
        proxy.faults.delay_s = 0.0
        proxy.faults.bytes_per_s = 20_000
        start = time.monotonic()
        connection.sendall(bytes(2000))
        assert exactly(connection, 2000) == bytes(2000)
        assert time.monotonic() - start >= 0.2


def test_a_black_hole_swallows_until_it_is_lifted(proxy):
    with connect(proxy, 0.2) as connection:
        proxy.faults.black_hole = True
        connection.sendall(b"hello")
        with pytest.raises(TimeoutError):
            connection.recv(5)
        assert proxy.up == 0
        proxy.faults.black_hole = False
        connection.settimeout(5)
        assert exactly(connection, 5) == b"hello"


def test_connections_are_cut_now_or_after_so_many_bytes(proxy):
    with connect(proxy) as connection:
        connection.sendall(b"1")
        assert exactly(connection, 1) == b"1"
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    proxy.faults.cut_after = 1500
    with connect(proxy) as connection:
        connection.sendall(bytes(4000))
        with pytest.raises(ConnectionResetError):
            exactly(connection, 4000)
    assert proxy.connections[-1].down == 1500


def test_refused_connections_and_a_port_in_use(proxy, echo):
    proxy.faults.refuse = True
    with pytest.raises(ConnectionResetError):
        hear(proxy)
    with pytest.raises(SimError, match="cannot listen"):
        Proxy(echo, port=proxy.port)


def ask(server, request):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(2)
        client.sendto(request, ("127.0.0.1", server.port))
        return client.recv(512)


REQUEST = bytes([0x23]) + bytes(39) + b"\x11\x22\x33\x44\x55\x66\x77\x88"


def test_sntp_answers_with_its_own_idea_of_the_time():
    with SntpServer(now=lambda: 1_780_000_000.25, offset_s=-3600) as server:
        answer = ask(server, REQUEST)
        assert server.answered == 1
    assert answer[0] == 0x24
    assert answer[24:32] == REQUEST[40:48]
    seconds, fraction = struct.unpack(">II", answer[40:48])
    assert seconds - 2_208_988_800 == 1_780_000_000 - 3600
    assert fraction == 1 << 30


@pytest.mark.parametrize("lie", LIES)
def test_each_lie_differs_from_the_truth_where_a_client_has_to_look(lie):
    with SntpServer(now=lambda: 1_780_000_000.0) as server:
        truth = server.answer(REQUEST)
        server.lie = lie
        answer = server.answer(REQUEST)
    changed = {
        "stratum": answer[1] == 0,
        "unsynchronised": answer[0] >> 6 == 3,
        "origin": answer[24:32] != REQUEST[40:48],
        "short": len(answer) < 48,
        "mode": answer[0] & 7 == 3,
        "zero": answer[40:48] == bytes(8),
    }
    assert answer != truth
    assert [name for name, differs in changed.items() if differs] == [lie]


def test_a_silent_server_and_packets_that_are_no_requests():
    with SntpServer() as server:
        server.silent = True
        with pytest.raises(TimeoutError):
            ask_briefly(server, REQUEST)
        server.silent = False
        with pytest.raises(TimeoutError):
            ask_briefly(server, REQUEST[:20])
        assert server.answered == 0


def ask_briefly(server, request):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.1)
        client.sendto(request, ("127.0.0.1", server.port))
        client.recv(512)
