"""What a state of the flash holds, read as the boot code reads it, and what is wrong with it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from littlefs import LittleFSError

from ota.build import filesystem
from ota.build.errors import BuildError
from ota.core import bootrecord
from sim import flashfiles
from sim.flashfiles import Windows
from sim.torture.journal import State

Files = Mapping[str, bytes]

PHASES = (
    "metadata",
    "download",
    "staging",
    "swap",
    "trial",
    "confirm",
    "revert",
    "record",
    "enrolment",
    "renewal",
    "measuring",
    "micropython",
)
"""What a change of the flash belongs to; `record`: it writes the boot record; `micropython`: it
is of an app partition, or of what tells the bootloader which to start."""

_MANIFEST = "manifest.jsonl"
_WORDS = {
    "requested": "metadata",
    "downloading": "staging",
    "verified": "swap",
    "staged": "swap",
    "confirmed": "confirm",
    "rolled_back": "revert",
}
_MAY_CHANGE = ("etc/identity", "etc/identity.new", "etc/claim")


class UnreadableError(Exception):
    """A file system of the state cannot be read."""


@dataclass(frozen=True)
class Facts:
    """What holds for every state of one recorded run.

    releases: version by the SHA-256 of its manifest; stored: windows that the server has in the
    end; fixed: SHA-256 of each file of `vfs` that no update may touch.
    """

    releases: Mapping[str, str]
    stored: Windows = field(default_factory=set)
    fixed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Content:
    """Every file of both file systems."""

    vfs: Files
    data: Files

    @property
    def record(self) -> dict[str, object]:
        """The boot record in force."""
        found: dict[str, object] = bootrecord.newest([self.data.get(f"boot.{i}") for i in (0, 1)])
        return found

    @property
    def word(self) -> str:
        """The update's word, "" when there is none."""
        try:
            return str(json.loads(self.data.get("update", b"{}")).get("word", ""))
        except (ValueError, AttributeError):
            return ""


def read(state: State) -> Content:
    """Read both file systems; UnreadableError when one does not mount."""
    return Content(_read(state.partition("vfs")), _unpack(state.partition("data")))


@lru_cache(maxsize=8)
def _read(vfs: bytes) -> Files:
    return _unpack(vfs)  # it hardly ever changes


def _unpack(volume: bytes) -> Files:
    try:
        return filesystem.unpack(volume)
    except (BuildError, LittleFSError) as error:
        raise UnreadableError(str(error)) from error


def fixed(content: Content) -> dict[str, str]:
    """Return the SHA-256 of each file that is written at provisioning only."""
    return {
        path: hashlib.sha256(text).hexdigest()
        for path, text in content.vfs.items()
        if path not in _MAY_CHANGE
    }


def phase(before: Content, after: Content) -> str:
    """Tell what the change between two contents belongs to."""
    if before.vfs != after.vfs:
        return "enrolment" if "etc/claim" in before.vfs else "renewal"
    if any(_records(before, i) != _records(after, i) for i in (0, 1)):
        return "record"
    record = after.record
    if record["state"] == "trying":
        return "trial"
    if after.word == "downloading" and ("new.z" in before.data or "new.z" in after.data):
        return "download"
    return _WORDS.get(after.word, "measuring")


def _records(content: Content, copy: int) -> list[bytes | None]:
    return [content.data.get(f"boot.{copy}{end}") for end in ("", ".new")]


def damage(data: Files, slot: str) -> str | None:
    """Check a slot as firmware/root/startup.py does; None when it is whole, else what is wrong."""
    lines = data.get(f"{slot}/{_MANIFEST}", b"").splitlines()
    if not lines:
        return f"{slot}/{_MANIFEST} is not there"
    for line in lines[1:]:
        path, size, digest = json.loads(line)[:3]
        text = data.get(f"{slot}/{path}", b"")
        if len(text) != size or hashlib.sha256(text).hexdigest() != digest:
            return f"{slot}/{path} is damaged"
    return None


def runs(content: Content, facts: Facts) -> tuple[str, list[str]]:
    """Return the version that a start from here runs, and what is wrong with that."""
    record = content.record
    faults = []
    if bootrecord.decode(content.data.get("boot.0")) is None and (
        bootrecord.decode(content.data.get("boot.1")) is None and record["n"] != 0
    ):
        faults.append("no copy of the boot record is sound")
    slot = bootrecord.running(bootrecord.decide(record, "power_on"))
    if found := damage(content.data, slot):
        faults.append(found)
    manifest = content.data.get(f"{slot}/{_MANIFEST}", b"")
    version = facts.releases.get(hashlib.sha256(manifest).hexdigest(), "")
    if not version:
        faults.append(f"slot {slot} holds no release that was ever made")
    return version, faults


def faults(content: Content, facts: Facts) -> list[str]:
    """Return what is wrong with a state: nothing, or the node may not come back whole."""
    found = runs(content, facts)[1]
    now = fixed(content)
    found += [
        f"vfs: {path} changed" for path, digest in facts.fixed.items() if now.get(path) != digest
    ]
    identity = content.vfs.get("etc/identity")
    if identity is None and "etc/claim" not in content.vfs:
        found.append("vfs: neither an identity nor a claim")
    if identity is not None and not _is_whole(identity):
        found.append("vfs: half an identity")
    produced, unsent = flashfiles.windows(content.data)
    if lost := produced - unsent - facts.stored:
        found.append(f"windows lost: {sorted(lost)}")
    return found


def _is_whole(identity: bytes) -> bool:
    """Say whether key and certificate are there: DER that is as long as it says."""
    end = 2 + int.from_bytes(identity[:2], "big")
    certificate = identity[end:]
    return certificate[:2] == b"\x30\x82" and len(certificate) == 4 + int.from_bytes(
        certificate[2:4], "big"
    )
