"""What a technician hands over for a node, checked before it goes onto flash."""

import json
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tuf.api.exceptions import RepositoryError as TufError
from tuf.api.metadata import Metadata, Root

from firmware.core import config as rules
from firmware.core.errors import ConfigError
from ota.build.errors import FieldError
from ota.build.release import Header
from ota.core import limits, versions

_CLAIM_MAX = 128  # characters


def read(path: Path, what: str) -> bytes:
    """Return a file's bytes; FieldError names what it was to be."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise FieldError(f"{what} {path}: {error.strerror}") from error


def config(path: Path) -> tuple[bytes, list[str]]:
    """Return a configuration as it goes onto flash, and what of it this release does not know.

    It is packed to one line and checked by the firmware's own rules; FieldError names the field
    that is wrong.
    """
    data = read(path, "configuration")
    try:
        document = json.loads(data)
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        packed = text.encode()
        return packed, rules.parse(packed)["ignored"]
    except (ValueError, RecursionError) as error:
        raise FieldError(f"configuration {path} is no JSON: {error}") from error
    except ConfigError as error:
        raise FieldError(f"configuration {path}: {str(error).removeprefix(': ')}") from error


def claim(path: Path) -> bytes:
    """Return a claim token: one word of printable ASCII."""
    token = read(path, "claim token").strip()
    if not is_claim(token):
        raise FieldError(
            f"claim token {path}: expected one word of at most {_CLAIM_MAX} characters,"
            " as `lamppost device claim` prints it"
        )
    return token


def is_claim(token: bytes) -> bool:
    """Say whether it has the form of a claim token."""
    return 0 < len(token) <= _CLAIM_MAX and all(33 <= byte < 127 for byte in token)


def root(path: Path) -> bytes:
    """Return TUF root metadata, unchanged; it must be signed by its own keys."""
    data = read(path, "root metadata")
    try:
        metadata = Metadata[Root].from_bytes(data)
        if not isinstance(metadata.signed, Root):
            raise FieldError(f"root metadata {path} is {metadata.signed.type} metadata")
        metadata.verify_delegate("root", metadata)
    except (TufError, ValueError) as error:
        raise FieldError(
            f"root metadata {path}: {error}; it is HOME/keys/root.json of `lamppost ota init`"
        ) from error
    if len(data) > limits.ROOT_BYTES:
        raise FieldError(
            f"root metadata {path}: {len(data)} bytes, a node reads {limits.ROOT_BYTES}"
        )
    return data


def anchors(paths: tuple[Path, ...]) -> list[bytes]:
    """Return CA certificates as DER, one element each, from PEM (one or more) or DER files."""
    found: list[bytes] = []
    for path in paths:
        data = read(path, "CA certificate")
        try:
            if b"-----BEGIN" in data:
                certificates = x509.load_pem_x509_certificates(data)
            else:
                certificates = [x509.load_der_x509_certificate(data)]
        except (ValueError, x509.InvalidVersion) as error:
            raise FieldError(f"CA certificate {path} is neither PEM nor DER") from error
        found += [certificate.public_bytes(Encoding.DER) for certificate in certificates]
    return found


def check_runtime(header: Header, version: str) -> None:
    """Raise FieldError when a runtime's version, if known, is older than the release needs.

    A preview (`1.27.0-preview.5`) is older than its release.
    """
    if version and versions.key(version) < versions.key(header.runtime):
        raise FieldError(
            f"the runtime is MicroPython {version}, release {header.version} needs"
            f" {header.runtime} or newer"
        )
