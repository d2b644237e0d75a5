"""ECDSA over NIST P-256 with SHA-256, in plain integers: verify, and sign where a node must.

Curve and algorithm: FIPS 186-5 sections 3 and 6, SEC 1 section 4.1; deterministic nonces:
RFC 6979; formulas: Jacobian coordinates with a = -3 ("dbl-2001-b" and the addition with cached
powers of Z of the Explicit-Formulas Database), width-4 NAF, both scalars in one pass (Shamir's
trick). Verification ends without an inversion: r is compared with X / Z^2.

A modular product of 256 bits costs an ESP32 about 60 us, so the work comes as a generator that
yields every 20 to 30 ms. Nothing is computed at import. None of it takes constant time:
verification handles public values only, and a node signs just its own certificate requests.
"""

from hashlib import sha256

_P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_GX = 0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296
_GY = 0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5


def generate(random) -> int:  # noqa: ANN001 - a callable has no name without typing
    """Make a private key in [1, n-1] from random(n: int) -> bytes (FIPS 186-5 A.2.2)."""
    while True:
        d = int.from_bytes(random(32), "big")
        if 0 < d < _N:
            return d


def public(d: int) -> bytes:
    """Return the public key of private key d: 65 bytes, uncompressed (SEC 1 section 2.3.3)."""
    x, y = _affine(_finish(_sum((d, (_GX, _GY, 1)))))
    return b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big")


def sign(d: int, digest: bytes) -> bytes:
    """Sign a 32-byte digest with private key d, deterministically (RFC 6979); return DER."""
    e = int.from_bytes(digest, "big")
    for k in _nonces(d, (e % _N).to_bytes(32, "big")):
        r = _affine(_finish(_sum((k, (_GX, _GY, 1)))))[0] % _N
        s = _inverse(k, _N) * (e + r * d) % _N
        if r and s:
            body = _der_integer(r) + _der_integer(s)
            return b"\x30" + bytes([len(body)]) + body
    return b""  # never: the nonces do not end


def verify(key: bytes, digest: bytes, signature: bytes):  # noqa: ANN201 - a generator of bool
    """Say whether a signature is valid; work in slices, `ok = yield from p256.verify(...)`.

    key: 65 bytes, uncompressed; digest: 32 bytes; signature: the DER of RFC 3279 section 2.2.3.
    Anything malformed (a point off the curve, r or s out of range, padding, trailing bytes) is
    simply not valid.
    """
    q = _point(key)
    r, s = _der_pair(signature)
    if q is None or len(digest) != 32 or not (0 < r < _N and 0 < s < _N):
        return False
    w = _inverse(s, _N)
    u1 = int.from_bytes(digest, "big") * w % _N
    x, _, z = yield from _sum((u1, (_GX, _GY, 1)), (r * w % _N, q))
    if z == 0:
        return False
    zz = z * z % _P
    return r * zz % _P == x or (r + _N < _P and (r + _N) * zz % _P == x)


def _finish(generator):  # noqa: ANN001, ANN202 - whatever the generator returns
    """Run a generator to its end at once; return what it returns."""
    while True:
        try:
            next(generator)
        except StopIteration as end:
            return end.value


def _inverse(a: int, m: int) -> int:
    """Return 1/a mod m for a in [1, m-1], m prime: the extended Euclidean algorithm."""
    m0, x0, x1 = m, 0, 1
    while a > 1:
        q, rest = divmod(m, a)
        m, a = a, rest
        x0, x1 = x1, x0 - q * x1
    return x1 % m0


def _affine(point: tuple[int, int, int]) -> tuple[int, int]:
    x, y, z = point
    i = _inverse(z, _P)
    ii = i * i % _P
    return x * ii % _P, y * ii * i % _P


def _point(key: bytes) -> tuple[int, int, int] | None:
    """Decode a public key; None if it is no point of the curve (SEC 1 section 3.2.2.1)."""
    if len(key) != 65 or key[0] != 4:
        return None
    x = int.from_bytes(key[1:33], "big")
    y = int.from_bytes(key[33:], "big")
    if x >= _P or y >= _P or (x * x * x - 3 * x + _B - y * y) % _P:
        return None
    return x, y, 1


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


def _der_integer(value: int) -> bytes:
    body = value.to_bytes(33, "big")
    start = 0
    while not body[start] and body[start + 1] < 128:
        start += 1
    return b"\x02" + bytes([33 - start]) + body[start:]


def _double(point: tuple[int, int, int]) -> tuple[int, int, int]:
    x, y, z = point
    p = _P
    delta = z * z % p
    gamma = y * y % p
    beta = x * gamma % p
    alpha = 3 * (x - delta) * (x + delta) % p
    x3 = (alpha * alpha - 8 * beta) % p
    return x3, (alpha * (4 * beta - x3) - 8 * gamma * gamma) % p, 2 * y * z % p


def _add(
    point: tuple[int, int, int], entry: tuple[int, int, int, int, int]
) -> tuple[int, int, int]:
    """Add an entry (x, y, z, z^2, z^3) of a table to a Jacobian point; z = 0 is infinity."""
    x1, y1, z1 = point
    x2, y2, z2, zz2, zzz2 = entry
    if z1 == 0:
        return x2, y2, z2
    p = _P
    zz1 = z1 * z1 % p
    u = x1 * zz2 % p
    s = y1 * zzz2 % p
    h = (x2 * zz1 - u) % p
    r = (y2 * (zz1 * z1 % p) - s) % p
    if h == 0:
        return (0, 1, 0) if r else _double(point)
    hh = h * h % p
    hhh = h * hh % p
    v = u * hh % p
    x3 = (r * r - hhh - 2 * v) % p
    return x3, (r * (v - x3) - s * hhh) % p, z1 * z2 % p * h % p


def _entry(point: tuple[int, int, int]) -> tuple[int, int, int, int, int]:
    z = point[2]
    zz = z * z % _P
    return point + (zz, zz * z % _P)  # noqa: RUF005 - MicroPython unpacks only in calls


def _table(point: tuple[int, int, int]) -> list[tuple[int, int, int, int, int]]:
    """Return the odd multiples 1, 3, 5, 7 of a point, as entries; 300 bytes of heap each."""
    twice = _double(point)
    entries = [_entry(point)]
    for _ in range(3):
        point = _add(twice, entries[-1])
        entries.append(_entry(point))
    return entries


def _naf(k: int) -> bytearray:
    """Return k's width-4 non-adjacent form, least digit first: -7 to 7 in two's complement."""
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


def _sum(*terms: tuple[int, tuple[int, int, int]]):  # noqa: ANN202 - it yields, then a point
    """Sum k * point over the terms; yields after the tables and then every 32 doublings."""
    prepared = [(_naf(k), _table(point)) for k, point in terms]
    yield
    total = (0, 1, 0)
    for i in range(257, -1, -1):
        total = _double(total)
        for digits, table in prepared:
            d = digits[i]
            if d > 127:
                x, y, z, zz, zzz = table[(255 - d) >> 1]
                total = _add(total, (x, _P - y, z, zz, zzz))
            elif d:
                total = _add(total, table[d >> 1])
        if not i & 31:
            yield
    return total


def _hmac(key: bytes, *parts: bytes) -> bytes:
    """HMAC-SHA-256 (RFC 2104) for a 32-byte key."""
    inner = sha256(bytes(b ^ 0x36 for b in key) + b"\x36" * 32)
    for part in parts:
        inner.update(part)
    return sha256(bytes(b ^ 0x5C for b in key) + b"\x5c" * 32 + inner.digest()).digest()


def _nonces(d: int, digest: bytes):  # noqa: ANN202 - a generator of int
    """Yield RFC 6979 section 3.2's candidates for k; digest: 32 bytes, reduced mod n."""
    secret = d.to_bytes(32, "big") + digest
    key, v = bytes(32), b"\x01" * 32
    for mark in (b"\x00", b"\x01"):
        key = _hmac(key, v, mark, secret)
        v = _hmac(key, v)
    while True:
        v = _hmac(key, v)
        k = int.from_bytes(v, "big")
        if 0 < k < _N:
            yield k
        key = _hmac(key, v, b"\x00")
        v = _hmac(key, v)
