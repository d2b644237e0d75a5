"""P-256: the RFC's vectors, and signatures that must not pass."""

from binascii import unhexlify
from hashlib import sha256

from ota.core import p256, p256key
from outcomes import finish

N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
# RFC 6979 appendix A.2.5
D = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
KEY = unhexlify(
    "0460FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"
    "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299"
)
R = 0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716
S = 0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8
SAMPLE = sha256(b"sample").digest()


def verify(key, digest, signature):
    return finish(p256.verify(key, digest, signature))


def integer(value, padding=b""):
    body = value.to_bytes(33, "big")
    while body[0] == 0 and body[1] < 128:
        body = body[1:]
        if len(body) == 1:
            break
    body = padding + body
    return b"\x02" + bytes([len(body)]) + body


def der(*parts):
    body = b"".join(parts)
    return b"\x30" + bytes([len(body)]) + body


GOOD = der(integer(R), integer(S))


def test_public_key_of_the_rfc():
    assert p256key.public(D) == KEY


def test_signatures_of_the_rfc():
    assert p256key.sign(D, SAMPLE) == GOOD
    r = 0xF1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367
    s = 0x019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083
    assert p256key.sign(D, sha256(b"test").digest()) == der(integer(r), integer(s))


def test_short_integers_are_written_short():
    digest = sha256(b"192").digest()  # s has 243 bits
    signature = p256key.sign(D, digest)
    assert len(signature) == 70
    assert signature[37:39] == b"\x02\x1f"
    assert verify(KEY, digest, signature) is True


def test_good_signatures_pass():
    assert verify(KEY, SAMPLE, GOOD) is True
    assert verify(KEY, SAMPLE, der(integer(R), integer(N - S))) is True  # as good, by the maths


def test_another_message_or_key_does_not():
    assert verify(KEY, sha256(b"samplf").digest(), GOOD) is False
    assert verify(p256key.public(D + 1), SAMPLE, GOOD) is False
    assert verify(KEY, SAMPLE[:31], GOOD) is False


def test_r_and_s_out_of_range():
    for r, s in ((0, S), (R, 0), (0, 0), (N, S), (R, N), (R + N, S), (R, S + N), (R, P)):
        assert verify(KEY, SAMPLE, der(integer(r), integer(s))) is False


def test_integers_that_are_not_minimal_or_not_positive():
    assert verify(KEY, SAMPLE, der(integer(R, b"\0"), integer(S))) is False
    assert verify(KEY, SAMPLE, der(integer(R), integer(S, b"\0"))) is False
    negative = b"\x02\x20" + R.to_bytes(32, "big")
    assert verify(KEY, SAMPLE, der(negative, integer(S))) is False
    assert verify(KEY, SAMPLE, der(b"\x02\x00", integer(S))) is False
    assert verify(KEY, SAMPLE, der(integer(R), b"\x02\x00")) is False


def test_sequences_that_are_not_just_two_integers():
    r, s = integer(R), integer(S)
    for bad in (
        b"",
        b"\x30",
        b"\x30\x00",
        der(r),
        der(r, s, s),
        der(r, s, b"\x05\x00"),
        GOOD + b"\0",
        GOOD[:-1],
        b"\x30\x81" + GOOD[1:],
        b"\x30\x80" + r + s + b"\0\0",
        b"\x31" + GOOD[1:],
        der(b"\x03" + r[1:], s),
        der(r, b"\x02\x22" + s[2:]),
        der(b"\x02\x81\x21" + r[2:], s),
        der(b"\x02\xff" + r[2:], s),
        r + s,
        b"\x30" + bytes([GOOD[1] + 1]) + GOOD[2:],
        GOOD * 2,
    ):
        assert verify(KEY, SAMPLE, bad) is False


def test_points_that_are_none_of_the_curve():
    x, y = KEY[1:33], KEY[33:]
    flipped = KEY[:-1] + bytes([KEY[-1] ^ 1])
    high = (int.from_bytes(x, "big") + P) % (1 << 256)
    for bad in (
        b"",
        b"\0",
        KEY[:64],
        KEY + b"\0",
        b"\x02" + x,
        b"\x03" + KEY[1:],
        b"\x04" + bytes(64),
        b"\x04" + b"\xff" * 64,
        b"\x04" + P.to_bytes(32, "big") + y,
        b"\x04" + high.to_bytes(32, "big") + y,
        b"\x04" + y + x,
        flipped,
    ):
        assert verify(bad, SAMPLE, GOOD) is False


def test_the_negated_key_is_a_key_but_another():
    y = P - int.from_bytes(KEY[33:], "big")
    assert verify(KEY[:33] + y.to_bytes(32, "big"), SAMPLE, GOOD) is False


def test_sums_that_meet_infinity_and_doubling():
    # Keys d = 1 and d = n - 1: u1 G and u2 Q are multiples of the same small table.
    for d in (1, 2, N - 1, (N + 1) // 2):
        for message in (b"", b"a", b"b"):
            digest = sha256(message).digest()
            key = p256key.public(d)
            assert verify(key, digest, p256key.sign(d, digest)) is True
    # u1 G + u2 Q = infinity: Q = G, e = -r.
    r = 5
    e = (N - r).to_bytes(32, "big")
    assert verify(p256key.public(1), e, der(integer(r), integer(7))) is False
    # The digest is zero.
    assert verify(p256key.public(3), bytes(32), p256key.sign(3, bytes(32))) is True


def test_keys_are_drawn_until_one_is_in_range():
    for d in (1, N - 1):
        assert p256key.generate(lambda size: d.to_bytes(size, "big")) == d  # noqa: B023 - at once
    drawn = [bytes(32), N.to_bytes(32, "big"), b"\xff" * 32, b"\0" * 31 + b"\x07"]
    assert p256key.generate(lambda size: drawn.pop(0) if size == 32 else b"") == 7
    assert drawn == []


def test_verification_comes_in_slices():
    slices = len(list(p256.verify(KEY, SAMPLE, GOOD)))
    assert 8 <= slices <= 20
