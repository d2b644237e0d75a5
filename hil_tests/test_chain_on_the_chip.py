"""What TUF costs the stock ESP32 image: CPU seconds, by counted instructions.

One chain is a real one, made by `lamppost ota init` and `publish`; more hold seven signatures
each, a root's rotation among them, made by the reference library. The code is a slot's own. The
modules are loaded before: a look at the flash costs more there than the arithmetic. What a heap in
use adds is in the figures: on an empty one a P-256 verification takes 0.196 s, and here a quarter
more, since MicroPython looks for room among what lives.
"""

import datetime as dt
import hashlib
import json
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from hil_tests.rigs import counted
from ota.build import bundle
from ota.core import p256key
from ota.field.image import flash_image
from sim.city import City

LONGEST_MS = 50  # for which the loop may stand still
SINGLES = 4

# Run by the stock `_boot.py`, before any firmware of ours.
PROBE = b"""
import gc, io, json, os, sys, vfs
from binascii import unhexlify
from esp32 import Partition
from time import ticks_us, ticks_diff
vfs.mount(Partition.find(Partition.TYPE_DATA, label="data")[0], "/data")
sys.path[:] = ["/data/a", ".frozen"]
def content(name):
    with open("/data/" + name, "rb") as file:
        return io.BytesIO(file.read())
def timed(name, steps):
    total = longest = 0
    what = None
    while True:
        began = ticks_us()
        try:
            next(steps)
            ended = False
        except StopIteration as end:
            ended, what = True, end.value
        except errors.Rollback:
            ended = True
        took = ticks_diff(ticks_us(), began)
        total += took
        longest = max(longest, took)
        if ended:
            break
    print("figure", name, total, longest)
    return what
gc.collect()
free = gc.mem_free()
from ota.core import errors, p256, tuf
gc.collect()
print("figure loaded", free - gc.mem_free(), 0)
free = gc.mem_free()
from ota.core import rsa
gc.collect()
print("figure loaded_rsa", free - gc.mem_free(), 0)
began = ticks_us()
gc.collect()
print("figure collection", ticks_diff(ticks_us(), began), 0)
for i, (kind, key, digest, signature) in enumerate(json.load(content("singles"))):
    steps = (p256 if kind == "p256" else rsa).verify(
        unhexlify(key), unhexlify(digest), unhexlify(signature))
    print("good", timed("one:%s:%d" % (kind, i), steps))
def trust(folder):
    file = content(folder + "/root.json")
    began = ticks_us()
    trusted = tuf.Trusted(file, NOW)
    print("figure %s:load" % folder, ticks_diff(ticks_us(), began), 0)
    return trusted
trusted = trust("chain")
for name in ("timestamp", "snapshot", "targets"):
    timed("chain:" + name, getattr(trusted, "update_" + name)(content("chain/%s.json" % name)))
print("target", trusted.target("esp32/1.0.0.jsonl")[1])
for folder in ("p256", "both", "rsa"):
    trusted = trust(folder)
    for name, role, *persisted in (
        ("2.root", "root"), ("1.timestamp", "timestamp"), ("2.timestamp", "timestamp"),
        ("1.snapshot", "snapshot", True), ("2.snapshot", "snapshot"), ("2.targets", "targets"),
    ):
        file = content("%s/%s.json" % (folder, name))
        timed("%s:%s" % (folder, name), getattr(trusted, "update_" + role)(file, *persisted))
    print("target", trusted.target("esp32/1.0.0.jsonl")[1])
print("end of probe")
"""


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    """Run the probe once."""
    return measured(counted.runtime(), tmp_path_factory.mktemp("chip"))


def measured(runtime, folder):
    """Run the probe: name -> (CPU in us, longest slice in us)."""
    with City(folder / "home") as city:
        release = bundle.load(Path(city.open("1.0.0")["bundle"]))
    metadata = city.home / "server" / "tuf" / "metadata"
    files = {
        f"chain/{role}.json": _newest(metadata, role) for role in ("root", "snapshot", "targets")
    }
    files["chain/timestamp.json"] = (metadata / "timestamp.json").read_bytes()
    p256, rsa = CryptoSigner.generate_ecdsa, CryptoSigner.generate_rsa
    for kind, *makers in (("p256", p256, p256), ("both", p256, rsa), ("rsa", rsa, rsa)):
        files |= {f"{kind}/{name}": data for name, data in _seven(*makers).items()}
    files["singles"] = _singles()
    flash = folder / "flash.bin"
    probe = PROBE.replace(b"NOW", str(int(time.time())).encode())
    flash.write_bytes(flash_image(runtime, {"boot.py": probe}, release.slot("a") | files))
    said = counted.run(flash, folder / "serial.log", "end of probe", counted.CHIP).splitlines()
    assert [line for line in said if line.startswith("good")] == ["good True"] * (SINGLES + 1)
    assert len([line for line in said if line.startswith("target ")]) == 4
    words = [line.split() for line in said if line.startswith("figure")]
    return {name: (int(total), int(longest)) for _, name, total, longest in words}


@pytest.mark.timeout(counted.DEADLINE_S + 60)
def test_every_slice_lets_the_loop_turn(figures):
    print(f"\ntuf, p256 and what they import: {figures['loaded'][0]} bytes of heap")
    print(f"rsa besides: {figures['loaded_rsa'][0]} bytes")
    print(f"a collection of garbage then: {figures['collection'][0] / 1e3:.1f} ms")
    longest_ms = max(longest for _, longest in figures.values()) / 1e3
    print(f"longest slice {longest_ms:.0f} ms")
    assert longest_ms <= LONGEST_MS


@pytest.mark.timeout(counted.DEADLINE_S + 60)
def test_one_verification(figures):
    p256 = seconds(figures, "one:p256") / SINGLES
    rsa = seconds(figures, "one:rsa")
    print(f"\none verification: P-256 {p256:.3f} s of CPU, RSA-PSS-3072 {rsa:.3f} s")
    assert p256 < 0.27
    assert rsa < 0.1


@pytest.mark.timeout(counted.DEADLINE_S + 60)
def test_chains(figures):
    for name, title in (
        ("chain", "what `ota init` and `publish` make, seen first"),
        ("p256", "seven signatures of P-256"),
        ("both", "seven, those of timestamp and snapshot of RSA-PSS-3072"),
        ("rsa", "seven of RSA-PSS-3072"),
    ):
        print(f"\n{title}: {seconds(figures, name + ':'):.2f} s of CPU")
        steps = {
            each.split(":")[1]: round(us / 1e6, 2)
            for each, (us, _) in figures.items()
            if each.startswith(name + ":")
        }
        print(steps)
    assert seconds(figures, "chain:") < 1.0
    assert seconds(figures, "rsa:") < 1.0
    assert seconds(figures, "both:") < 1.5
    assert seconds(figures, "p256:") < 2.0


def seconds(figures, start):
    """Return the CPU seconds of every figure whose name starts so."""
    return sum(total for name, (total, _) in figures.items() if name.startswith(start)) / 1e6


def _newest(metadata, role):
    files = metadata.glob(f"*.{role}.json")
    return max(files, key=lambda path: int(path.name.split(".")[0])).read_bytes()


def _singles():
    """Signatures that are the same in every run: [kind, key, digest, signature] in hex."""
    made = []
    for i in range(SINGLES):
        d = int.from_bytes(hashlib.sha256(b"key %d" % i).digest(), "big") >> 1
        digest = hashlib.sha256(b"message %d" % i).digest()
        made.append(["p256", p256key.public(d).hex(), digest.hex(), p256key.sign(d, digest).hex()])
    signer = CryptoSigner.generate_rsa()
    key = signer._private_key.public_key()  # noqa: SLF001 - the library hands out no DER
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    signature = signer.sign(b"message").signature
    made.append(["rsa", der.hex(), hashlib.sha256(b"message").hexdigest(), signature])
    return json.dumps(made).encode()


def _seven(offline, online):
    """Two versions of a repository: a root of 2 in 3 that changes a key, all else anew."""
    expires = dt.datetime.now(dt.UTC).replace(microsecond=0) + dt.timedelta(days=9)
    holders = [offline() for _ in range(4)]
    targets_key, snapshot_key, timestamp_key = offline(), online(), online()
    root = Root(expires=expires, consistent_snapshot=True)
    for holder in holders[:3]:
        root.add_key(holder.public_key, "root")
    root.roles["root"].threshold = 2
    for role, signer in (
        ("targets", targets_key),
        ("snapshot", snapshot_key),
        ("timestamp", timestamp_key),
    ):
        root.add_key(signer.public_key, role)
    made = {"root.json": _signed(root, *holders[:2])}
    root.version = 2
    root.revoke_key(holders[2].public_key.keyid, "root")
    root.add_key(holders[3].public_key, "root")
    made["2.root.json"] = _signed(root, *holders[:2])
    listed = {"esp32/1.0.0.jsonl": TargetFile.from_data("esp32/1.0.0.jsonl", b"x", ["sha256"])}
    for version in (1, 2):
        targets = _signed(Targets(version, expires=expires, targets=listed), targets_key)
        meta = {"targets.json": _told(version, targets)}
        snapshot = _signed(Snapshot(version, expires=expires, meta=meta), snapshot_key)
        timestamp = Timestamp(version, expires=expires, snapshot_meta=_told(version, snapshot))
        made[f"{version}.targets.json"] = targets
        made[f"{version}.snapshot.json"] = snapshot
        made[f"{version}.timestamp.json"] = _signed(timestamp, timestamp_key)
    return made


def _told(version, data):
    return MetaFile(version, len(data), {"sha256": hashlib.sha256(data).hexdigest()})


def _signed(content, *signers):
    metadata = Metadata(content)
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata.to_bytes()
