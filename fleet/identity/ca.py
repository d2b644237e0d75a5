"""The fleet's certificate authority: P-256, one level, in two files of LAMPPOST_HOME.

The authority and the server's certificate begin at a fixed day in the past. A node's clock before
its first synchronisation is only a lower bound (the build time of its release): a certificate
that began today would be "not yet valid" to it.
"""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fleet import atomic, limits
from fleet.errors import OperatorError
from fleet.settings import Home

_BEGIN = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
_NODE_BACKDATE_S = 3600
_ENCODING = serialization.Encoding
URN = "urn:dev:mac:"


def _time(unix_s: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(unix_s, dt.UTC)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    plain = serialization.NoEncryption()
    return key.private_bytes(_ENCODING.PEM, serialization.PrivateFormat.PKCS8, plain)


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


@dataclass(frozen=True)
class Authority:
    """Key and self-signed certificate of the fleet CA."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        """The CA certificate: the nodes' trust anchor."""
        return self.certificate.public_bytes(_ENCODING.DER)

    @property
    def pem(self) -> str:
        """The CA certificate, for people and their tools."""
        return self.certificate.public_bytes(_ENCODING.PEM).decode()

    def issue_node(
        self, public: ec.EllipticCurvePublicKey, device_id: str, now: int, days: float
    ) -> x509.Certificate:
        """Return a client certificate for *device_id*, valid from an hour ago for *days*."""
        end = now + int(days * 86400)
        alternative = x509.UniformResourceIdentifier(URN + device_id)
        builder = self._builder(_name(device_id), public, ExtendedKeyUsageOID.CLIENT_AUTH)
        builder = builder.not_valid_before(_time(now - _NODE_BACKDATE_S))
        builder = builder.not_valid_after(_time(end))
        builder = builder.add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def issue_server(self, names: Sequence[str], now: int) -> tuple[bytes, bytes]:
        """Return (private key PEM, certificate PEM) for the server under *names*."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(
            _name("lamppost"), key.public_key(), ExtendedKeyUsageOID.SERVER_AUTH
        )
        builder = builder.not_valid_before(_BEGIN)
        builder = builder.not_valid_after(_time(now + limits.SERVER_CERTIFICATE_DAYS * 86400))
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False
        )
        certificate = builder.sign(self.key, hashes.SHA256())
        return _private_pem(key), certificate.public_bytes(_ENCODING.PEM)

    def _builder(
        self, subject: x509.Name, public: ec.EllipticCurvePublicKey, purpose: x509.ObjectIdentifier
    ) -> x509.CertificateBuilder:
        authority_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.certificate.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(ca=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(authority_key, critical=False)
        )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name)
    except ValueError as error:
        raise OperatorError(f"{name!r} is neither an address nor an ASCII host name") from error


def create(home: Home, now: int) -> bool:
    """Make the fleet CA unless there is one. Returns whether it was made."""
    if (home.pki / "ca.key").exists():
        return False
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Lamppost fleet CA " + x509.random_serial_number().to_bytes(20, "big")[:4].hex())
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_BEGIN)
        .not_valid_after(_time(now + limits.CA_DAYS * 86400))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(ca=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    # The key comes last: its presence says that the home is whole.
    atomic.write(home.pki / "ca.der", certificate.public_bytes(_ENCODING.DER))
    atomic.write(home.pki / "ca.pem", certificate.public_bytes(_ENCODING.PEM))
    atomic.write(home.pki / "ca.key", _private_pem(key))
    return True


def load(home: Home) -> Authority:
    """Read the fleet CA. Raises OperatorError."""
    try:
        key = serialization.load_pem_private_key((home.pki / "ca.key").read_bytes(), None)
        certificate = x509.load_der_x509_certificate((home.pki / "ca.der").read_bytes())
    except (OSError, ValueError, TypeError) as error:
        raise OperatorError(f"the fleet CA in {home.pki} cannot be read: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise OperatorError(f"the fleet CA key in {home.pki} is not an elliptic-curve key")
    return Authority(key, certificate)
