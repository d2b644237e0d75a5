"""RSASSA-PSS signatures of who has the key and pads otherwise than RFC 8017 section 9.1.1 says."""

from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa as openssl
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ota.core import rsa

DIGEST = sha256(b"sample").digest()
SALT = bytes(range(32))
BYTES = 256
MASKED = BYTES - 33  # of the message: what the seed masks


@pytest.fixture(scope="module")
def key():
    return openssl.generate_private_key(65537, 8 * BYTES)


def encoded(padding, salt=SALT, seed=None, end=0xBC):
    """Return the message of a block that has this before its salt."""
    seed = seed or sha256(bytes(8) + DIGEST + salt).digest()
    block = padding.rjust(MASKED - len(salt), b"\0") + salt
    masked = bytearray(a ^ b for a, b in zip(block, rsa._mask(seed, MASKED), strict=True))
    masked[0] &= 127
    return bytes(masked) + seed + bytes([end])


def messages():
    """Give sound messages, each of another salt."""
    return (encoded(b"\1", number.to_bytes(32, "big")) for number in range(2000))


def accepted(key, message):
    numbers = key.private_numbers()
    n = numbers.public_numbers.n
    raised = pow(int.from_bytes(message, "big"), numbers.d, n).to_bytes(BYTES, "big")
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    checking = rsa.verify(public, DIGEST, raised)
    try:
        while True:
            next(checking)
    except StopIteration as end:
        return end.value


def test_the_padding_of_the_standard_is_accepted(key):
    assert accepted(key, encoded(b"\1")) is True


@pytest.mark.parametrize(
    "padding",
    [
        b"",
        b"\2",
        b"\0\1\0",
        b"X\1",
        b"\1".rjust(9, b"X"),
        b"\x40".ljust(MASKED - len(SALT) - 1, b"\0") + b"\1",
        b"X".ljust(MASKED - len(SALT) - 1, b"X") + b"\1",
    ],
)
def test_any_other_is_refused(key, padding):
    assert accepted(key, encoded(padding)) is False


def test_a_bit_that_the_modulus_has_no_room_for_is_refused(key):
    n = key.public_key().public_numbers().n
    higher = (bytes([message[0] | 128]) + message[1:] for message in messages())
    assert accepted(key, next(each for each in higher if int.from_bytes(each, "big") < n)) is False


def test_the_highest_byte_that_it_has_room_for_is_accepted(key):
    assert accepted(key, next(each for each in messages() if each[0] == 127)) is True


def test_another_end_or_hash_is_refused(key):
    assert accepted(key, encoded(b"\1", end=0xBD)) is False
    assert accepted(key, encoded(b"\1", seed=bytes(32))) is False


def der(n):
    numbers = openssl.RSAPublicNumbers(65537, n)
    return numbers.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def test_a_modulus_has_2048_to_4096_bits_in_whole_bytes():
    for bits in (2048, 3072, 4096):
        for n in ((1 << (bits - 1)) + 1, (1 << bits) - 1):
            assert rsa._modulus(der(n)) == (n, bits // 8)
    for bits in (2040, 2047, 2049, 4095, 4097, 4104):
        assert rsa._modulus(der((1 << bits) - 1)) == (0, -1)
