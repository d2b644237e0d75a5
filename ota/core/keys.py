"""Public keys of TUF metadata: which schemes a node speaks, and how each is verified.

A key whose scheme is not spoken here counts for nothing, as the specification has it
(section 4.2). Each scheme works on the SHA-256 of the canonical JSON.
"""

from binascii import a2b_base64, unhexlify

# SubjectPublicKeyInfo of a P-256 point, up to the point (RFC 5480 section 2).
_SPKI = unhexlify("3059301306072a8648ce3d020106082a8648ce3d030107034200")
_BEGIN = "-----BEGIN PUBLIC KEY-----"
_END = "-----END PUBLIC KEY-----"


def verify(key: dict, digest: bytes, signature: str):  # noqa: ANN201 - see p256
    """Say whether signature (hex) of digest is valid under key (a TUF KEY object); in slices."""
    public = point(key)
    if public is None:
        return False
    try:
        der = unhexlify(signature)
    except (ValueError, TypeError):
        return False
    from ota.core import p256

    return (yield from p256.verify(public, digest, der))


def point(key: dict) -> bytes | None:
    """Return the P-256 point (65 bytes) of a TUF KEY object, None for any other kind of key."""
    if key.get("scheme") != "ecdsa-sha2-nistp256":
        return None
    if key.get("keytype") not in ("ecdsa", "ecdsa-sha2-nistp256"):
        return None
    value = key.get("keyval")
    pem = value.get("public") if type(value) is dict else None
    if type(pem) is not str:
        return None
    pem = pem.strip()
    if not pem.startswith(_BEGIN) or not pem.endswith(_END):
        return None
    try:
        der = a2b_base64(pem[len(_BEGIN) : -len(_END)])
    except ValueError:
        return None
    return der[26:] if len(der) == 91 and der[:26] == _SPKI else None
