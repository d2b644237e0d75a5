"""P-256 by the textbook (SEC 1 section 2.2.1), and the key that a chosen signature belongs to."""

from itertools import count

N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)


def points(x):
    """Give the points of the curve from this x on, one of each pair."""
    for each in count(x):
        square = (each**3 - 3 * each + _B) % P
        y = pow(square, (P + 1) // 4, P)
        if y * y % P == square:
            yield each, y


def encoded(point):
    """Return 65 bytes, uncompressed."""
    return b"\x04" + b"".join(each.to_bytes(32, "big") for each in point)


def recovered(point, r, s, e):
    """Return the key under which (r, s) leads from the digest e to this point: (s R - e G) / r."""
    return encoded(_times(pow(r, -1, N), _add(_times(s, point), _times(-e % N, _G))))


def _add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % P == 0:
            return None
        slope = (3 * a[0] ** 2 - 3) * pow(2 * a[1], -1, P)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope**2 - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def _times(k, point):
    total = None
    while k:
        if k & 1:
            total = _add(total, point)
        point = _add(point, point)
        k >>= 1
    return total
