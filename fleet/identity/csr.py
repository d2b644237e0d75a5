"""PURE: what a certificate signing request must be before anyone looks at who sent it."""

import base64
import binascii

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fleet.identity.ca import URN
from fleet.identity.errors import BadCsr, ForeignCsr

# Three of cryptography's own are plain Exceptions.
_UNREADABLE = (
    binascii.Error,
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


def read(body: bytes, device_id: str) -> ec.EllipticCurvePublicKey:
    """Return the public key of a base64 PKCS#10 request (RFC 7030 §4.2.1) for *device_id*.

    Raises BadCsr when it cannot be read, is not P-256 with SHA-256 or does not prove possession
    of its key; ForeignCsr when it names anyone but *device_id*.
    """
    try:
        der = base64.b64decode(b"".join(body.split()), validate=True)
        request = x509.load_der_x509_csr(der)
        public = request.public_key()
        algorithm = request.signature_hash_algorithm
        proven = request.is_signature_valid
        names = _names(request)
    except _UNREADABLE as error:
        raise BadCsr("the body is not a base64 PKCS#10 request") from error
    if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name != "secp256r1":
        raise BadCsr("the key is not on P-256")
    if not isinstance(algorithm, hashes.SHA256):
        raise BadCsr("the request is not signed with SHA-256")
    if not proven:
        raise BadCsr("the request's own signature does not verify")
    if not names or any(name not in (device_id, URN + device_id) for name in names):
        raise ForeignCsr(f"the request is not for {device_id} alone")
    return public


def _names(request: x509.CertificateSigningRequest) -> list[str]:
    names = [str(attribute.value) for attribute in request.subject]
    kinds = [attribute.oid for attribute in request.subject]
    if any(kind != NameOID.COMMON_NAME for kind in kinds):
        raise ValueError("a subject of a node is its common name only")
    try:
        found = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return names
    return names + [str(name.value) for name in found.value]
