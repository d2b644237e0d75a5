"""P-256 keys of a node's own: made, and signed with (ECDSA with SHA-256, FIPS 186-5 section 6).

Nonces are deterministic (RFC 6979). None of it takes constant time: a node signs just its own
certificate requests, and nobody stands beside it with a stopwatch. Apart from p256, which
verifies, since updates do not need it.
"""

from hashlib import sha256

from ota.core import p256

_P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF


def generate(random) -> int:  # noqa: ANN001 - a callable has no name without typing
    """Make a private key in [1, n-1] from random(n: int) -> bytes (FIPS 186-5 A.2.2)."""
    while True:
        d = int.from_bytes(random(32), "big")
        if 0 < d < p256.N:
            return d


def public(d: int) -> bytes:
    """Return the public key of private key d: 65 bytes, uncompressed (SEC 1 section 2.3.3)."""
    x, y = _times(d)
    return b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big")


def sign(d: int, digest: bytes) -> bytes:
    """Sign a 32-byte digest with private key d, deterministically (RFC 6979); return DER."""
    e = int.from_bytes(digest, "big")
    for k in _nonces(d, (e % p256.N).to_bytes(32, "big")):
        r = _times(k)[0] % p256.N
        s = p256.inverse(k, p256.N) * (e + r * d) % p256.N
        if r and s:
            body = _der_integer(r) + _der_integer(s)
            return b"\x30" + bytes([len(body)]) + body
    return b""  # never: the nonces do not end


def _der_integer(value: int) -> bytes:
    body = value.to_bytes(33, "big")
    start = 0
    while not body[start] and body[start + 1] < 128:
        start += 1
    return b"\x02" + bytes([33 - start]) + body[start:]


def _times(k: int) -> tuple[int, int]:
    """Return x and y of k times the base point, 0 < k < n."""
    steps = p256.combine(p256.naf(k), bytearray(257), [])
    while True:
        try:
            next(steps)
        except StopIteration as end:
            x, y, z = end.value  # y: twice
            i = p256.inverse(z, _P)
            ii = i * i % _P
            return x * ii % _P, y * ii * i * ((_P + 1) >> 1) % _P


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
        if 0 < k < p256.N:
            yield k
        key = _hmac(key, v, b"\x00")
        v = _hmac(key, v)
