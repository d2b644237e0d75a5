import struct

import pytest
from emulated import ManualClock, StillAir

from sim.hardware.pms5003 import Pms5003

PASSIVE = bytes.fromhex("424de100000170")
ACTIVE = bytes.fromhex("424de100010171")
READ = bytes.fromhex("424de200000171")
SLEEP = bytes.fromhex("424de400000173")
WAKE = bytes.fromhex("424de400010174")


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def sensor(clock):
    return Pms5003(clock, StillAir(pm=(7, 12, 21)))


def whole(frame):
    return (
        len(frame) == 32
        and frame[:4] == b"BM\x00\x1c"
        and sum(frame[:30]) & 0xFFFF == int.from_bytes(frame[30:], "big")
    )


def test_a_frame_has_the_data_sheets_layout(sensor, clock):
    frame = sensor.frame(clock.now())
    assert whole(frame)
    fields = struct.unpack(">12H", frame[4:28])
    assert fields[0:3] == (7, 12, 21)
    assert fields[3:6] == (7, 12, 21)
    counts = fields[6:12]
    assert list(counts) == sorted(counts, reverse=True)


def test_active_mode_says_a_frame_every_period(sensor, clock):
    assert sensor.uart_read() == b""
    assert sensor.due() == pytest.approx(clock.now() + 2.3)
    clock.at += 2.4
    assert whole(sensor.uart_read())
    assert sensor.uart_read() == b""
    clock.at += 4.6
    said = sensor.uart_read()
    assert len(said) == 64
    assert whole(said[:32])
    assert whole(said[32:])


def test_a_listener_who_was_away_gets_only_the_latest_frames(sensor, clock):
    clock.at += 3600
    assert len(sensor.uart_read()) == 8 * 32


def test_passive_mode_speaks_only_when_asked(sensor, clock):
    sensor.uart_write(PASSIVE)
    clock.at += 10
    assert sensor.due() is None
    assert sensor.uart_read() == b""
    sensor.uart_write(READ)
    assert whole(sensor.uart_read())
    sensor.uart_write(ACTIVE)
    clock.at += 2.4
    assert whole(sensor.uart_read())


def test_asleep_it_says_nothing_and_wakes_on_command(sensor, clock):
    sensor.uart_write(SLEEP)
    clock.at += 10
    assert sensor.uart_read() == b""
    sensor.uart_write(READ)
    assert sensor.uart_read() == b""
    sensor.uart_write(WAKE)
    clock.at += 2.4
    assert whole(sensor.uart_read())


def test_commands_are_found_in_noise_and_in_pieces(sensor, clock):
    sensor.uart_write(b"\x00B\xffBM")
    sensor.uart_write(PASSIVE[2:5])
    assert sensor.mode == "active"
    sensor.uart_write(PASSIVE[5:])
    assert sensor.mode == "passive"
    sensor.uart_write(ACTIVE[:-1] + b"\x00" + READ)
    assert sensor.mode == "passive"
    assert whole(sensor.uart_read())


@pytest.mark.parametrize("fault", ["bad_checksum", "cut_short", "silent", "garbage"])
def test_each_fault_spoils_the_line_in_its_way(sensor, clock, fault):
    sensor.fault = fault
    clock.at += 2.4
    said = sensor.uart_read()
    if fault == "bad_checksum":
        assert len(said) == 32
        assert not whole(said)
    elif fault == "cut_short":
        assert 3 <= len(said) < 32
        assert sensor.frame(clock.now() - 0.1).startswith(said)
    elif fault == "silent":
        assert said == b""
    else:
        assert len(said) > 32
        assert whole(said[-32:])
