"""TLS records on a wire: which bytes are of applications (RFC 5246, section 6.2.1).

Under TLS 1.2 the type of a record is in the clear; the handshake is told from what follows it.
"""

_HEAD = 5  # type, version (2), length (2)
_APPLICATION_DATA = 23


class Records:
    """One direction of one connection."""

    def __init__(self) -> None:
        self._head = b""
        self._left = 0
        self._counts = False

    def application(self, data: bytes) -> int:
        """Take the next bytes; return how many of them are in records of application data."""
        found = at = 0
        while at < len(data):
            if not self._left:
                taken = data[at : at + _HEAD - len(self._head)]
                self._head += taken
                at += len(taken)
                if len(self._head) == _HEAD:
                    self._counts = self._head[0] == _APPLICATION_DATA
                    self._left = int.from_bytes(self._head[3:], "big")
                    self._head = b""
                continue
            size = min(self._left, len(data) - at)
            found += size if self._counts else 0
            self._left -= size
            at += size
        return found
