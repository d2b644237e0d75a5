"""Public keys of TUF metadata: which schemes a node speaks, and how each is verified.

A key whose scheme is not spoken here counts for nothing, as the specification has it
(section 4.2). A scheme is a module with `verify(public, subject, signature)`, a generator of bool
that yields between slices of work; it is loaded when a key asks for it:

    ecdsa-sha2-nistp256   p256       subject: SHA-256 of the canonical JSON
    rsassa-pss-sha256     rsa        likewise
    rsa-pkcs1v15-sha256   pkcs1      likewise; a release leaves it out unless built --with pkcs1
    ed25519               ed25519    the object itself; likewise left out
"""

from binascii import a2b_base64, unhexlify

# SubjectPublicKeyInfo of a P-256 point, up to the point (RFC 5480 section 2).
_SPKI = unhexlify("3059301306072a8648ce3d020106082a8648ce3d030107034200")
_BEGIN = "-----BEGIN PUBLIC KEY-----"
_END = "-----END PUBLIC KEY-----"


def verify(key: dict, signed: dict, digest: bytes, signature: str):  # noqa: ANN201 - a generator
    """Say whether signature (hex) of signed is valid under key (a TUF KEY object).

    digest: SHA-256 of its canonical JSON.
    """
    scheme = _scheme(key)
    value = public(key)
    if scheme is None or value is None:
        return False
    try:
        found = unhexlify(signature)
    except (ValueError, TypeError):
        return False
    subject = signed if key["keytype"] == "ed25519" else digest
    return (yield from scheme.verify(value, subject, found))  # pyright: ignore[reportArgumentType]


def public(key: dict) -> bytes | None:
    """Return what makes a TUF KEY object this key and no other; None if that cannot be read.

    P-256: the point, 65 bytes; RSA: SubjectPublicKeyInfo in DER, which its module reads in one
    form only; Ed25519: 32 bytes.
    """
    value = key.get("keyval")
    text = value.get("public") if type(value) is dict else None
    if type(text) is not str:
        return None
    try:
        if key.get("keytype") == "ed25519":
            return unhexlify(text)
        text = text.strip()
        if not text.startswith(_BEGIN) or not text.endswith(_END):
            return None
        der = a2b_base64(text[len(_BEGIN) : -len(_END)])
    except ValueError:
        return None
    if key.get("keytype") == "rsa":
        return der
    return der[26:] if len(der) == 91 and der[:26] == _SPKI else None


def _scheme(key: dict):  # noqa: ANN202 - a module
    """Return the module for a key's scheme and type, None if this node has none."""
    name, kind = key.get("scheme"), key.get("keytype")
    found = None
    try:
        if name == "ecdsa-sha2-nistp256":
            if kind in ("ecdsa", name):
                from ota.core import p256 as found
        elif kind == "rsa":
            if name == "rsassa-pss-sha256":
                from ota.core import rsa as found
            elif name == "rsa-pkcs1v15-sha256":
                from ota.core import pkcs1 as found
        elif name == kind == "ed25519":
            from ota.core import ed25519 as found
    except ImportError:
        pass  # this release leaves it out
    return found
