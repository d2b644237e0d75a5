"""The schemes beside P-256 on both interpreters: vectors of OpenSSL, FIPS 180-4's examples."""

from binascii import b2a_base64, hexlify, unhexlify
from hashlib import sha256

from ota.core import ed25519, keys, pkcs1, rsa
from ota.core.sha512 import Sha512

SAMPLE = sha256(b"sample").digest()
OTHER = sha256(b"other").digest()
RSA_KEY = unhexlify(
    "30820122300d06092a864886f70d01010105000382010f003082010a0282010100e0e9acfa3270a120d160a5"
    "a468a1c503bb900c974a41bcc73625498436c1dc883b924fd42c108088f09a26c54819b6ab23313232312db5"
    "87fa329a787663545d74291b25782fe9728076f45ead61f62246a010818645e96144fab8836b10acd5aeb364"
    "e843d96f67b3676dae223de3db20e26df6cf2349488a5b2715d600ed6cbd1e0a7a30deb1a08822db91a79fc3"
    "45917c96964ae765a02aedac27ddfa465cdef96268001a51d96eae8a61109aae9e9c26940f4fb74f3d27583b"
    "ee05a868a6860a627bf52e3a14f9b342f537d160ba23f0dbd2c9b95e206cb92eae4c621a2de783d51081e836"
    "5da5e045f152ff1b75f19864e51556108d2de85cceed798d450203010001"
)
PSS = unhexlify(
    "026af0a75553ae2fe9687c5cb6db5fa614f1cd3629dc31fc9fa58688015bfd1828462f792b9e11e69f7f486d"
    "949e555372f02ce7075d350e0e252016aa84ec1b709b9b0ac078a1b12c0b325d679cde0535a09b1d29899e57"
    "2b093d0949a0e859b36ccc1776a9cf3f9000640d1697e61d84b7e5571fefd9132a92ee56430514a3391430f8"
    "cd7d16542e149cd74f80ef8de8639fa3c4436561cc4ce343aff880281a65effdd2076c12e01c749e1ea16634"
    "00cb431b3ee84d5d33acd97b5a47b7eadf6c237f33c149f5af30d58acc33a4056d8c62b8c4a42a478135d9ca"
    "3fe259e2598439fbef29f7a28b0ce7d3c4aacba9fa6aa18dfde4b19e3d4d83e4577a5a67"
)
PKCS1 = unhexlify(
    "23c716575c8b1cd76a2cdedf5ebb2f2b2ba1162a06dcc823dd02f11d91689ed3f35d72452ff89b5cda5d3591"
    "2d0196c44daa2764d0d9a649f71973406503a1ecda9f981922a3f2bc8f42b8d3a7c1add3479e8bc4fc6e0221"
    "7c844402421c2e15cde8eab27f5f36488734ae41ceb3554420fe1184b6a6b1331b910543d5c9acd2c6ac38cc"
    "698f0bbde2a1e6424f672391e917838606a19fd416e42ffe06fcc6d5a9a11ea87e7f2c7aa2921266d1a3862d"
    "4c476a995663529b820b4935e7c75c2cfec685bc32822f3c6ce05efde7b6b2829a0ab3e319382c14e97d9ff8"
    "073eddfe87fda295523a454b6f2c300954763c47c2bd76f610b258638826fe0dcc8309ad"
)
ED_KEY = unhexlify("b1e101e0f484913e367f710613db05adf4ee4f70b3c924f505e63f9832a4b2d1")
SIGNED = {"b": None, "a": [1, "x"]}
ED = unhexlify(
    "b7acfb428fc6114480ca919dd53caf8ca50817199add345f0ff2cbf05a8d495998f860ea3c88294ae6e14d5e"
    "459d9eb4688ca79af965e281230977656b795d04"
)
# A key whose decoding takes the root of -1, as every second one's (RFC 8032 section 5.1.3).
ED_ROOT_KEY = unhexlify("ca93ac1705187071d67b83c7ff0efe8108e8ec4530575d7726879333dbdabe7c")
ED_ROOT = unhexlify(
    "79526b66550b6dd03c65942984c86744bf59920f53fa9a7f0bfa4ad29560d569e2c44f905766bb0d76c591be"
    "8387030a76fa7e4510e97bf7f1bf226c3af02e0a"
)
FIELD = (1 << 255) - 19
ORDER = (1 << 252) + 27742317777372353535851937790883648493


def judged(generator):
    slices = 0
    while True:
        try:
            next(generator)
            slices += 1
        except StopIteration as end:
            return end.value, slices


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


POINT = b"\x04" + bytes(range(64))
SPKI = unhexlify("3059301306072a8648ce3d020106082a8648ce3d030107034200") + POINT
BEGIN = "-----BEGIN PUBLIC KEY-----"
END = "-----END PUBLIC KEY-----"


def pem(der, begin=BEGIN, end=END):
    text = begin + "\n" + b2a_base64(der).decode() + end + "\n"
    return {"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": text}}


def test_a_key_is_its_point():
    assert keys.public(pem(SPKI)) == POINT
    assert keys.public(dict(pem(RSA_KEY), keytype="rsa")) == RSA_KEY
    for at in range(26):  # another algorithm, another curve, other lengths
        assert keys.public(pem(flipped(SPKI, at))) is None, at
    for bad in (
        pem(SPKI + b"\0"),
        pem(SPKI[:-1]),
        pem(POINT),
        pem(b""),
        pem(SPKI, begin="-----BEGIN PRIVATE KEY----"),
        pem(SPKI, end="-----END PRIVATE KEY----"),
        pem(SPKI, begin=""),
        pem(SPKI, end=""),
    ):
        assert keys.public(bad) is None, bad


def test_pss():
    assert judged(rsa.verify(RSA_KEY, SAMPLE, PSS)) == (True, 3)
    assert judged(rsa.verify(RSA_KEY, OTHER, PSS))[0] is False
    for at in (0, 100, 255):
        assert judged(rsa.verify(RSA_KEY, SAMPLE, flipped(PSS, at)))[0] is False
    assert judged(rsa.verify(RSA_KEY, SAMPLE, PKCS1))[0] is False


def test_pkcs1():
    assert judged(pkcs1.verify(RSA_KEY, SAMPLE, PKCS1)) == (True, 3)
    assert judged(pkcs1.verify(RSA_KEY, OTHER, PKCS1))[0] is False
    assert judged(pkcs1.verify(RSA_KEY, SAMPLE, flipped(PKCS1, 9)))[0] is False
    assert judged(pkcs1.verify(RSA_KEY, SAMPLE, PSS))[0] is False


def test_rsa_signatures_of_another_size_or_beyond_the_modulus():
    for bad in (b"", PSS[:-1], b"\0" + PSS, PSS + b"\0", b"\xff" * 256):
        assert judged(rsa.verify(RSA_KEY, SAMPLE, bad)) == (False, 0)
        assert judged(pkcs1.verify(RSA_KEY, SAMPLE, bad)) == (False, 0)


def test_rsa_keys_have_one_form():
    end = len(RSA_KEY) - 1
    for bad in (b"", RSA_KEY[:-1], RSA_KEY + b"\0", RSA_KEY[:33] + RSA_KEY[34:], bytes(300)):
        assert judged(rsa.verify(bad, SAMPLE, PSS)) == (False, 0)
    for at in (0, 2, 5, 19, 32, 33 + 255, end):  # head, lengths, an even modulus, the exponent
        assert judged(rsa.verify(flipped(RSA_KEY, at), SAMPLE, PSS)) == (False, 0)


def test_ed25519():
    good, slices = judged(ed25519.verify(ED_KEY, SIGNED, ED))
    assert good is True
    assert slices == 10
    assert judged(ed25519.verify(ED_ROOT_KEY, SIGNED, ED_ROOT))[0] is True
    assert judged(ed25519.verify(ED_KEY, {"b": None}, ED))[0] is False
    for at in (0, 31, 32, 60):
        assert judged(ed25519.verify(ED_KEY, SIGNED, flipped(ED, at)))[0] is False
    assert judged(ed25519.verify(flipped(ED_KEY, 3), SIGNED, ED))[0] is False


def test_ed25519_is_not_malleable():
    s = int.from_bytes(ED[32:], "little") + ORDER
    assert judged(ed25519.verify(ED_KEY, SIGNED, ED[:32] + s.to_bytes(32, "little")))[0] is False
    for bad in (b"", ED[:-1], ED + b"\0"):
        assert judged(ed25519.verify(ED_KEY, SIGNED, bad))[0] is False
    for key in (b"", ED_KEY[:-1], b"\xff" * 32, b"\1" + bytes(30) + b"\x80"):
        assert judged(ed25519.verify(key, SIGNED, ED))[0] is False


def test_ed25519_keys_and_numbers_have_one_form():
    """Of the neutral point anybody can sign; any other spelling of what signs is refused."""

    def small(key, s=0, n=1):
        signature = (1).to_bytes(32, "little") + s.to_bytes(32, "little")
        return judged(ed25519.verify(key, {"a": n}, signature))[0]

    assert small((1).to_bytes(32, "little")) is True  # as RFC 8032 has it, and OpenSSL
    assert small((1).to_bytes(32, "little"), ORDER) is False
    assert small((1).to_bytes(33, "little")) is False
    assert small((1 | 1 << 255).to_bytes(32, "little")) is False  # -0
    assert small((FIELD + 1).to_bytes(32, "little")) is False
    assert any(small(bytes(32), n=n) for n in range(12))
    assert not any(small(FIELD.to_bytes(32, "little"), n=n) for n in range(12))


def test_sha512():
    for data, digest in (
        (b"", "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"),
        (b"abc", "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"),
        (b"a" * 1000, "67ba5535a46e3f86dbfbed8cbbaf0125c76ed549ff8b0b9e03e0c88cf90fa634"),
    ):
        sum_ = Sha512()
        for at in range(0, len(data), 90):
            sum_.update(memoryview(data)[at : at + 90])
        assert hexlify(sum_.digest()).decode().startswith(digest)
