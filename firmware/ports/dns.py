"""A DNS query for one IPv4 address and the reading of its answer (RFC 1035 section 4)."""

_A = 1
_RD = b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"  # recursion desired, one question
_TAIL = b"\x00\x00\x01\x00\x01"  # root label, type A, class IN


def query(host: str, ident: bytes) -> bytes:
    """Make the query with these two bytes as its ID; ValueError for what is no host name."""
    labels = host.rstrip(".").split(".")
    if len(host) > 253 or not all(0 < len(label) < 64 for label in labels):
        raise ValueError("not a host name: " + host)
    name = b"".join([bytes([len(label)]) + label.encode() for label in labels])
    return ident + _RD + name + _TAIL


def answer(data: bytes, asked: bytes) -> str | None:
    """Give the first address of an answer to the query `asked`; None when it holds none."""
    question = len(asked)
    if len(data) < question or data[:2] != asked[:2] or not data[2] & 0x80 or data[3] & 0x0F:
        return None
    if data[12:question].lower() != asked[12:].lower():
        return None
    at = question
    for _ in range(data[6] << 8 | data[7]):
        while at < len(data) and 0 < data[at] < 0xC0:
            at += data[at] + 1
        at += 2 if at < len(data) and data[at] else 1  # a pointer ends a name, as the root does
        if at + 10 > len(data):
            return None
        length = data[at + 8] << 8 | data[at + 9]
        if data[at : at + 4] == b"\x00\x01\x00\x01" and length == 4 and at + 14 <= len(data):
            return "%d.%d.%d.%d" % tuple(data[at + 10 : at + 14])
        at += 10 + length
    return None
