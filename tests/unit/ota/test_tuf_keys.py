"""Keys in metadata: every scheme against the reference library, and releases that lack one."""

import hashlib
import io
import random
import sys

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from outcomes import finish
from securesystemslib.signer import CryptoSigner
from updating import NOW

from ota.core import errors, keys, metadata, tuf
from ota.core import rsa as ours

SCHEMES = {
    "ecdsa-sha2-nistp256": CryptoSigner.generate_ecdsa,
    "rsassa-pss-sha256": lambda: CryptoSigner.generate_rsa(size=2048),
    "rsa-pkcs1v15-sha256": lambda: CryptoSigner.generate_rsa(
        scheme="rsa-pkcs1v15-sha256", size=2048
    ),
    "ed25519": CryptoSigner.generate_ed25519,
}
MODULES = {"rsa-pkcs1v15-sha256": "pkcs1", "ed25519": "ed25519"}


def with_timestamp_key(repository, signer):
    repository.rotate("timestamp", signer)
    repository.next_root()
    repository.publish()


def refreshed(repository):
    trusted = tuf.Trusted(io.BytesIO(repository.files["1.root.json"]), NOW)
    finish(trusted.update_root(io.BytesIO(repository.files["2.root.json"])))
    return finish(trusted.update_timestamp(io.BytesIO(repository.files["timestamp.json"])))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_each_scheme_signs_a_role(repository, scheme):
    with_timestamp_key(repository, SCHEMES[scheme]())
    assert refreshed(repository) is True


@pytest.mark.parametrize("scheme", SCHEMES)
def test_each_schemes_bad_signature_is_refused(repository, scheme):
    with_timestamp_key(repository, SCHEMES[scheme]())
    with repository.bent("timestamp") as document:
        document["signed"]["version"] += 1
    with pytest.raises(errors.BadSignature, match="0 of 1"):
        refreshed(repository)


@pytest.mark.parametrize("scheme", MODULES)
def test_what_a_release_leaves_out_counts_for_nothing(repository, scheme, monkeypatch):
    with_timestamp_key(repository, SCHEMES[scheme]())
    monkeypatch.setitem(sys.modules, f"ota.core.{MODULES[scheme]}", None)
    monkeypatch.delattr(f"ota.core.{MODULES[scheme]}", raising=False)
    with pytest.raises(errors.BadSignature, match="0 of 1"):
        refreshed(repository)


def test_one_rsa_key_under_two_schemes_counts_once(repository):
    pss = SCHEMES["rsassa-pss-sha256"]()
    pkcs1 = CryptoSigner(pss._private_key)
    pkcs1.public_key.scheme = "rsa-pkcs1v15-sha256"
    pkcs1.public_key.keyid = "f" * 64
    repository.rotate("timestamp", pss)
    repository.root.add_key(pkcs1.public_key, "timestamp")
    repository.root.roles["timestamp"].threshold = 2
    repository.next_root()
    repository.publish()
    with repository.bent("timestamp") as document:
        digest = metadata.digest(document["signed"])
        signature = pss._private_key.sign(digest, padding.PKCS1v15(), Prehashed(hashes.SHA256()))
        document["signatures"].append({"keyid": "f" * 64, "sig": signature.hex()})
    with pytest.raises(errors.BadSignature, match="1 of 2"):
        refreshed(repository)


def test_pss_as_openssl_makes_it():
    rng = random.Random(8017)
    for size in (2048, 3072):
        private = rsa.generate_private_key(65537, size)
        der = private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        for salt in (0, 20, 32, padding.PSS.MAX_LENGTH):
            digest = hashlib.sha256(rng.randbytes(9)).digest()
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt)
            signature = private.sign(digest, pss, Prehashed(hashes.SHA256()))
            assert finish(ours.verify(der, digest, signature)) is True
            at = rng.randrange(len(signature))
            bad = bytearray(signature)
            bad[at] ^= 1 << rng.randrange(8)
            assert finish(ours.verify(der, digest, bytes(bad))) is False
            assert finish(ours.verify(der, digest[::-1], signature)) is False


def test_pss_paddings_that_are_none():
    """Each check of RFC 8017 has its counterexample, signed by the true key."""
    private = rsa.generate_private_key(65537, 2048)
    der = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    numbers = private.private_numbers()
    n = numbers.public_numbers.n
    digest = hashlib.sha256(b"x").digest()

    def judged(data, seed, *, trailer=0xBC, top=0):
        mask = b"".join(hashlib.sha256(seed + i.to_bytes(4, "big")).digest() for i in range(8))
        masked = bytearray(a ^ b for a, b in zip(data, mask, strict=False))
        masked[0] = masked[0] & 127 | top
        message = int.from_bytes(bytes(masked) + seed + bytes([trailer]), "big")
        if message >= n:
            return None
        signature = pow(message, numbers.d, n).to_bytes(256, "big")
        return finish(ours.verify(der, digest, signature))

    salt = b"s" * 32
    seed = hashlib.sha256(bytes(8) + digest + salt).digest()
    good = bytes(223 - 33) + b"\1" + salt
    assert len(good) == 223
    assert judged(good, seed) is True
    assert judged(good, seed, trailer=0xBD) is False
    verdicts = set()
    for i in range(64):  # the leftmost bit, in those messages that the modulus exceeds
        seed_i = hashlib.sha256(bytes(8) + digest + bytes([i])).digest()
        verdicts.add(judged(bytes(221) + bytes([1, i]), seed_i, top=0x80))
    assert verdicts - {None} == {False}
    assert judged(b"\1" + good[1:], seed) is False  # no zeros before the one
    assert judged(bytes(190) + b"\2" + salt, seed) is False
    assert judged(bytes(223), seed) is False  # no one at all
    assert judged(good[:-1] + b"t", seed) is False  # another salt


@pytest.mark.parametrize(
    "change",
    [
        {"scheme": "unknown"},
        {"scheme": None},
        {"keytype": "rsa"},
        {"keyval": None},
        {"keyval": {"public": 5}},
        {"keyval": {"public": "none"}},
        {"keyval": {"public": "-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----"}},
        {"keyval": {}},
        {"keytype": "ed25519", "scheme": "ed25519"},
        {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": "zz"}},
        {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": "00"}},
    ],
)
def test_what_is_no_key_is_never_right(change):
    signer = CryptoSigner.generate_ecdsa()
    signed = {"a": 1}
    signature = signer.sign(b'{"a":1}').signature
    digest = metadata.digest(signed)
    key = signer.public_key.to_dict()
    assert finish(keys.verify(key, signed, digest, signature)) is True
    assert finish(keys.verify(key | change, signed, digest, signature)) is False


def told(data, algorithms):
    return {"hashes": {name: hashlib.new(name, data).hexdigest() for name in algorithms}}


@pytest.mark.parametrize("algorithms", [["sha256"], ["sha512"], ["sha256", "sha512"]])
def test_metadata_and_targets_by_either_hash(repository, algorithms):
    data = repository.files["timestamp.json"]
    assert metadata.read(io.BytesIO(data), "timestamp", told(data, algorithms))
    with pytest.raises(errors.BadHash):
        metadata.read(io.BytesIO(data), "timestamp", told(b"other", algorithms))
    found = metadata.target({"targets": {"x": {"length": 1} | told(b"x", algorithms)}}, "x")
    assert found == (1, hashlib.new(algorithms[0], b"x").hexdigest())


def test_a_node_without_sha512_says_so(repository, monkeypatch):
    monkeypatch.setitem(sys.modules, "ota.core.sha512", None)
    monkeypatch.delattr("ota.core.sha512", raising=False)
    data = repository.files["timestamp.json"]
    with pytest.raises(errors.BadHash, match="no SHA-512"):
        metadata.read(io.BytesIO(data), "timestamp", told(data, ["sha512"]))
    assert metadata.read(io.BytesIO(data), "timestamp", told(data, ["sha256", "sha512"]))
