"""The few ASN.1 structures of a node's identity, in DER (X.690 §10). Loaded for enrolment only.

Writes a PKCS#10 request (RFC 2986) and an EC private key (RFC 5915); reads EST's certs-only
PKCS#7 (RFC 7030 §4.1.3, RFC 5652 §5.1) and of X.509 certificates (RFC 5280 §4.1) what renewal
needs. Curve and signatures are P-256 and ECDSA with SHA-256 throughout.
"""

from binascii import a2b_base64, hexlify, unhexlify
from hashlib import sha256

from firmware.core.calendar import day
from firmware.core.errors import FormatError
from firmware.core.names import URN

LIMIT_BYTES = 8192

_INTEGER, _BITS, _OCTETS, _OID, _UTF8 = 0x02, 0x03, 0x04, 0x06, 0x0C
_SEQUENCE, _SET = 0x30, 0x31
# Object identifiers, encoded.
_COMMON_NAME = unhexlify("550403")
_SUBJECT_ALT_NAME = unhexlify("551d11")
_EC_PUBLIC_KEY = unhexlify("2a8648ce3d0201")
_P256 = unhexlify("2a8648ce3d030107")
_ECDSA_SHA256 = unhexlify("2a8648ce3d040302")
_EXTENSION_REQUEST = unhexlify("2a864886f70d01090e")
_SIGNED_DATA = unhexlify("2a864886f70d010702")


def element(tag: int, *parts: bytes) -> bytes:
    """Return a DER element whose content is `parts` in a row."""
    content = b"".join(parts)
    length = len(content)
    if length < 128:
        return bytes((tag, length)) + content
    if length < 256:
        return bytes((tag, 0x81, length)) + content
    return bytes((tag, 0x82, length >> 8, length & 255)) + content


def request(device: str, public: bytes, sign) -> bytes:  # noqa: ANN001 - a callable
    """Return a PKCS#10 request in DER: CN the device id, SAN the URI urn:dev:mac:<id>.

    `public` is the uncompressed point (65 bytes), `sign` maps a SHA-256 digest to a DER signature.
    """
    uri = element(0x86, (URN + device).encode())
    name = element(_OID, _COMMON_NAME) + element(_UTF8, device.encode())
    extension = element(
        _SEQUENCE,
        element(_OID, _SUBJECT_ALT_NAME),
        element(_OCTETS, element(_SEQUENCE, uri)),
    )
    attribute = element(
        _SEQUENCE,
        element(_OID, _EXTENSION_REQUEST),
        element(_SET, element(_SEQUENCE, extension)),
    )
    key = element(_SEQUENCE, element(_OID, _EC_PUBLIC_KEY), element(_OID, _P256))
    info = element(
        _SEQUENCE,
        element(_INTEGER, b"\0"),
        element(_SEQUENCE, element(_SET, element(_SEQUENCE, name))),
        element(_SEQUENCE, key, element(_BITS, b"\0", public)),
        element(0xA0, attribute),
    )
    return element(
        _SEQUENCE,
        info,
        element(_SEQUENCE, element(_OID, _ECDSA_SHA256)),
        element(_BITS, b"\0", sign(sha256(info).digest())),
    )


def private_key(d: int, public: bytes) -> bytes:
    """Return the ECPrivateKey (SEC 1, RFC 5915) of the number `d` and its point (65 bytes)."""
    return element(
        _SEQUENCE,
        element(_INTEGER, b"\1"),
        element(_OCTETS, d.to_bytes(32, "big")),
        element(0xA0, element(_OID, _P256)),
        element(0xA1, element(_BITS, b"\0", public)),
    )


def key_numbers(key: bytes) -> tuple:
    """Return (d, public) of what private_key made."""
    fields = _fields(_only(key, _SEQUENCE))
    d, public = _get(fields, 1, _OCTETS), _get(fields, 3, 0xA1)
    return int.from_bytes(d, "big"), _only(public, _BITS)[1:]


def certificates(body: bytes) -> list:
    """Return the DER certificates of a certs-only PKCS#7 message, itself in DER or base64."""
    if len(body) > LIMIT_BYTES:
        raise FormatError("PKCS#7 of %d bytes" % len(body))
    if body[:1] != b"\x30":
        try:
            body = a2b_base64(body)
        except ValueError:
            raise FormatError("neither DER nor base64")
    outer = _fields(_only(body, _SEQUENCE))
    if _get(outer, 0, _OID) != _SIGNED_DATA:
        raise FormatError("not PKCS#7 signed data")
    found = []
    for tag, content in _fields(_only(_get(outer, 1, 0xA0), _SEQUENCE)):
        if tag == 0xA0:
            found.extend(element(t, c) for t, c in _fields(content) if t == _SEQUENCE)
    return found


def certificate(der: bytes) -> dict:
    """Return what renewal needs of an X.509 certificate.

    {"serial": lower-case hex, "not_before": unix s, "not_after": unix s, "name": subject's CN or
    "", "public": the subject's EC point}
    """
    fields = _fields(_get(_fields(_only(der, _SEQUENCE)), 0, _SEQUENCE))
    if fields and fields[0][0] == 0xA0:
        del fields[0]  # the version
    validity = _fields(_get(fields, 3, _SEQUENCE))
    if len(validity) != 2:
        raise FormatError("validity without two times")
    return {
        "serial": hexlify(_get(fields, 0, _INTEGER)).decode().lstrip("0"),
        "not_before": _time(*validity[0]),
        "not_after": _time(*validity[1]),
        "name": _common_name(_get(fields, 4, _SEQUENCE)),
        "public": _get(_fields(_get(fields, 5, _SEQUENCE)), 1, _BITS)[1:],
    }


def join_identity(key: bytes, cert: bytes) -> bytes:
    """Return key and certificate as the one file they are kept in: length (u16), key, cert."""
    return len(key).to_bytes(2, "big") + key + cert


def split_identity(blob: bytes) -> tuple:
    """Return (key, certificate), each in DER; FormatError if the file is damaged."""
    length = 2 + int.from_bytes(blob[:2], "big")
    key, cert = blob[2:length], blob[length:]
    _only(key, _SEQUENCE)
    _only(cert, _SEQUENCE)
    return key, cert


def _fields(content: bytes) -> list:
    """Return the (tag, content) of each element in `content`."""
    fields = []
    at = 0
    while at < len(content):
        head = content[at : at + 2]
        length = head[1] if len(head) == 2 else 128
        at += 2
        if length > 127:
            octets = length - 128
            length = int.from_bytes(content[at : at + octets], "big")
            at += octets
            # Indefinite, over-long and non-minimal lengths are BER at best.
            if not 1 <= octets <= 2 or length < (128, 256)[octets - 1]:
                raise FormatError("DER length")
        if at + length > len(content):
            raise FormatError("DER element is cut short")
        fields.append((head[0], content[at : at + length]))
        at += length
    return fields


def _get(fields: list, index: int, tag: int) -> bytes:
    if index >= len(fields) or fields[index][0] != tag:
        raise FormatError("DER: no element of tag %02x at %d" % (tag, index))
    return fields[index][1]


def _only(der: bytes, tag: int) -> bytes:
    fields = _fields(der)
    if len(fields) != 1:
        raise FormatError("DER: %d elements instead of one" % len(fields))
    return _get(fields, 0, tag)


def _time(tag: int, content: bytes) -> int:
    """Return unix seconds of a UTCTime or GeneralizedTime as RFC 5280 §4.1.2.5 has them."""
    digits = content[:-1]
    if tag == 0x17 and len(digits) == 12:
        digits = (b"19" if digits[:1] >= b"5" else b"20") + digits
    if len(digits) != 14 or content[-1:] != b"Z" or not all(48 <= c < 58 for c in digits):
        raise FormatError("time in a certificate")
    month, of_month = int(digits[4:6]), int(digits[6:8])
    if not 1 <= month <= 12:
        raise FormatError("month in a certificate")
    seconds = int(digits[8:10]) * 3600 + int(digits[10:12]) * 60 + int(digits[12:])
    return day(int(digits[:4]), month, of_month) * 86400 + seconds


def _common_name(name: bytes) -> str:
    for _, relative in _fields(name):
        for _, attribute in _fields(relative):
            pair = _fields(attribute)
            if len(pair) == 2 and pair[0][1] == _COMMON_NAME:
                return _text(pair[1][1])
    return ""


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except ValueError:
        raise FormatError("name in a certificate")
