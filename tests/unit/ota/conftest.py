"""A server in memory: TUF repository of the reference library, releases, DDI; and deflate."""

import copy
import datetime as dt
import hashlib
import json
import sys
import types
import zlib

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from ota.core import errors
from ota.device import http

NOW = 1_795_000_000  # 2026-11-18
DEVICE = "aabbccfffeddeeff"
EXPIRES = dt.datetime.fromtimestamp(NOW, dt.UTC) + dt.timedelta(days=30)
_SIGNERS = [CryptoSigner.generate_ecdsa() for _ in range(8)]


class Repository:
    """A repository with consistent snapshots; `files` is what a server would serve, by name.

    Each role is changed through its attribute (`root`, `timestamp`, `snapshot`, `targets`: the
    signed parts) and then published; `publish()` raises and signs all but root.
    """

    def __init__(self):
        names = ("root", "targets", "snapshot", "timestamp")
        self.signers = {name: [_SIGNERS[i]] for i, name in enumerate(names)}
        self.spare = _SIGNERS[4:]
        self.files = {}
        self.root = Root(expires=EXPIRES, consistent_snapshot=True)
        for name in names:
            self.root.add_key(self.signers[name][0].public_key, name)
        self.targets = Targets(expires=EXPIRES)
        self.snapshot = Snapshot(expires=EXPIRES)
        self.timestamp = Timestamp(expires=EXPIRES)
        self.sign_root()
        self.publish(bump=False)

    def sign(self, name, signers=None):
        """Return the bytes of a role as its signers sign it."""
        metadata = Metadata(copy.deepcopy(getattr(self, name)))
        for signer in signers if signers is not None else self.signers[name]:
            metadata.sign(signer, append=True)
        return metadata.to_bytes()

    def sign_root(self, signers=None):
        self.files[f"{self.root.version}.root.json"] = self.sign("root", signers)

    def next_root(self, signers=None):
        """Publish the root as it now is under the next version, signed by old and new keys."""
        self.root.version += 1
        self.sign_root(signers)

    def add(self, path, data):
        self.targets.targets[path] = TargetFile.from_data(path, data, ["sha256"])
        digest = hashlib.sha256(data).hexdigest()
        folder, _, name = path.rpartition("/")
        self.files[f"targets/{folder}/{digest}.{name}"] = data

    def publish(self, *, bump=True, hashes=True):
        """Raise the versions of targets, snapshot and timestamp, and sign them."""
        for role in (self.targets, self.snapshot, self.timestamp) if bump else ():
            role.version += 1
        data = self.sign("targets")
        self.files[f"{self.targets.version}.targets.json"] = data
        self.snapshot.meta["targets.json"] = self._meta(self.targets.version, data, hashes)
        self.sign_snapshot(hashes)

    def sign_snapshot(self, hashes=True):
        data = self.sign("snapshot")
        self.files[f"{self.snapshot.version}.snapshot.json"] = data
        self.timestamp.snapshot_meta = self._meta(self.snapshot.version, data, hashes)
        self.sign_timestamp()

    def sign_timestamp(self, signers=None):
        self.files["timestamp.json"] = self.sign("timestamp", signers)

    @staticmethod
    def _meta(version, data, hashes):
        if not hashes:
            return MetaFile(version)
        return MetaFile(version, len(data), {"sha256": hashlib.sha256(data).hexdigest()})


@pytest.fixture
def repository():
    return Repository()


class _DeflateIO:
    """MicroPython's deflate.DeflateIO as far as the node uses it: readinto, explicit window."""

    def __init__(self, stream, form, wbits):
        assert form == 1
        self._stream = stream
        self._inflater = zlib.decompressobj(wbits)
        self._ready = b""

    def readinto(self, buffer):
        while not self._ready and not self._inflater.eof:
            data = self._stream.read(64)
            if not data:
                raise EOFError
            try:
                self._ready = self._inflater.decompress(data)
            except zlib.error as error:
                raise OSError(22, str(error)) from None
        n = min(len(buffer), len(self._ready))
        buffer[:n] = self._ready[:n]
        self._ready = self._ready[n:]
        return n


@pytest.fixture
def deflate(monkeypatch):
    """Put a twin of MicroPython's deflate module where CPython has none."""
    twin = types.ModuleType("deflate")
    twin.DeflateIO = _DeflateIO
    twin.ZLIB = 1
    monkeypatch.setitem(sys.modules, "deflate", twin)
    return twin


class Release:
    """A release as the build makes it: a manifest and deflated files by hash."""

    def __init__(self, version, files, *, board="esp32", floor="1.0.0", runtime="1.27.0"):
        self.version = version
        self.contents = dict(files)
        self.files = {}
        header = {"version": version, "board": board, "floor": floor, "runtime": runtime}
        lines = [json.dumps(header | {"built": NOW, "min_level": 20})]
        for path in sorted(files):
            packer = zlib.compressobj(9, zlib.DEFLATED, 12)
            packed = packer.compress(files[path]) + packer.flush()
            digest = hashlib.sha256(files[path]).hexdigest()
            self.files[digest] = packed
            lines.append(json.dumps([path, len(files[path]), digest, len(packed)]))
        self.manifest = ("\n".join(lines) + "\n").encode()
        self.target = f"{board}/{version}.jsonl"

    def install(self, slot):
        """Lay the release into a slot's folder, as the factory does."""
        for path, data in {**self.contents, "manifest.jsonl": self.manifest}.items():
            (slot / path).parent.mkdir(parents=True, exist_ok=True)
            (slot / path).write_bytes(data)

    def lies_in(self, slot):
        """Say whether a slot holds just this release."""
        found = {str(p.relative_to(slot)): p.read_bytes() for p in slot.rglob("*") if p.is_file()}
        return found == {**self.contents, "manifest.jsonl": self.manifest}


class Fleet:
    """A server in memory: TUF repository, files and DDI for one node."""

    def __init__(self, repository, device):
        self.repository = repository
        self.base = f"/default/controller/v1/{device}"
        self.blobs = {}
        self.offered = None  # (action, version)
        self.cancelling = None  # (cancellation, action)
        self.feedback = []  # (action, execution, result, details)
        self.over = set()  # actions that answer 410
        self.served = []  # (method, path), in order

    def publish(self, release):
        self.blobs.update(release.files)
        self.repository.add(release.target, release.manifest)
        self.repository.publish()

    def answer(self, method, path, body=b""):
        """Return (status, body) of a request."""
        self.served.append((method, path))
        if path.startswith("/tuf/metadata/"):
            return self._static(self.repository.files, path[14:])
        if path.startswith("/tuf/targets/"):
            return self._static(self.repository.files, path[5:])
        if path.startswith("/files/"):
            return self._static(self.blobs, path[7:])
        assert path.startswith(self.base)
        kind, *rest = path[len(self.base) :].strip("/").split("/")
        if rest[-1:] == ["feedback"]:
            return self._feedback(kind, rest[0], json.loads(body))
        documents = {
            "": self._base,
            "deploymentBase": self._deployment,
            "cancelAction": self._stop,
        }
        return 200, json.dumps(documents[kind]()).encode()

    def words(self, action):
        """Return the words that the node reported of an action, in order."""
        return [
            details[0].removeprefix("state=")
            for found, _, _, details in self.feedback
            if found == action
        ]

    @staticmethod
    def _static(files, name):
        return (200, files[name]) if name in files else (404, b"{}")

    def _base(self):
        links = {}
        if self.offered:
            links["deploymentBase"] = {
                "href": f"https://x{self.base}/deploymentBase/{self.offered[0]}?c=1"
            }
        if self.cancelling:
            links["cancelAction"] = {
                "href": f"https://x{self.base}/cancelAction/{self.cancelling[0]}"
            }
        return {"config": {"polling": {"sleep": "00:01:30"}}, "_links": links}

    def _deployment(self):
        action, version = self.offered
        chunk = {"part": "os", "name": "lamppost", "version": version, "artifacts": []}
        deployment = {"download": "forced", "update": "forced", "chunks": [chunk]}
        return {"id": action, "deployment": deployment}

    def _stop(self):
        return {"id": self.cancelling[0], "cancelAction": {"stopId": self.cancelling[1]}}

    def _feedback(self, kind, action, said):
        if action in self.over:
            return 410, b"{}"
        status = said["status"]
        assert said["id"] == action
        name = action if kind == "deploymentBase" else f"cancel {action}"
        result = status["result"]["finished"]
        self.feedback.append((name, status["execution"], result, status["details"]))
        return 200, b"{}"


class MemoryClient:
    """http.Client over a Fleet in the same process; `faults`: part of a path -> error."""

    def __init__(self, fleet):
        self.fleet = fleet
        self.faults = {}

    async def request(self, method, path, body=b"", content_type=None, *, limit=2048):
        assert content_type == ("application/json" if body else None)
        status, answer = self._exchange(method, path, body)
        assert len(answer) <= limit
        response = http.Response(status, {"date": "x"}, len(answer))
        response.body = answer
        return response

    async def download(self, path, sink, limit):
        status, answer = self._exchange("GET", path, b"")
        if status != 200:
            raise errors.ServerError(status)
        if len(answer) > limit:
            raise errors.TooLong(f"{len(answer)} bytes, at most {limit} expected")
        for at in range(0, len(answer), 1000):
            sink(memoryview(answer)[at : at + 1000])
        return len(answer)

    def _exchange(self, method, path, body):
        for part, error in self.faults.items():
            if part in path:
                raise error
        return self.fleet.answer(method, path, body)


@pytest.fixture
def fleet(repository):
    return Fleet(repository, DEVICE)


@pytest.fixture
def make_release():
    return Release


@pytest.fixture
def client(fleet):
    return MemoryClient(fleet)
