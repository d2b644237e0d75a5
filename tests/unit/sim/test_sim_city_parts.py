"""What an emulated city is made of: its posts, the networks of its districts, its figures."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest

from sim import usage
from sim.district import District
from sim.nodeconfig import KINDS
from sim.posts import DISTRICTS, district_place, posts
from sim.records import Records
from sim.world import Place

HANDSHAKE, APPLICATION = 22, 23
CENTRE = Place(48.2, 16.4, 170)


def record(kind, size):
    return bytes((kind, 3, 3)) + size.to_bytes(2, "big") + bytes(size)


@pytest.fixture
def answering():
    """A server that answers every record with one of the same type and 50 bytes."""
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
                while head := connection.recv(5):
                    size = int.from_bytes(head[3:], "big")
                    connection.recv(size, socket.MSG_WAITALL)
                    connection.sendall(record(head[0], 50))
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.fixture
def district(answering):
    made = District("harbour", answering)
    yield made
    made.close()


def connect(district):
    return socket.create_connection(("127.0.0.1", district.port), 10)


def ask(connection, kind, size):
    connection.sendall(record(kind, size))
    answer = b""
    while len(answer) < 55:
        piece = connection.recv(55 - len(answer))
        if not piece:
            raise ConnectionResetError
        answer += piece
    return answer


def test_of_eight_posts_five_measure_air_and_three_light_the_street_in_four_districts():
    made = list(posts(16, 7, CENTRE))
    assert Counter(post.kind for post in made) == {"air": 10, "light": 6}
    assert Counter(post.district for post in made) == dict.fromkeys(DISTRICTS, 4)
    assert set(Counter(post.kind for post in made)) < set(KINDS)
    assert len({post.name for post in made}) == len({post.mac for post in made}) == 16
    assert len({post.place for post in made}) == 16
    for post in made:
        middle = district_place(post.district, CENTRE)
        assert abs(post.place.latitude - middle.latitude) < 0.01
        assert post.place.traffic == middle.traffic
        assert post.mac[0] & 3 == 2  # locally administered, unicast


def test_posts_are_a_function_of_seed_and_number():
    eight = list(posts(8, 7, CENTRE))
    assert list(posts(8, 7, CENTRE)) == eight
    assert list(posts(3, 7, CENTRE, first=6)) == eight[5:]
    assert not {post.mac for post in eight} & {post.mac for post in posts(8, 8, CENTRE)}


def test_posts_at_the_date_line_have_places():
    for post in posts(8, 1, Place(48.2, 179.99)):
        assert -180 <= post.place.longitude <= 180


@pytest.mark.parametrize("step", [1, 3, 5, 64, 10_000])
def test_application_data_is_counted_however_the_bytes_come(step):
    wire = record(HANDSHAKE, 300) + record(APPLICATION, 70) + record(APPLICATION, 0)
    wire += record(20, 1) + record(APPLICATION, 1000)
    records = Records()
    assert sum(records.application(wire[i : i + step]) for i in range(0, len(wire), step)) == 1070


def test_only_the_answer_to_a_report_is_lost_and_only_once(district):
    district.drop_next_2xx()
    with connect(district) as connection:
        ask(connection, HANDSHAKE, 900)
        ask(connection, APPLICATION, 100)
        assert not district.dropped
        with pytest.raises(ConnectionResetError):
            ask(connection, APPLICATION, 600)
    assert district.dropped
    with connect(district) as connection:
        ask(connection, APPLICATION, 600)


def test_a_district_is_cut_off_and_comes_back(district):
    with connect(district) as connection:
        ask(connection, APPLICATION, 100)
        district.cut()
        with pytest.raises(ConnectionResetError):
            ask(connection, APPLICATION, 100)
    with pytest.raises(ConnectionResetError), connect(district) as connection:
        ask(connection, APPLICATION, 100)
    district.restore()
    with connect(district) as connection:
        ask(connection, APPLICATION, 100)


def test_in_silence_nothing_passes_and_what_hung_is_ended(district):
    with connect(district) as connection:
        district.cut(silent=True)
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            ask(connection, APPLICATION, 100)
        district.restore()
        connection.settimeout(10)
        with pytest.raises(ConnectionResetError):
            ask(connection, APPLICATION, 100)


def test_a_slow_and_lossy_network_takes_its_time_and_keeps_the_order(district):
    with connect(district) as connection:
        began = time.monotonic()
        for _ in range(5):
            ask(connection, APPLICATION, 100)
        quick_s = time.monotonic() - began
        district.slow(bytes_per_s=2000, delay_s=0.01)
        district.lossy(0.2)
        began = time.monotonic()
        for _ in range(5):
            assert ask(connection, APPLICATION, 100) == record(APPLICATION, 50)
        assert time.monotonic() - began > quick_s + 5 * (105 + 55) / 2000
    assert (district.sent, district.received) == (10 * 105, 10 * 55)


def test_usage_of_processes_that_work_and_of_those_that_are_gone():
    program = (
        "x = bytearray(30_000_000)\nfor i in range(3_000_000): pass\nprint(1, flush=True)\ninput()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        before = usage.cpu_s([])
        child.stdout.readline()
        assert 30e6 < usage.pss_bytes([child.pid]) < 100e6
        used = usage.cpu_s([child.pid]) - before
        assert 0.01 < used < 30
        child.communicate(b"\n")
        assert usage.pss_bytes([child.pid]) == 0
        assert usage.cpu_s([child.pid]) > before + used - 0.03  # it has ended, and still counts
    assert usage.pss_bytes([os.getpid()]) > 1e6
