"""A server in memory: TUF repository of the reference library, releases, DDI; and deflate."""

import copy
import datetime as dt
import hashlib
import json
import sys
import types
import zlib
from contextlib import contextmanager

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from securesystemslib.formats import encode_canonical
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
from updating import DEVICE, NEW, NOW, OLD, Fleet, MemoryClient, Node, Release

from ota.device import updater

EXPIRES = dt.datetime.fromtimestamp(NOW, dt.UTC) + dt.timedelta(days=30)
_SIGNERS = [CryptoSigner.generate_ecdsa() for _ in range(8)]


class Repository:
    """A repository with consistent snapshots; `files` is what a server would serve, by name.

    Each role is changed through its attribute (`root`, `timestamp`, `snapshot`, `targets`: the
    signed parts) and then published; `publish()` raises and signs all but root.
    """

    def __init__(self, expires=EXPIRES):
        names = ("root", "targets", "snapshot", "timestamp")
        self.signers = {name: [_SIGNERS[i]] for i, name in enumerate(names)}
        self.spare = _SIGNERS[4:]
        self.files = {}
        self.root = Root(expires=expires, consistent_snapshot=True)
        for name in names:
            self.root.add_key(self.signers[name][0].public_key, name)
        self.targets = Targets(expires=expires)
        self.snapshot = Snapshot(expires=expires)
        self.timestamp = Timestamp(expires=expires)
        self.sign_root()
        self.publish(bump=False)

    def sign(self, name, signers=None):
        """Return the bytes of a role as its signers sign it."""
        metadata = Metadata(copy.deepcopy(getattr(self, name)))
        for signer in signers if signers is not None else self.signers[name]:
            metadata.sign(signer, append=True)
        return metadata.to_bytes()

    def sign_root(self, signers=None):
        self.files[self.name("root")] = self.sign("root", signers)

    def next_root(self, signers=None):
        """Publish the root as it now is under the next version, signed by old and new keys."""
        self.root.version += 1
        self.sign_root(signers)

    def rotate(self, role, signer):
        """Give a role another key in the root to be published next; return the old signer."""
        (old,) = self.signers[role]
        self.root.revoke_key(old.public_key.keyid, role)
        self.root.add_key(signer.public_key, role)
        self.signers[role] = [signer]
        return old

    def name(self, role):
        """Return under which name a role's newest file is served."""
        found = f"{role}.json"
        return found if role == "timestamp" else f"{getattr(self, role).version}.{found}"

    @contextmanager
    def bent(self, role):
        """Give a role's newest file as JSON, to be changed behind its signatures."""
        document = json.loads(self.files[self.name(role)])
        yield document
        self.files[self.name(role)] = json.dumps(document).encode()

    def serve(self, role, **changes):
        """Sign and serve as a role's newest what the reference library would not write."""
        signed = getattr(self, role).to_dict() | changes
        signature = self.signers[role][0].sign(encode_canonical(signed).encode())
        document = {"signatures": [signature.to_dict()], "signed": signed}
        self.files[self.name(role)] = json.dumps(document).encode()

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
        self.files[self.name("targets")] = data
        self.snapshot.meta["targets.json"] = self._meta(self.targets.version, data, hashes)
        self.sign_snapshot(hashes)

    def sign_snapshot(self, hashes=True):
        data = self.sign("snapshot")
        self.files[self.name("snapshot")] = data
        self.timestamp.snapshot_meta = self._meta(self.snapshot.version, data, hashes)
        self.sign_timestamp()

    def sign_timestamp(self, signers=None):
        self.files[self.name("timestamp")] = self.sign("timestamp", signers)

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
        self._stream = stream
        self._inflater = zlib.decompressobj(wbits if form == 2 else -wbits)
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
    twin.RAW, twin.ZLIB = 1, 2
    monkeypatch.setitem(sys.modules, "deflate", twin)
    return twin


@pytest.fixture
def fleet(repository):
    return Fleet(repository, DEVICE)


@pytest.fixture
def make_release():
    return Release


@pytest.fixture
def client(fleet):
    return MemoryClient(fleet)


@pytest.fixture
def quick(monkeypatch):
    """OpenSSL in the place of p256, for the tests that verify hundreds of times."""

    def verify(key, digest, signature):
        yield
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
        try:
            public.verify(signature, digest, ec.ECDSA(Prehashed(hashes.SHA256())))
        except InvalidSignature:
            return False
        return True

    monkeypatch.setattr(updater, "let_go", lambda *_: None)
    monkeypatch.setattr("ota.core.p256.verify", verify)


@pytest.fixture
def node(tmp_path, client, fleet, make_release, deflate, quick):
    old = make_release("1.0.0", OLD)
    fleet.publish(old)
    fleet.publish(make_release("1.1.0", NEW))
    return Node(tmp_path, client, old)
