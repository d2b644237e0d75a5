"""An EST server by a script, and a node's identity task that meets it."""

import asyncio
import datetime as dt
from base64 import b64decode, b64encode

import faketime
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

from firmware.tasks import identity
from ota.device.http import Response

T = 1_795_000_000
DAYS = 90
CA_KEY = ec.generate_private_key(ec.SECP256R1())
CA_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])


def issue(request, name=None, key=None):
    """Sign a request as the fleet's CA would; give DER."""
    start = dt.datetime.fromtimestamp(T, dt.UTC)
    subject = (
        request.subject
        if name is None
        else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(CA_NAME)
        .public_key(key or request.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=DAYS))
        .sign(CA_KEY, hashes.SHA256())
    )


class Est:
    """An EST server by a script: functions from a request to (status, headers, body)."""

    def __init__(self, *script):
        self.script = list(script)
        self.asked = []
        self.closed = 0

    async def request(self, method, path, body, content_type, *, headers=(), limit=0):
        assert (method, content_type) == ("POST", "application/pkcs10")
        assert 0 < limit <= 8192
        request = x509.load_der_x509_csr(b64decode(body))
        assert request.is_signature_valid
        self.asked.append((path, dict(headers), request))
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        found = step(request)
        if isinstance(found, Exception):
            raise found
        response = Response(found[0], found[1], 0)
        response.body = found[2]
        return response

    async def close(self):
        self.closed += 1


def bundle(certificate):
    return b64encode(pkcs7.serialize_certificates([certificate], serialization.Encoding.DER))


def good(request):
    return 200, {}, bundle(issue(request))


def refused(_):
    return 401, {}, b'{"title": "Unauthorized", "detail": "the claim token has expired"}'


def play(monkeypatch, est, files, seconds=60, before=lambda _node: None):
    """Run the identity task against an EST server; give the node."""
    made = []

    def client(_node, pair):
        if pair and pair[0] == b"broken":
            raise ValueError("invalid cert")
        made.append(pair)
        return est

    monkeypatch.setattr(identity, "client", client)

    async def main():
        node = faketime.node()
        node.storage.files.update(files)
        node.clock.set(T, "sntp")
        node.date_s = 1
        node.online.set()
        before(node)
        task = asyncio.create_task(identity.run(node))
        await asyncio.sleep(seconds)
        if task.done():
            task.result()
        task.cancel()
        node.made = made
        return node

    return faketime.run(main())


def enrolled(monkeypatch):
    """Give the files of a node that has enrolled."""
    return dict(play(monkeypatch, Est(good), {"/etc/claim": b"t"}).storage.files)


DUE = T + DAYS * 86400 * 2 // 3
