"""A node's files and a fleet in memory, for updates without a network."""

import asyncio
import hashlib
import json
import random
import zlib

from ota.core import bootrecord, errors
from ota.device import http, poll, report, swap, updater

NOW = 1_795_000_000  # 2026-11-18
DEVICE = "aabbccfffeddeeff"
OLD = {
    "firmware/main.mpy": b"main of 1.0.0" * 100,
    "firmware/tasks/light.mpy": b"light" * 200,
    "ota/core/p256.mpy": bytes(range(256)) * 10,
}
NEW = {
    "firmware/main.mpy": b"main of 1.1.0" * 100,
    "firmware/tasks/lamp.mpy": OLD["firmware/tasks/light.mpy"],
    "firmware/tasks/extra/more.mpy": random.Random(1).randbytes(3000),
    "ota/core/p256.mpy": OLD["ota/core/p256.mpy"],
}
EVEN_NEWER = {**NEW, "firmware/main.mpy": b"main of 1.2.0" * 100}


class PowerCut(BaseException):
    """The power went."""


class Node:
    """A node's flash in a folder; `run` is one power-up of it."""

    def __init__(self, folder, client, release):
        self.data = folder / "data"
        self.data.mkdir()
        self.client = client
        self.now = NOW
        self.log = []
        for slot in "ab":
            release.install(self.data / slot)
        self.factory = folder / "root.json"
        self.factory.write_bytes(client.fleet.repository.files["1.root.json"])
        self.version = release.version

    @property
    def record(self):
        return swap.load(str(self.data))

    def slot(self, name):
        return self.data / name

    def ports(self):
        header = {"version": self.version, "board": "esp32", "floor": "1.0.0"}
        ports = updater.Ports(
            self.client, DEVICE, header, "1.27.0", lambda: self.now, self.log.append
        )
        ports.data = str(self.data)
        ports.factory = str(self.factory)
        return ports

    def start(self, cause="hard"):
        """Do what the boot code does; then settle and send, as the update task does."""
        record = self.record
        decided = bootrecord.decide(record, cause)
        if decided != record:
            swap.save(str(self.data), decided)
        running = self.slot(bootrecord.running(decided))
        assert (running / "manifest.jsonl").exists()
        first = (running / "manifest.jsonl").read_bytes().split(b'"')
        self.version = first[3].decode()
        updater.settle(self.ports())
        self.send()

    def send(self):
        try:
            asyncio.run(report.Reports(str(self.data)).send(self.client, DEVICE))
        except errors.OtaError as error:
            self.log.append(str(error))

    def poll(self):
        """Poll and do what is wanted; True when the node shall reset."""
        offer = asyncio.run(poll.poll(self.client, DEVICE))
        if not offer.action and not offer.cancellation:
            return False
        return asyncio.run(updater.update(self.ports(), offer))

    def take(self):
        """Take the offered update and let its trial end well."""
        assert self.poll() is True
        self.start()
        self.end_trial()

    def end_trial(self):
        swap.confirm(str(self.data))
        updater.settle(self.ports())
        self.send()

    def state(self):
        return updater.load(str(self.data))


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
