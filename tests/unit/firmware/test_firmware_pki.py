"""Requests and keys of firmware.core.pki as `cryptography` sees them, and the other way round."""

import base64
import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

from firmware.core import pki
from firmware.core.errors import FormatError
from ota.core import p256key

DEVICE = "aabbccfffeddeeff"
DER = serialization.Encoding.DER


def point(key):
    return key.public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )


def issue(serial=0x7F00FF, not_before=None, not_after=None, key=None, extra=()):
    start = not_before or dt.datetime(2025, 10, 9, 8, 53, 20, tzinfo=dt.UTC)
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([*extra, x509.NameAttribute(NameOID.COMMON_NAME, DEVICE)])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Fleet CA")]))
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(start)
        .not_valid_after(not_after or start + dt.timedelta(days=90))
        .sign(key, hashes.SHA256())
    )


def request_with(key):
    def sign(digest):
        return key.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))

    return pki.request(DEVICE, point(key.public_key()), sign)


def test_a_request_is_valid_and_names_the_device():
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.load_der_x509_csr(request_with(key))
    assert request.is_signature_valid
    assert request.public_key() == key.public_key()
    assert request.subject.rfc4514_string() == f"CN={DEVICE}"
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.UniformResourceIdentifier(f"urn:dev:mac:{DEVICE}")]


def test_a_request_signed_by_the_nodes_own_p256_is_valid():
    d = 0x1234567890ABCDEF1234567890ABCDEF
    made = pki.request(DEVICE, p256key.public(d), lambda digest: p256key.sign(d, digest))
    assert x509.load_der_x509_csr(made).is_signature_valid


@pytest.mark.parametrize("d", [1, 2**200 + 17])
def test_a_private_key_loads_and_comes_back(d):
    key = ec.derive_private_key(d, ec.SECP256R1())
    public = point(key.public_key())
    der = pki.private_key(d, public)
    loaded = serialization.load_der_private_key(der, None)
    assert loaded.private_numbers() == key.private_numbers()
    assert pki.key_numbers(der) == (d, public)
    assert der == key.private_bytes(
        DER, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


@pytest.mark.parametrize("count", [1, 3])
def test_certificates_come_out_of_pkcs7(count):
    issued = [issue(serial=n + 1) for n in range(count)]
    message = pkcs7.serialize_certificates(issued, DER)
    expected = sorted(cert.public_bytes(DER) for cert in issued)
    assert sorted(pki.certificates(message)) == expected
    assert sorted(pki.certificates(base64.encodebytes(message))) == expected
    wrapped = base64.b64encode(message) + b"\r\n"
    assert sorted(pki.certificates(wrapped)) == expected


@pytest.mark.parametrize("serial", [1, 0x80, 0x7F00FF, 2**158 + 1])
def test_a_certificates_fields_are_read(serial):
    key = ec.generate_private_key(ec.SECP256R1())
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Stadt Köln")
    cert = issue(serial=serial, key=key, extra=[organisation])
    assert pki.certificate(cert.public_bytes(DER)) == {
        "serial": f"{serial:x}",
        "not_before": int(cert.not_valid_before_utc.timestamp()),
        "not_after": int(cert.not_valid_after_utc.timestamp()),
        "name": DEVICE,
        "public": point(key.public_key()),
    }


@pytest.mark.parametrize("year", [1950, 1999, 2000, 2024, 2049, 2050, 2100, 9999])
def test_dates_of_both_kinds_are_read(year):
    when = dt.datetime(year, 12, 31, 23, 59, 58, tzinfo=dt.UTC)
    early = dt.datetime(1950, 2, 28, tzinfo=dt.UTC)
    read = pki.certificate(issue(not_before=early, not_after=when).public_bytes(DER))
    assert read["not_before"] == int(early.timestamp())
    assert read["not_after"] == int(when.timestamp())


def test_an_identity_file_splits_into_its_halves():
    key = ec.generate_private_key(ec.SECP256R1())
    d = key.private_numbers().private_value
    halves = pki.private_key(d, point(key.public_key())), issue(key=key).public_bytes(DER)
    blob = pki.join_identity(*halves)
    assert pki.split_identity(blob) == halves
    for length in range(0, len(blob), 7):
        with pytest.raises(FormatError):
            pki.split_identity(blob[:length])


def test_a_cut_message_is_refused_at_every_length():
    message = pkcs7.serialize_certificates([issue()], DER)
    for length in range(len(message)):
        with pytest.raises(FormatError):
            pki.certificates(message[:length])
    with pytest.raises(FormatError):
        pki.certificates(message + b"\0")
    with pytest.raises(FormatError):
        pki.certificates(message + bytes(pki.LIMIT_BYTES))
