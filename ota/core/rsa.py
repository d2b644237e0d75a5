"""RSASSA-PSS with SHA-256 (RFC 8017 sections 8.1.2 and 9.1.2): verify, in plain integers.

Keys: SubjectPublicKeyInfo in DER (RFC 8017 appendix A.1), 2048 to 4096 bits, exponent 65537; any
other form is no key here, so that a key has one encoding. The salt may have any length, as in
other TUF clients. A product of 3072 bits and its reduction cost an ESP32 6 ms; Barrett's
reduction by two products takes less than its division.
"""

from binascii import unhexlify
from hashlib import sha256
from struct import pack

_RSA = unhexlify("300d06092a864886f70d0101010500")
_E = unhexlify("0203010001")
_LEAST_BYTES, _MOST_BYTES = 256, 512
_SQUARES = 16  # 65537 = 2**16 + 1
_SLICE = 6  # squarings


def verify(key: bytes, digest: bytes, signature: bytes):  # noqa: ANN201 - a generator of bool
    """Say whether a PSS signature of a SHA-256 digest is valid; yields every 20 to 50 ms."""
    message = yield from opened(key, signature)
    if not message or message[-1] != 0xBC:
        return False
    at = len(message) - 33
    seed = message[at:-1]
    # Leftmost bit: the modulus has a whole number of bytes, so the message has a bit less.
    data = int.from_bytes(message[:at], "big") ^ int.from_bytes(_mask(seed, at), "big")
    if message[0] > 127:
        return False
    block = (data & ((1 << (8 * at - 1)) - 1)).to_bytes(at, "big").lstrip(b"\0")
    if block[:1] != b"\1":
        return False
    return sha256(bytes(8) + digest + block[1:]).digest() == seed


def opened(key: bytes, signature: bytes):  # noqa: ANN201 - a generator of bytes
    """Return signature ** 65537 mod the modulus (RSAVP1), as long as that; b"" if malformed."""
    n, size = _modulus(key)
    s = int.from_bytes(signature, "big")
    if len(signature) != size or s >= n:
        return b""
    bits = 8 * size
    inverse = (1 << 2 * bits) // n
    x = s
    for i in range(_SQUARES + 1):
        if i % _SLICE == 0:
            yield
        x = x * (s if i == _SQUARES else x)
        x -= ((x >> (bits - 1)) * inverse >> (bits + 1)) * n
        while x >= n:
            x -= n
    return x.to_bytes(size, "big")


def _modulus(key: bytes) -> tuple[int, int]:
    """Return (modulus, its bytes); (0, -1) for anything but the one form of a key."""
    whole = len(key)
    size = whole - 38
    if not _LEAST_BYTES <= size <= _MOST_BYTES:
        return 0, -1
    head = (
        pack(">HH", 0x3082, whole - 4)
        + _RSA
        + pack(">BBHBHH", 3, 0x82, whole - 23, 0, 0x3082, whole - 28)
        + pack(">BBHB", 2, 0x82, size + 1, 0)
    )
    n = int.from_bytes(key[33:-5], "big")
    if key[:33] != head or key[-5:] != _E or key[33] < 128 or not n & 1:
        return 0, -1
    return n, size


def _mask(seed: bytes, size: int) -> bytes:
    """MGF1 with SHA-256 (appendix B.2.1)."""
    mask = b""
    count = 0
    while len(mask) < size:
        mask += sha256(seed + pack(">I", count)).digest()
        count += 1
    return mask[:size]
