import json
from binascii import a2b_base64
from hashlib import sha256

from firmware.core import pki
from firmware.core.errors import FormatError
from outcomes import refused

with open(__file__.rsplit("/", 2)[0] + "/vectors/pki.json") as file:
    VECTOR = json.load(file)
DEVICE = "aabbccfffeddeeff"
D = int(VECTOR["d"], 16)
PUBLIC = bytes.fromhex(VECTOR["public"])


def test_elements_have_the_shortest_length():
    assert pki.element(4, b"x", b"y") == b"\x04\x02xy"
    assert pki.element(4, bytes(127))[:2] == b"\x04\x7f"
    assert pki.element(4, bytes(128))[:3] == b"\x04\x81\x80"
    assert pki.element(4, bytes(256))[:4] == b"\x04\x82\x01\x00"


def test_a_private_key_has_the_bytes_of_rfc_5915():
    key = pki.private_key(D, PUBLIC)
    assert key == bytes.fromhex(VECTOR["private_key"])
    assert pki.key_numbers(key) == (D, PUBLIC)


def test_a_request_signs_its_own_information():
    signed = []

    def sign(digest):
        signed.append(digest)
        return b"the signature"

    request = pki.request(DEVICE, PUBLIC, sign)
    info, algorithm, signature = pki._fields(pki._only(request, 0x30))
    assert signed == [sha256(pki.element(0x30, info[1])).digest()]
    assert signature == (0x03, b"\0the signature")
    assert algorithm[1] == bytes.fromhex("06082a8648ce3d040302")
    assert b"urn:dev:mac:aabbccfffeddeeff" in info[1]
    assert PUBLIC in info[1]


def test_the_certificate_of_an_est_answer_is_read():
    for body in (VECTOR["pkcs7"].encode(), a2b_base64(VECTOR["pkcs7"])):
        found = pki.certificates(body)
        assert len(found) == 1
        read = pki.certificate(found[0])
        assert read.pop("public") == PUBLIC
        assert read == VECTOR["certificate"]


def test_an_identity_file_splits_into_its_halves():
    key = bytes.fromhex(VECTOR["private_key"])
    cert = pki.certificates(VECTOR["pkcs7"].encode())[0]
    blob = pki.join_identity(key, cert)
    assert blob[:2] == len(key).to_bytes(2, "big")
    assert pki.split_identity(blob) == (key, cert)
    refused(FormatError, pki.split_identity, blob[:-1])
    refused(FormatError, pki.split_identity, b"")


def test_a_cut_answer_is_refused():
    message = a2b_base64(VECTOR["pkcs7"])
    for length in range(0, len(message), 5):
        refused(FormatError, pki.certificates, message[:length])
    refused(FormatError, pki.certificates, message + b"\0")


def test_ber_lengths_are_refused():
    for data in (
        "3080",
        "30800000",
        "308100",
        "30817f",
        "30820001",
        "3083000000",
        "30",
        "3081",
        "30820",
    ):
        refused(FormatError, pki.certificates, bytes.fromhex(data + "0" * (len(data) % 2)))


def test_hostile_text_is_refused_or_no_certificates():
    for body in (b"", b"=", b"MIIB", b"\xff\xfe", b"<html></html>", b"M" * 9000):
        refused(FormatError, pki.certificates, body)
