"""ECDSA over NIST P-256 with SHA-256, in plain integers: verify (ota.core.p256key signs).

Curve and algorithm: FIPS 186-5 sections 3 and 6, SEC 1 section 4.1; formulas: Jacobian
coordinates with a = -3 ("dbl-2001-b" and "madd-2007-bl" of the Explicit-Formulas Database), with
2Y in the place of Y, which saves small products; both scalars in one pass (Shamir's trick), in
width-5 NAF; the multiples of the base point stand below. It ends without an inversion: r is
compared with X / Z^2.

A product of 256 bits costs an ESP32 15 us and its reduction 46 us, whatever trick is tried in
Python; so what counts is how few there are. The work comes as a generator that yields every 20 to
30 ms. Nothing is computed at import. None of it takes constant time: its values are public.
"""

_P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
# The odd multiples 1 to 15 of the base point: x and y, 32 bytes each.
_BASE = (
    b"\x6b\x17\xd1\xf2\xe1\x2c\x42\x47\xf8\xbc\xe6\xe5\x63\xa4\x40\xf2\x77\x03\x7d\x81"
    b"\x2d\xeb\x33\xa0\xf4\xa1\x39\x45\xd8\x98\xc2\x96\x4f\xe3\x42\xe2\xfe\x1a\x7f\x9b"
    b"\x8e\xe7\xeb\x4a\x7c\x0f\x9e\x16\x2b\xce\x33\x57\x6b\x31\x5e\xce\xcb\xb6\x40\x68"
    b"\x37\xbf\x51\xf5\x5e\xcb\xe4\xd1\xa6\x33\x0a\x44\xc8\xf7\xef\x95\x1d\x4b\xf1\x65"
    b"\xe6\xc6\xb7\x21\xef\xad\xa9\x85\xfb\x41\x66\x1b\xc6\xe7\xfd\x6c\x87\x34\x64\x0c"
    b"\x49\x98\xff\x7e\x37\x4b\x06\xce\x1a\x64\xa2\xec\xd8\x2a\xb0\x36\x38\x4f\xb8\x3d"
    b"\x9a\x79\xb1\x27\xa2\x7d\x50\x32\x51\x59\x0b\x7a\x51\x51\x40\xd2\xd7\x84\xc8\x56"
    b"\x08\x66\x8f\xdf\xef\x8c\x82\xfd\x1f\x5b\xe5\x24\x21\x55\x4a\x0d\xc3\xd0\x33\xed"
    b"\xe0\xc1\x7d\xa8\x90\x4a\x72\x7d\x8a\xe1\xbf\x36\xbf\x8a\x79\x26\x0d\x01\x2f\x00"
    b"\xd4\xd8\x08\x88\xd1\xd0\xbb\x44\xfd\xa1\x6d\xa4\x8e\x53\x3b\x6f\xa0\xbf\x7b\x46"
    b"\x25\xbb\x30\x66\x7c\x01\xfb\x60\x7e\xf9\xf8\xb8\xa8\x0f\xef\x5b\x30\x06\x28\x70"
    b"\x31\x87\xb2\xa3\x73\xeb\x1d\xbd\xe0\x33\x18\x36\x6d\x06\x9f\x83\xa6\xf5\x90\x00"
    b"\x53\xc7\x36\x33\xcb\x04\x1b\x21\xc5\x5e\x1a\x86\xc1\xf4\x00\xb4\xea\x68\xd7\xb6"
    b"\xfe\xdf\x0b\x71\x87\x89\x38\xd5\x1d\x71\xf8\x72\x9e\x0a\xcb\x8c\x2c\x6d\xf8\xb3"
    b"\xd7\x9e\x8a\x4b\x90\x94\x9e\xe0\x2a\x27\x44\xc9\x72\xc9\xfc\xe7\x87\x01\x4a\x96"
    b"\x4a\x8e\xa0\xc8\x4d\x71\x4f\xea\xa4\xde\x82\x3f\xe8\x5a\x22\x4a\x4d\xd0\x48\xfa"
    b"\x3e\xd1\x13\xb7\x88\x3b\x4c\x59\x06\x38\x37\x9d\xb0\xc2\x1c\xda\x16\x74\x2e\xd0"
    b"\x25\x50\x48\xbf\x43\x33\x91\xd3\x74\xbc\x21\xd1\x90\x99\x20\x9a\xcc\xc4\xc8\xa2"
    b"\x24\xc8\x43\xaf\xa4\xf4\xc6\x8a\x09\x0d\x04\xda\x5e\x98\x89\xda\xe2\xf8\xee\xfc"
    b"\xe8\x2a\x37\x40\x17\x7c\x83\x7a\xe0\xac\x49\x5a\x61\x80\x5d\xf2\xd8\x5e\xe2\xfc"
    b"\x79\x2e\x28\x4b\x65\xea\xd5\x8a\x98\xe1\x5d\x9d\x46\x07\x2c\x01\x63\xbb\x58\xcd"
    b"\x4e\xbe\xa5\x58\xa2\x40\x91\xad\xb4\x0f\x4e\x72\x26\xee\x14\xc3\xa1\xfb\x4d\xf3"
    b"\x9c\x43\xbb\xe2\xef\xc7\xbf\xd8\xf0\x45\x4d\xc6\x97\x1a\xba\xe7\xad\xfb\x37\x89"
    b"\x99\x88\x82\x65\xae\x03\xaf\x92\xde\x3a\x0e\xf1\x63\x66\x8c\x63\xe5\x9b\x9d\x5f"
    b"\xb5\xb9\x3e\xe3\x59\x2e\x2d\x1f\x4e\x65\x94\xe5\x1f\x96\x43\xe6\x2a\x3b\x21\xce"
    b"\x75\xb5\xfa\x3f\x47\xe5\x9c\xde\x0d\x03\x4f\x36"
)
_BITS = 256  # the last digit of a non-adjacent form, counted from 0
_SLICE = 32  # digits
_WIDTH = 5


def verify(key: bytes, digest: bytes, signature: bytes):  # noqa: ANN201 - a generator of bool
    """Say whether a signature is valid; work in slices, `ok = yield from p256.verify(...)`.

    key: 65 bytes, uncompressed; digest: 32 bytes; signature: the DER of RFC 3279 section 2.2.3.
    Anything malformed (a point off the curve, r or s out of range, padding, trailing bytes) is
    simply not valid.
    """
    q = _point(key)
    r, s = _der_pair(signature)
    if q is None or len(digest) != 32 or not (0 < r < N and 0 < s < N):
        return False
    w = inverse(s, N)
    u1 = int.from_bytes(digest, "big") * w % N
    x, _, z = yield from combine(naf(u1), naf(r * w % N), _table(*q))
    if z == 0:
        return False
    zz = z * z % _P
    return r * zz % _P == x or (r + N < _P and (r + N) * zz % _P == x)


def inverse(a: int, m: int) -> int:
    """Return 1/a mod m for a in [1, m-1], m prime: the extended Euclidean algorithm."""
    m0, x0, x1 = m, 0, 1
    while a > 1:
        q, rest = divmod(m, a)
        m, a = a, rest
        x0, x1 = x1, x0 - q * x1
    return x1 % m0


def naf(k: int) -> bytearray:
    """Return k's width-5 non-adjacent form, least digit first: -15 to 15 in two's complement."""
    digits = bytearray(_BITS + 8)
    i = 0
    while k:
        if k & 1:
            d = k & 31
            if d > 15:
                d -= 32
                k += 32
            digits[i] = d & 255
            k >>= _WIDTH
            i += _WIDTH
        else:
            k >>= 1
            i += 1
    return digits


def combine(digits: bytearray, others: bytearray, table: list):  # noqa: ANN201 - a generator of a point
    """Sum digits of the base point and others of the table's: (X, 2Y, Z), Z = 0 is infinity.

    Yields before, and then every 32 doublings.
    """
    p = _P
    x, y, z = 0, 1, 0
    for top in range(_BITS, -1, -_SLICE):
        yield
        for i in range(top, max(-1, top - _SLICE), -1):
            # _double(x, y, z), without the call
            delta = z * z % p
            z = y * z % p
            gamma = y * y % p
            beta = x * gamma % p
            alpha = 3 * (x - delta) * (x + delta) % p
            x = (alpha * alpha - beta - beta) % p
            y = ((alpha << 1) * (beta - x) - gamma * gamma) % p
            if digits[i]:
                x, y, z = _add(x, y, z, digits[i], None)
            if others[i]:
                x, y, z = _add(x, y, z, others[i], table)
    return x, y, z


def _double(x: int, y: int, z: int) -> tuple[int, int, int]:
    delta = z * z % _P
    gamma = y * y % _P
    beta = x * gamma % _P
    alpha = 3 * (x - delta) * (x + delta) % _P
    x3 = (alpha * alpha - beta - beta) % _P
    return x3, (2 * alpha * (beta - x3) - gamma * gamma) % _P, y * z % _P


def _add(x1: int, y1: int, z1: int, digit: int, table: list | None):  # noqa: ANN202 - a point
    """Add a multiple of the base point, or one of the table's, to a point (X, 2Y, Z)."""
    p = _P
    at = (255 - digit if digit > 127 else digit) >> 1
    if table:
        x2, y2 = table[at]
    else:
        at *= 64
        x2 = int.from_bytes(_BASE[at : at + 32], "big")
        y2 = 2 * int.from_bytes(_BASE[at + 32 : at + 64], "big")
    if digit > 127:
        y2 = -y2
    if z1 == 0:
        return x2, y2 % p, 1
    zz = z1 * z1 % p
    h = (x2 * zz - x1) % p
    r = (y2 * (zz * z1 % p) - y1) % p
    if h == 0:
        return (0, 1, 0) if r else _double(x1, y1, z1)
    i = 4 * h * h % p
    v = x1 * i % p
    i = i * h % p
    x3 = (r * r - i - 2 * v) % p
    return x3, 2 * (r * (v - x3) - y1 * i) % p, 2 * z1 * h % p


def _table(x: int, y: int) -> list[tuple[int, int]]:
    """Return (x, 2y) of the odd multiples 1 to 15 of a point.

    Twice the point is added again and again, both over one Z (co-Z, "ZADDU" of Goundar, Joye and
    others, section 4.1): the Zs are a chain of factors, and one inversion undoes them all.
    """
    p = _P
    gamma = 4 * y * y % p
    x1 = x * gamma % p
    y1 = 2 * y * y * gamma % p
    alpha = 3 * (x - 1) * (x + 1) % p
    x2 = (alpha * alpha - 2 * x1) % p
    y2 = (alpha * (x1 - x2) - y1) % p
    z = 2 * y % p
    chain = [(x1, y1, z)]
    for _ in range((1 << (_WIDTH - 2)) - 1):
        h, r = x1 - x2, y1 - y2
        hh = h * h % p
        v = x1 * hh % p
        x2 = x2 * hh % p
        y2 = y2 * (v - x2) % p
        x1 = (r * r - x2 - v) % p
        y1 = (r * (x2 - x1) - y2) % p
        z = z * h % p
        chain.append((x1, y1, h))
    i = inverse(z, p)
    entries: list[tuple[int, int]] = []
    while chain:
        x, y, factor = chain.pop()
        ii = i * i % p
        entries.insert(0, (x * ii % p, 2 * y * (ii * i % p) % p))
        i = i * factor % p
    return entries


def _point(key: bytes) -> tuple[int, int] | None:
    """Decode a public key; None if it is no point of the curve (SEC 1 section 3.2.2.1)."""
    if len(key) != 65 or key[0] != 4:
        return None
    x = int.from_bytes(key[1:33], "big")
    y = int.from_bytes(key[33:], "big")
    if x >= _P or y >= _P or (x * x * x - 3 * x + _B - y * y) % _P:
        return None
    return x, y


def _der_pair(signature: bytes) -> tuple[int, int]:
    """Decode SEQUENCE { r INTEGER, s INTEGER }; (0, 0), out of range, for anything else."""
    size = len(signature)
    if not 8 <= size <= 72 or signature[0] != 0x30 or signature[1] != size - 2:
        return 0, 0
    values: list[int] = []
    at = 2
    while at < size:
        if len(values) == 2 or size - at < 3 or signature[at] != 2:
            return 0, 0
        start, at = at + 2, at + 2 + signature[at + 1]
        body = signature[start:at]
        # Not empty, inside, not negative, no zero byte but for the sign (X.690 section 8.3).
        if (
            at > size
            or not body
            or body[0] > 127
            or (len(body) > 1 and not body[0] and body[1] < 128)
        ):
            return 0, 0
        values.append(int.from_bytes(body, "big"))
    return (values[0], values[1]) if len(values) == 2 else (0, 0)
