"""`lamppost serve` as a subprocess, and what tests do with it: operators, identities, packs."""

import base64
import json
import os
import secrets
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

LAMPPOST = [sys.executable, "-m", "fleet"]
ANY_PORTS = {name: ["127.0.0.1", 0] for name in ("device", "operator", "sntp")}
TICK = ("--tick", "0.2")  # rollouts go on five times a second
_PORTS = {"device": "--listen", "operator": "--operator", "sntp": "--sntp"}
_START_S = 30
_PEM = serialization.Encoding.PEM
_DER = serialization.Encoding.DER


def lamppost(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a `lamppost` command to its end."""
    return subprocess.run(
        [*LAMPPOST, *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=60,
    )


def new_id() -> str:
    """Return a device id that no other test has."""
    return f"{secrets.token_hex(3)}fffe{secrets.token_hex(3)}"


def csr(key: Any, name: str, *, alternative: str | None = None, algorithm: Any = None) -> bytes:
    """Return a base64 PKCS#10 request."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    )
    if alternative is not None:
        uri = x509.UniformResourceIdentifier(alternative)
        builder = builder.add_extension(x509.SubjectAlternativeName([uri]), critical=False)
    request = builder.sign(key, algorithm or hashes.SHA256())
    return base64.encodebytes(request.public_bytes(_DER))


def certificate_of(body: bytes) -> x509.Certificate:
    """Return the certificate in an EST answer."""
    return pkcs7.load_der_pkcs7_certificates(base64.b64decode(body))[0]


def client_context(server: "Server", key: Any = None, certificate: Any = None) -> ssl.SSLContext:
    """Return a context that trusts only the fleet CA, with an identity where given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=server.ca)
    if key is not None:
        plain = serialization.NoEncryption()
        pem = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, plain)
        with tempfile.NamedTemporaryFile() as file:
            file.write(certificate.public_bytes(_PEM) + pem)
            file.flush()
            context.load_cert_chain(file.name)
    return context


def problem(answer: httpx2.Response) -> str:
    """Return the slug of a refusal, having seen that it is a whole RFC 9457 problem document."""
    assert answer.headers["content-type"] == "application/problem+json"
    assert "date" in answer.headers
    assert int(answer.headers["content-length"]) == len(answer.content)
    body = answer.json()
    assert body["status"] == answer.status_code
    return str(body["type"]).removeprefix("urn:lamppost:problem:")


def refused(server: "Server", device_id: str) -> list[Any]:
    """Return the reasons of all refusals in the audit of a device, newest first."""
    return [
        event["detail"].get("reason")
        for event in server.audit(device_id)
        if event["outcome"] == "refused"
    ]


@dataclass
class Identity:
    """A node's key and certificate, and a client that shows them."""

    server: "Server"
    device_id: str
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @cached_property
    def client(self) -> httpx2.Client:
        """The kept-alive connection of a node."""
        context = client_context(self.server, self.key, self.certificate)
        return self.server.client(base_url=self.server.device_url, verify=context)

    @property
    def ddi(self) -> str:
        """The node's own DDI path."""
        return f"/default/controller/v1/{self.device_id}"

    def record(self, seq: int, stream: str = "pm25", /, **changes: Any) -> dict[str, Any]:
        """Return one sound SenML record."""
        units = {"pm25": "ug/m3", "temperature": "Cel"}
        made = {
            "bn": f"urn:dev:mac:{self.device_id}/",
            "n": stream,
            "u": units[stream],
            "t": 1_760_000_000 + 600 * seq,
            "v": 12.5,
            "min": 3,
            "max": 20,
            "box": "0123abcd",
            "seq": seq,
            "len": 600,
            "cnt": 58,
            "exp": 60,
        }
        return {key: value for key, value in {**made, **changes}.items() if value is not None}

    def send(self, records: Any, media_type: str = "application/senml+json") -> httpx2.Response:
        """POST a pack."""
        body = records if isinstance(records, bytes) else json.dumps(records).encode()
        path = f"/telemetry/v1/{self.device_id}"
        return self.client.post(path, content=body, headers={"Content-Type": media_type})


class Server:
    """One fleet server: its home, its process, its clients. *url*: of its database."""

    def __init__(self, home: Path, url: str | None, *options: str) -> None:
        self.home = home
        self.url = url
        self.options = options
        self.database = [] if url is None else ["--database-url", url]
        self.process: subprocess.Popen[bytes] | None = None
        done = lamppost("init", "--home", str(home), *self.database)
        assert done.returncode == 0, done.stderr
        self.ca = (home / "server/pki/ca.der").read_bytes()
        self._tokens: dict[tuple[str, ...], str] = {}
        self.ports: dict[str, list[Any]] = dict(ANY_PORTS)
        self._clients: list[httpx2.Client] = []

    def start(self) -> None:
        """Start the process and wait until all ports answer. Ports stay across restarts."""
        ready = self.home / "ready.json"
        ready.unlink(missing_ok=True)
        listen = [part for name, option in _PORTS.items()
                  for part in (option, "{}:{}".format(*self.ports[name]))]  # fmt: skip
        command = [*LAMPPOST, "serve", "--home", str(self.home), *self.database, *listen,
                   "--ready-file", str(ready), *TICK, *self.options]  # fmt: skip
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + _START_S
        while not ready.exists():
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)
        self.ports = json.loads(ready.read_text())

    def client(self, **options: Any) -> httpx2.Client:
        """Return a client that is closed with the server."""
        self._clients.append(httpx2.Client(timeout=30, **options))
        return self._clients[-1]

    def close(self) -> None:
        """Close all clients and end the process, if it runs."""
        for client in self._clients:
            client.close()
        if self.process is not None and self.process.poll() is None:
            self.stop()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End the process by a signal and return its exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(_START_S)

    def log(self) -> str:
        """Return what the process said."""
        return (self.home / "log").read_text(errors="replace")

    @property
    def device_url(self) -> str:
        """The device port."""
        return "https://{}:{}".format(*self.ports["device"])

    @property
    def operator_url(self) -> str:
        """The operator port."""
        return "http://{}:{}".format(*self.ports["operator"])

    def token(self, role: str = "admin", *sites: str) -> str:
        """Return a token, made once for each role and scope."""
        key = (role, *sites)
        if key == ("admin",) and key not in self._tokens:
            done = lamppost("token", "create", "--home", str(self.home), *self.database,
                            "--role", role)  # fmt: skip
            assert done.returncode == 0, done.stderr
            self._tokens[key] = done.stdout.strip()
        elif key not in self._tokens:
            body = {"name": "test", "role": role, "sites": list(sites) or None}
            self._tokens[key] = self.admin.post("/tokens", json=body).json()["token"]
        return self._tokens[key]

    def operator(self, role: str = "admin", *sites: str) -> httpx2.Client:
        """Return an operator's client."""
        headers = {"Authorization": f"Bearer {self.token(role, *sites)}"}
        return self.client(base_url=self.operator_url + "/api/v1", headers=headers)

    @cached_property
    def admin(self) -> httpx2.Client:
        """An administrator of the whole fleet."""
        return self.operator()

    @cached_property
    def anonymous(self) -> httpx2.Client:
        """A client of the device port without a certificate."""
        return self.client(base_url=self.device_url, verify=client_context(self))

    def add(self, site: str = "harbour", board: str = "esp32") -> str:
        """Register a fresh device and return its id."""
        device_id = new_id()
        body = {"id": device_id, "site": site, "name": device_id, "board": board}
        answer = self.admin.post("/devices", json=body)
        assert answer.status_code == 201, answer.text
        return device_id

    def claim(self, device_id: str, **options: Any) -> str:
        """Return a claim token for a device."""
        answer = self.admin.post(f"/devices/{device_id}/claims", json=options)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    def enroll(self, device_id: str, token: str, request: bytes) -> httpx2.Response:
        """POST a simpleenroll."""
        return self.anonymous.post(
            "/.well-known/est/simpleenroll",
            content=request,
            auth=(device_id, token),
            headers={"Content-Type": "application/pkcs10"},
        )

    def node(self, site: str = "harbour", board: str = "esp32") -> Identity:
        """Return an enrolled node."""
        device_id = self.add(site, board)
        key = ec.generate_private_key(ec.SECP256R1())
        answer = self.enroll(device_id, self.claim(device_id), csr(key, device_id))
        assert answer.status_code == 200, answer.text
        return Identity(self, device_id, key, certificate_of(answer.content))

    def audit(self, subject: str) -> list[dict[str, Any]]:
        """Return the audit's events about a subject, newest first."""
        events = self.admin.get("/audit", params={"limit": 1000}).json()["events"]
        return [event for event in events if event["subject"] == subject]
