"""P-256 signatures that a careless verification would take, each under the key it was made for.

A forger may choose key and signature; whatever is no one form of an honest one is refused.
"""

import hashlib
from itertools import pairwise

import curve
import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from outcomes import finish

from ota.core import p256

DIGEST = hashlib.sha256(b"forged").digest()
E = int.from_bytes(DIGEST, "big")
S = 7
SMALL = next(curve.points(1))


def judged(key, signature):
    return finish(p256.verify(key, DIGEST, signature))


def integer(body):
    return bytes([2, len(body)]) + body


def sequence(*bodies):
    inner = b"".join(bodies)
    return bytes([0x30, len(inner)]) + inner


def test_small_numbers_are_numbers():
    key = curve.recovered(SMALL, SMALL[0], S, E)
    assert judged(key, encode_dss_signature(SMALL[0], S)) is True
    point = next(curve.points(2**200))
    assert (
        judged(curve.recovered(point, point[0], 1, E), encode_dss_signature(point[0], 1)) is True
    )


def test_a_small_r_alone_proves_nothing():
    key = curve.recovered(SMALL, SMALL[0], S, E)
    for r in {*range(1, 9)} - {SMALL[0]}:
        assert judged(key, encode_dss_signature(r, S)) is False


@pytest.mark.parametrize("point", [next(curve.points(0)), next(curve.points(3))])
def test_an_r_that_is_x_only_modulo_p_is_none(point):
    r = point[0] + curve.P - curve.N
    assert judged(curve.recovered(point, r, S, E), encode_dss_signature(r, S)) is False


@pytest.mark.parametrize("s", [0, curve.N])
def test_an_s_that_has_no_inverse_is_none(s):
    point = next(curve.points(2**200))
    as_if = p256.inverse(s, curve.N)
    assert as_if
    key = curve.recovered(point, point[0], pow(as_if, -1, curve.N), E)
    assert judged(key, encode_dss_signature(point[0], s)) is False


def test_a_point_is_on_the_curve_and_has_one_form():
    for x, y in (next(curve.points(0)), next(curve.points(3))):
        assert p256._point(curve.encoded((x, y))) == (x, y)
        assert p256._point(curve.encoded((x, y + 1))) is None
        assert p256._point(curve.encoded((x + curve.P, y))) is None


def test_numbers_have_one_form():
    point = next(curve.points(0x80 << 248))
    key, whole = curve.recovered(point, point[0], S, E), point[0].to_bytes(32, "big")
    assert judged(key, sequence(integer(b"\0" + whole), integer(bytes([S])))) is True
    assert judged(key, sequence(integer(whole), integer(bytes([S])))) is False  # negative
    assert judged(key, sequence(integer(b"\0\0" + whole), integer(bytes([S])))) is False
    assert judged(key, sequence(integer(b"\0" + whole), integer(bytes([0, S])))) is False


def test_a_sequence_has_two_integers_and_ends():
    point = next(curve.points(2**200))
    key, whole = curve.recovered(point, point[0], S, E), point[0].to_bytes(26, "big")
    good = sequence(integer(whole), integer(bytes([S])))
    assert judged(key, good) is True
    for bad in (
        sequence(integer(whole)),
        sequence(integer(whole), integer(bytes([S])), integer(b"\1")),
        sequence(integer(whole), integer(bytes([S])), b"\2"),
        sequence(integer(whole), b"\2"),
        sequence(integer(whole), b"\2\1"),
        sequence(integer(whole), b"\2\0"),
        sequence(integer(whole), b"\2\2\7"),
        sequence(integer(whole), b"\3\1\7"),
    ):
        assert judged(key, bad) is False, bad
    for end, _ in pairwise(range(len(good))):
        assert judged(key, sequence(good[2:end])) is False
