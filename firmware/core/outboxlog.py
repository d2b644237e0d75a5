"""The outbox's file format: one entry a line, so that a power cut spoils at most the last line.

A line is the CRC-32 (IEEE 802.3) of the text in 8 hex digits, a space, the entry as JSON, a line
feed. An entry is one window:

    {"seq": 17, "t": <unix s of its end>, "len": <s>, "exp": <samples due>,
     "streams": {"pm25": [count, mean, min, max], …}}

Before the clock is known `t` is missing and other keys date it; unknown keys are kept. Numbers of
a window without samples are null.
"""

import json
from binascii import crc32

LINE_LIMIT_BYTES = 1024


def encode(entry: dict) -> bytes:
    """Return an entry's line; ValueError if it is longer than LINE_LIMIT_BYTES."""
    text = json.dumps(entry).encode()
    if len(text) + 10 > LINE_LIMIT_BYTES:
        raise ValueError("outbox entry of %d bytes" % len(text))
    return b"%08x %s\n" % (crc32(text), text)


def decode(line: bytes) -> dict | None:
    """Return the entry of a line, or None for one that is torn, corrupted or not ours."""
    if len(line) < 10 or line[8] != 0x20 or line[-1] != 0x0A:
        return None
    text = line[9:-1]
    if b"%08x" % crc32(text) != line[:8]:
        return None
    try:
        entry = json.loads(text)
    except (ValueError, RuntimeError):
        return None
    if type(entry) is not dict or type(entry.get("seq")) is not int:
        return None
    return entry if type(entry.get("streams")) is dict else None


class Reader:
    """Iterates over a file's sound entries as (offset of the next line, entry).

    `damaged` counts the lines that were skipped; a last line without line feed is one of them, so
    whoever appends to such a file starts with a line feed.
    """

    def __init__(self, file, offset: int = 0) -> None:  # noqa: ANN001 - any seekable binary file
        self._file = file
        self.offset = offset
        self.damaged = 0

    def __iter__(self):  # noqa: ANN204 - a generator; there is no typing to say so
        self._file.seek(self.offset)
        while True:
            line = self._file.readline(LINE_LIMIT_BYTES)
            if not line:
                return
            self.offset += len(line)
            entry = decode(line)
            while line and line[-1] != 0x0A:  # garbage longer than a line: on to its end
                line = self._file.readline(LINE_LIMIT_BYTES)
                self.offset += len(line)
            if entry is None:
                self.damaged += 1
            else:
                yield self.offset, entry
