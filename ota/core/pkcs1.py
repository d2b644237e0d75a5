"""RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 sections 8.2.2 and 9.2): verify.

For repositories of others; a release leaves it out unless built --with pkcs1.
"""

from binascii import unhexlify

from ota.core import rsa

_INFO = unhexlify("003031300d060960864801650304020105000420")  # DigestInfo of SHA-256, after a 0


def verify(key: bytes, digest: bytes, signature: bytes):  # noqa: ANN201 - a generator of bool
    """Say whether a signature of a SHA-256 digest is valid; keys and slices as in rsa."""
    message = yield from rsa.opened(key, signature)
    tail = _INFO + digest
    return message == b"\0\1" + b"\xff" * (len(message) - 2 - len(tail)) + tail
