"""P-256 against OpenSSL: what one signs the other accepts, and both refuse the same."""

import hashlib
import hmac
import itertools
import random

import curve
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

N = curve.N
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
    x, y = next(each for each in curve.points(N + 1))
    r, s, e = x - N, 7, int.from_bytes(hashlib.sha256(b"wrap").digest(), "big")
    key = curve.recovered((x, y), r, s, e)
    digest = e.to_bytes(32, "big")
    signature = encode_dss_signature(r, s)
    assert theirs(key, digest, signature)
    assert ours(key, digest, signature) is True
