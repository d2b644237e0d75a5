"""P-256 against OpenSSL: what one signs the other accepts, and both refuse the same."""

import hashlib
import hmac
import itertools
import random

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)
from outcomes import finish

from ota.core import p256, p256key

N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ALGORITHM = ec.ECDSA(Prehashed(hashes.SHA256()))


def ours(key, digest, signature):
    return finish(p256.verify(key, digest, signature))


def theirs(key, digest, signature):
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key).verify(
            signature, digest, ALGORITHM
        )
    except InvalidSignature:
        return False
    return True


def point(private):
    return private.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )


def test_their_signatures_pass_and_altered_ones_do_not():
    rng = random.Random(256)
    for i in range(40):
        private = ec.derive_private_key(rng.randrange(1, N), ec.SECP256R1())
        digest = hashlib.sha256(b"%d" % i).digest()
        signature = private.sign(digest, ALGORITHM)
        key = point(private)
        assert ours(key, digest, signature) is True
        r, s = decode_dss_signature(signature)
        for bad in (
            (r ^ 1 << rng.randrange(250), s),
            (r, s ^ 1 << rng.randrange(250)),
            (s, r),
        ):
            altered = encode_dss_signature(*bad)
            assert ours(key, digest, altered) is theirs(key, digest, altered) is False


def test_our_signatures_and_keys_pass_there():
    rng = random.Random(65)
    for i in range(20):
        d = p256key.generate(rng.randbytes)
        key = p256key.public(d)
        assert key == point(ec.derive_private_key(d, ec.SECP256R1()))
        digest = hashlib.sha256(b"%d" % i).digest()
        signature = p256key.sign(d, digest)
        assert theirs(key, digest, signature)
        assert ours(key, digest, signature) is True


def test_extreme_digests_and_keys():
    for d in (1, 2, 3, 15, 16, 31, 2**255, N - 2, N - 1):
        key = p256key.public(d)
        assert key == point(ec.derive_private_key(d, ec.SECP256R1()))
        for digest in (bytes(32), b"\xff" * 32, N.to_bytes(32, "big")):
            signature = p256key.sign(d, digest)
            assert ours(key, digest, signature) is theirs(key, digest, signature) is True


def test_nonces_that_are_out_of_range_are_drawn_again(monkeypatch):
    """RFC 6979 section 3.2 h: one in 2^32 for this curve, so asked of a smaller order."""
    order = 3 << 252
    monkeypatch.setattr(p256, "N", order)
    for d in (1, 7, order - 1):
        digest = hashlib.sha256(b"%d" % d).digest()
        expected = list(itertools.islice(candidates(d, digest, order), 12))
        assert list(itertools.islice(p256key._nonces(d, digest), 12)) == expected


def candidates(d, digest, order):
    """Yield RFC 6979's candidates for k, by the letter, from the standard library's HMAC."""
    secret = d.to_bytes(32, "big") + digest
    key, v = bytes(32), b"\x01" * 32
    for mark in (b"\x00", b"\x01"):
        key = hmac.digest(key, v + mark + secret, "sha256")
        v = hmac.digest(key, v, "sha256")
    while True:
        v = hmac.digest(key, v, "sha256")
        if 0 < int.from_bytes(v, "big") < order:
            yield int.from_bytes(v, "big")
        key = hmac.digest(key, v + b"\x00", "sha256")
        v = hmac.digest(key, v, "sha256")


def test_any_byte_flipped_in_der_is_judged_alike():
    private = ec.derive_private_key(123456789, ec.SECP256R1())
    digest = hashlib.sha256(b"der").digest()
    signature = private.sign(digest, ALGORITHM)
    key = point(private)
    for at in range(len(signature)):
        for flip in (1, 0x80):
            bad = bytearray(signature)
            bad[at] ^= flip
            assert ours(key, digest, bytes(bad)) is False
            assert not theirs(key, digest, bytes(bad))


def test_r_plus_n_is_found_when_x_wrapped():
    """A point whose x is at least n: r is x - n, and only r + n equals X / Z^2."""
    p = 2**256 - 2**224 + 2**192 + 2**96 - 1
    b = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
    x = N
    while True:
        x += 1
        square = (x**3 - 3 * x + b) % p
        y = pow(square, (p + 1) // 4, p)
        if y * y % p == square and x != N:
            break
    r, s, e = x - N, 7, int.from_bytes(hashlib.sha256(b"wrap").digest(), "big")
    # Recover the key that this signature belongs to: Q = (s R - e G) / r.
    key = _recovered(x, y, r, s, e, p)
    digest = e.to_bytes(32, "big")
    signature = encode_dss_signature(r, s)
    assert theirs(key, digest, signature)
    assert ours(key, digest, signature) is True


def _recovered(x, y, r, s, e, p):
    def add(a, b):
        if a is None or b is None:
            return a or b
        if a[0] == b[0]:
            if (a[1] + b[1]) % p == 0:
                return None
            slope = (3 * a[0] ** 2 - 3) * pow(2 * a[1], -1, p)
        else:
            slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, p)
        cx = (slope**2 - a[0] - b[0]) % p
        return cx, (slope * (a[0] - cx) - a[1]) % p

    def times(k, point):
        total = None
        while k:
            if k & 1:
                total = add(total, point)
            point = add(point, point)
            k >>= 1
        return total

    g = p256key.public(1)
    base = int.from_bytes(g[1:33], "big"), int.from_bytes(g[33:], "big")
    q = times(pow(r, -1, N), add(times(s, (x, y)), times((-e) % N, base)))
    return b"\x04" + q[0].to_bytes(32, "big") + q[1].to_bytes(32, "big")
