"""Outbox entries to SenML JSON (RFC 8428), into one reused buffer. The reader is senml_decode.

One record is one datastream over one window:

    {"bn": "urn:dev:mac:<id>/", "box": "8 hex", "n": "pm25", "u": "ug/m3", "t": <unix s of the
     window's end>, "v": <mean>, "seq": 17, "len": <s>, "cnt": 58, "exp": 60, "min": …, "max": …}

A window with less than three quarters of its samples is a gap: no `v`, `min`, `max`, but `"vs":
"incomplete"`. `box` (the outbox's random id), `seq`, `len`, `cnt` and `exp` are extension labels;
`box` starts with b and so is a base field (§12.2): it holds for all records that follow.
"""

from firmware.core.names import URN

CONTENT_TYPE = "application/senml+json"
GAP = "incomplete"
PACK_LIMIT_BYTES = 3072

# Unit names of the SenML Units registry; ug/m3 is a secondary unit of RFC 8798. Append-only.
UNITS = {
    "pm1": "ug/m3",
    "pm25": "ug/m3",
    "pm10": "ug/m3",
    "temperature": "Cel",
    "humidity": "%RH",
    "pressure": "Pa",
    "illuminance": "lx",
    "lamp_level": "%",
}


def is_gap(count: int, expected: int) -> bool:
    """Say whether `count` of `expected` samples are too few for a value (75 % data capture)."""
    return count == 0 or count * 4 < expected * 3


class Pack:
    """A SenML pack of whole outbox entries, at most `limit` bytes or what `buffer` holds."""

    def __init__(
        self, device: str, limit: int = PACK_LIMIT_BYTES, buffer: bytearray | None = None
    ) -> None:
        self._device = device
        self._buffer = bytearray(limit) if buffer is None else buffer
        self.begin("")

    def begin(self, box: str) -> None:
        """Start an empty pack of the outbox `box` (8 hex digits)."""
        self._box = box
        self._length = 0
        self.owners = []  # the seq of the entry that each record came from, by record index

    def add(self, entry: dict) -> bool:
        """Append a dated entry (see outboxlog), or change nothing and return False: it is full."""
        start, records = self._length, len(self.owners)
        for stream in sorted(entry["streams"]):
            if stream not in UNITS:
                continue  # written by a newer release that was rolled back
            text = self._record(stream, entry)
            end = self._length + len(text)
            if end >= len(self._buffer):  # the closing bracket needs its byte as well
                self._length = start
                del self.owners[records:]
                return False
            self._buffer[self._length : end] = text
            self._length = end
            self.owners.append(entry["seq"])
        return True

    def body(self) -> memoryview:
        """Return the pack's JSON text, valid until the next call; empty without a record."""
        if not self._length:
            return memoryview(b"")
        self._buffer[self._length] = 0x5D  # ]
        return memoryview(self._buffer)[: self._length + 1]

    def _record(self, stream: str, entry: dict) -> bytes:
        count, mean, least, greatest = entry["streams"][stream]
        if is_gap(count, entry["exp"]):
            value = '"vs":"' + GAP + '"'
        else:
            value = '"v":%s,"min":%s,"max":%s' % (_number(mean), _number(least), _number(greatest))
        if self._length:
            head = ",{"
        else:
            head = '[{"bn":"%s%s/","box":"%s",' % (URN, self._device, self._box)
        return (
            '%s"n":"%s","u":"%s","t":%d,%s,"seq":%d,"len":%d,"cnt":%d,"exp":%d}'
            % (
                head,
                stream,
                UNITS[stream],
                entry["t"],
                value,
                entry["seq"],
                entry["len"],
                count,
                entry["exp"],
            )
        ).encode()


def _number(value: float) -> float:
    # Two decimals are finer than any part here measures, and keep a record's length bounded.
    return value if type(value) is int else round(value, 2)
