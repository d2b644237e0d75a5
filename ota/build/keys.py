"""Signing keys as files: PKCS#8 PEM, encrypted under a passphrase, for the owner only.

Root and targets keys stay with the release manager (HOME/keys); the server holds snapshot and
timestamp keys, unencrypted because it signs by itself at night, and can make no release of them.
"""

import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner

from ota.build.errors import SigningKeyError

PASSPHRASE_VARIABLE = "LAMPPOST_KEY_PASSPHRASE"  # noqa: S105 - the variable's name
PASSPHRASE_MIN = 8  # characters
P256 = "p256"
RSA = "rsa3072"
KINDS = (P256, RSA)
# What every node verifies; other schemes are modules that a node may leave out.
SCHEMES = ("ecdsa-sha2-nistp256", "rsassa-pss-sha256")


def generate(path: Path, passphrase: str | None, kind: str = P256) -> CryptoSigner:
    """Make a key of one of KINDS, write it to `path` with mode 0600 and return its signer.

    With `passphrase` None the key is not encrypted. SigningKeyError when the file exists (a key
    is never overwritten) or the passphrase is too short.
    """
    if passphrase is not None and len(passphrase) < PASSPHRASE_MIN:
        raise SigningKeyError(f"a passphrase has at least {PASSPHRASE_MIN} characters")
    encryption: KeySerializationEncryption = NoEncryption()
    if passphrase is not None:
        encryption = BestAvailableEncryption(passphrase.encode())
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    if kind == RSA:
        key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    else:
        key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    write_private(path, pem)
    return CryptoSigner(key)


def load(path: Path, passphrase: str | None) -> CryptoSigner:
    """Read a signing key; SigningKeyError says whether file, passphrase or format is wrong.

    `passphrase` is used only when the file is encrypted. A file that others may read is refused.
    """
    try:
        pem = path.read_bytes()
        mode = path.stat().st_mode & 0o077
    except OSError as error:
        raise SigningKeyError(f"key {path}: {error.strerror}") from error
    if mode:
        raise SigningKeyError(f"key {path} can be read by others: chmod 600 {path}")
    encrypted = is_encrypted(pem)
    if encrypted and passphrase is None:
        raise SigningKeyError(f"key {path} is encrypted: set {PASSPHRASE_VARIABLE}")
    try:
        key = load_pem_private_key(pem, passphrase.encode() if encrypted and passphrase else None)
        return CryptoSigner(key)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        if encrypted:
            raise SigningKeyError(f"key {path}: the passphrase is wrong") from error
        raise SigningKeyError(f"key {path} is no PEM of a signing key: {error}") from error


def is_encrypted(pem: bytes) -> bool:
    """Tell whether a PKCS#8 PEM is encrypted."""
    return b"BEGIN ENCRYPTED PRIVATE KEY" in pem


def write_private(path: Path, data: bytes) -> None:
    """Write a new file that only its owner may read, from its first byte on (mode 0600)."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            path.unlink()  # half a key would stand in the way of a whole one
            raise
    except FileExistsError as error:
        raise SigningKeyError(f"key {path} exists already: it is never overwritten") from error
    except OSError as error:
        raise SigningKeyError(f"cannot write {path}: {error.strerror}") from error
