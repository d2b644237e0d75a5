"""A node enrols, renews, reports; an operator reads it back."""

import csv
import io
import json
import socket
import struct
import time

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fleetserver import certificate_of, csr, lamppost


def test_a_claimed_node_enrols_and_its_key_never_travels(server):
    node = server.node()
    certificate = node.certificate
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert [name.value for name in names] == [node.device_id]
    alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert alternative.value.get_values_for_type(x509.UniformResourceIdentifier) == [
        f"urn:dev:mac:{node.device_id}"
    ]
    certificate.verify_directly_issued_by(x509.load_der_x509_certificate(server.ca))
    assert certificate.public_key() == node.key.public_key()
    assert server.admin.get(f"/devices/{node.device_id}").json()["state"] == "active"
    assert [event["act"] for event in server.audit(node.device_id)] == [
        "identity.enrol",
        "device.claim",
        "device.add",
    ]


def test_est_answers_are_what_rfc_7030_says(server):
    answer = server.anonymous.get("/.well-known/est/cacerts")
    assert answer.headers["content-type"] == "application/pkcs7-mime"
    assert answer.headers["content-transfer-encoding"] == "base64"
    assert "date" in answer.headers
    assert int(answer.headers["content-length"]) == len(answer.content)
    ca = x509.load_der_x509_certificate(server.ca)
    assert certificate_of(answer.content) == ca


def test_a_node_renews_and_both_certificates_serve_until_the_old_one_ends(server):
    node = server.node()
    fresh = ec.generate_private_key(ec.SECP256R1())
    headers = {"Content-Type": "application/pkcs10"}
    answer = node.client.post(
        "/.well-known/est/simplereenroll",
        content=csr(fresh, node.device_id),
        headers=headers,
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/pkcs7-mime; smime-type=certs-only"
    renewed = type(node)(server, node.device_id, fresh, certificate_of(answer.content))
    assert renewed.certificate.public_key() == fresh.public_key()
    assert renewed.client.get(node.ddi).status_code == 200
    assert node.client.get(node.ddi).status_code == 200


def test_windows_are_stored_once_and_read_back_by_time(server):
    node = server.node()
    gap = node.record(2, v=None, min=None, max=None, cnt=10, vs="incomplete")
    pack = [node.record(3), node.record(1), gap, node.record(1, "temperature")]
    first = node.send(pack)
    assert first.json() == {"stored": 4, "duplicates": 0, "rejected": []}
    again = node.send([*pack, node.record(4)])
    assert again.json() == {"stored": 1, "duplicates": 4, "rejected": []}
    path = f"/devices/{node.device_id}/observations"
    rows = server.admin.get(path).json()["observations"]
    keys = [(row["seq"], row["stream"]) for row in rows]
    assert keys == [(1, "pm25"), (1, "temperature"), (2, "pm25"), (3, "pm25"), (4, "pm25")]
    assert rows[2]["value"] is None
    assert (rows[2]["count"], rows[2]["expected"]) == (10, 60)
    assert (rows[0]["value"], rows[0]["minimum"], rows[0]["unit"]) == (12.5, 3.0, "ug/m3")


def test_pages_follow_one_another_without_a_gap_or_a_double(server):
    node = server.node()
    assert node.send([node.record(seq) for seq in range(25)]).json()["stored"] == 25
    path = f"/devices/{node.device_id}/observations"
    seen, after = [], None
    while True:
        params = {"limit": 10, **({"after": after} if after else {})}
        page = server.admin.get(path, params=params).json()
        seen += [row["seq"] for row in page["observations"]]
        after = page["next"]
        if after is None:
            break
    assert seen == list(range(25))
    params = {"since": 1_760_000_600, "until": 1_760_001_800}
    some = server.admin.get(path, params=params).json()["observations"]
    assert [row["seq"] for row in some] == [1, 2]


def test_cbor_is_taken_as_json_is(server):
    node = server.node()
    labels = {"bn": -2, "n": 0, "u": 1, "v": 2, "t": 6}
    record = {labels.get(key, key): value for key, value in node.record(1).items()}
    answer = node.send(cbor2.dumps([record]), "application/senml+cbor")
    assert answer.json() == {"stored": 1, "duplicates": 0, "rejected": []}
    assert node.send([node.record(1)]).json()["duplicates"] == 1


def test_readings_come_as_csv_and_json(server):
    node = server.node()
    gap = node.record(2, v=None, min=None, max=None, cnt=0, vs="incomplete")
    node.send([node.record(1), gap])
    environment = {"LAMPPOST_URL": server.operator_url, "LAMPPOST_TOKEN": server.token()}
    done = lamppost("device", "readings", node.device_id, "--csv", **environment)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(row["seq"], row["value"]) for row in rows] == [("1", "12.5"), ("2", "")]
    done = lamppost("device", "readings", node.device_id, "--json", **environment)
    assert [row["value"] for row in json.loads(done.stdout)] == [12.5, None]


def test_sntp_tells_the_time(server):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(10)
        mine = b"\x01\x02\x03\x04\x05\x06\x07\x08"
        udp.sendto(b"\x23" + bytes(39) + mine, tuple(server.ports["sntp"]))
        answer = udp.recv(512)
    assert len(answer) == 48
    assert (answer[0], answer[1]) == (0x24, 2)
    assert answer[24:32] == mine
    seconds = struct.unpack(">I", answer[40:44])[0] - 2_208_988_800
    assert abs(seconds - time.time()) < 5
