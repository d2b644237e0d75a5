import asyncio
import json

from firmware.core.errors import FrameError, PartError
from firmware.drivers import pms5003
from outcomes import refused

VECTORS = __file__.rsplit("/", 2)[0] + "/vectors/pms5003.json"
FRAME = bytes.fromhex("424d001c000b0017001d00080011001605dc01ae0058000c00030001970003a8")
VALUES = {"pm1": 8, "pm25": 17, "pm10": 22}


class Uart:
    """Hands out one chunk a read, then nothing."""

    def __init__(self, *chunks):
        self.chunks = list(chunks)

    def any(self):
        return len(self.chunks[0]) if self.chunks else 0

    def read(self):
        return self.chunks.pop(0) if self.chunks else None


def vectors():
    with open(VECTORS) as file:
        return json.load(file)


def outcome(part):
    try:
        return asyncio.run(part.read())
    except PartError as error:
        return type(error)


def test_a_frame_is_parsed():
    assert pms5003.parse(FRAME) == VALUES


def test_any_flipped_bit_is_no_reading():
    for index in range(len(FRAME)):
        for bit in range(8):
            frame = bytearray(FRAME)
            frame[index] ^= 1 << bit
            refused(FrameError, pms5003.parse, bytes(frame))


def test_recorded_streams_give_their_readings_and_faults():
    for row in vectors():
        part = pms5003.PMS5003(Uart())
        last = part.feed(bytes.fromhex(row["bytes"]))
        assert (last, part.faults) == (row["last"], row["faults"]), row["case"]


def test_recorded_streams_give_their_faults_byte_by_byte():
    for row in vectors():
        part = pms5003.PMS5003(Uart())
        for byte in bytes.fromhex(row["bytes"]):
            part.feed(bytes((byte,)))
        assert part.faults == row["faults"], row["case"]


def test_a_frame_in_pieces_is_read():
    part = pms5003.PMS5003(Uart(b"\x00\x42", FRAME[:9], FRAME[9:31], FRAME[31:]))
    assert outcome(part) == VALUES
    assert part.faults == 0


def test_an_overfull_buffer_is_old_and_dropped():
    old = FRAME * 7
    new = bytes.fromhex("424d001c00010002000300010002000300960028000800010000000097000215")
    part = pms5003.PMS5003(Uart(old, new))
    assert outcome(part) == {"pm1": 1, "pm25": 2, "pm10": 3}
    assert part.faults == 0


def test_silence_is_counted_and_no_reading():
    part = pms5003.PMS5003(Uart())
    assert quick(part) is PartError
    assert part.faults == 1


def test_a_damaged_frame_is_counted_and_no_reading():
    part = pms5003.PMS5003(Uart(FRAME[:31] + b"\x00"))
    assert quick(part) is FrameError
    assert part.faults == 1


def test_a_part_that_comes_back_reads_again():
    uart = Uart(FRAME[:20])
    part = pms5003.PMS5003(uart)
    assert quick(part) is PartError
    uart.chunks = [FRAME, FRAME]
    assert outcome(part) == VALUES


def quick(part):
    deadline = pms5003.DEADLINE_MS
    pms5003.DEADLINE_MS = 100
    try:
        return outcome(part)
    finally:
        pms5003.DEADLINE_MS = deadline
