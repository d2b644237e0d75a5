"""Ed25519 (RFC 8032 section 5.1.7): verify, in plain integers.

Extended coordinates (section 5.1.4), width-4 NAF, both scalars in one pass; without the cofactor,
as OpenSSL does it. A release leaves it out unless built --with ed25519.
"""

from binascii import unhexlify

from ota.core import metadata
from ota.core.sha512 import Sha512

_P = (1 << 255) - 19
_L = (1 << 252) + 27742317777372353535851937790883648493
_D = 0x52036CEE2B6FFE738CC740797779E89800700A4D4141D8AB75EB4DCA135978A3
_ROOT = 0x2B8324804FC1DF0B2B4D00993DFBD7A72F431806AD2FE478C4EE1B274A0EA0B0  # of -1
_BASE = unhexlify("5866666666666666666666666666666666666666666666666666666666666666")
_NEUTRAL = (0, 1, 1, 0)


def verify(key: bytes, signed: dict, signature: bytes):  # noqa: ANN201 - a generator of bool
    """Say whether a signature of an object's canonical JSON is valid; yields every 20 to 40 ms.

    key: 32 bytes; signature: 64.
    """
    minus = _point(key, 1)
    s = int.from_bytes(signature[32:], "little")
    if minus is None or len(signature) != 64 or s >= _L:
        return False
    sum_ = Sha512()
    sum_.update(signature[:32] + key)
    metadata.canonical(signed, sum_.update)
    yield
    h = int.from_bytes(sum_.digest(), "little") % _L
    yield
    terms = [(_naf(s), _table(_point(_BASE, 0))), (_naf(h), _table(minus))]
    total = _NEUTRAL
    for i in range(254, -1, -1):
        total = _double(total)
        for digits, table in terms:
            d = digits[i]
            if d > 127:
                total = _add(total, _negative(table[(255 - d) >> 1]))
            elif d:
                total = _add(total, table[d >> 1])
        if not i & 31:
            yield
    x, y, z, _ = total
    z = pow(z, _P - 2, _P)
    x, y = x * z % _P, y * z % _P
    return (y | (x & 1) << 255).to_bytes(32, "little") == signature[:32]


def _point(data: bytes, turn: int):  # noqa: ANN202 - a point or None
    """Decode a point (section 5.1.3), negated where turn is 1; None if it is none."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if len(data) != 32 or y >= _P:
        return None
    u, v = y * y - 1, _D * y * y + 1
    v3 = v * v * v % _P
    x = u * v3 * pow(u * v3 * v3 * v % _P, (_P - 5) // 8, _P) % _P
    if (v * x * x - u) % _P:
        x = x * _ROOT % _P
        if (v * x * x - u) % _P:
            return None
    if x == 0 and sign:
        return None
    if x & 1 != sign ^ turn:
        x = _P - x
    return x, y, 1, x * y % _P


def _double(point: tuple) -> tuple:
    x, y, z, _ = point
    a, b = x * x % _P, y * y % _P
    h = a + b
    e = h - (x + y) * (x + y) % _P
    g = a - b
    f = 2 * z * z + g
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _add(point: tuple, other: tuple) -> tuple:
    x1, y1, z1, t1 = point
    x2, y2, z2, t2 = other
    a = (y1 - x1) * (y2 - x2) % _P
    b = (y1 + x1) * (y2 + x2) % _P
    c = 2 * t1 * t2 % _P * _D % _P
    d = 2 * z1 * z2 % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _negative(point: tuple) -> tuple:
    x, y, z, t = point
    return _P - x, y, z, _P - t


def _table(point) -> list:  # noqa: ANN001 - a point
    """Return the multiples 1, 3, 5, 7 of a point."""
    twice = _double(point)
    multiples = [point]
    for _ in range(3):
        multiples.append(_add(multiples[-1], twice))
    return multiples


def _naf(k: int) -> bytearray:
    """Return k's width-4 non-adjacent form, as ota.core.p256 does."""
    digits = bytearray(258)
    i = 0
    while k:
        if k & 1:
            d = k & 15
            if d > 7:
                d -= 16
            digits[i] = d & 255
            k -= d
        k >>= 1
        i += 1
    return digits
