"""Power cuts at chosen moments of an update, and what lies on the flash at that moment."""

import hashlib
import random
import re
import zlib
from dataclasses import dataclass

from ota.core import bootrecord
from sim import flashfiles
from sim.demo.following import PATIENCE_S
from sim.demo.stage import Stage
from sim.node import Node

_FETCHED = re.compile(r"update: (\d+) files fetched")
_FIRST_CHANGE, _LAST_CHANGE = 20, 60


@dataclass(frozen=True)
class Cut:
    """A cut as the flash showed it: state of the boot record, files that had been fetched whole.

    mark: of the console then.
    """

    state: str
    whole: frozenset[str]
    mark: int


class Cuts:
    """Cuts in the update to a version; `changed`: path → SHA-256 of what a node must fetch."""

    def __init__(self, stage: Stage, version: str, changed: dict[str, str]) -> None:
        self._stage = stage
        self._version = version
        self.changed = changed
        chance = random.Random(stage.city.world.seed)  # noqa: S311 - bad luck, not secrets
        self._change = chance.randint(_FIRST_CHANGE, _LAST_CHANGE)

    def in_download(self, node: Node) -> Cut:
        """Cut the power within a flash write of the download, then give it back."""
        return self._cut(node, f"update {self._version}: downloading", self._change)

    def in_swap(self, node: Node) -> Cut:
        """Cut it within the write that notes that the trial begins, then give it back."""
        return self._cut(node, f"planned reset: update to {self._version}", 1)

    def _cut(self, node: Node, text: str, change: int) -> Cut:
        with node.loop.lock:
            node.console.once(text, lambda: node.flash.arm(change, "change", "within"))
        node.wait(lambda: node.state == "off", PATIENCE_S, "the power cut")
        cut = self._look(node)
        name, files = self._stage.name(node.id), f"{len(cut.whole)} of {len(self.changed)} files"
        self._stage.story.tell(name, f"power cut within a flash write: {cut.state}, {files} there")
        node.power_on()
        return cut

    def _look(self, node: Node) -> Cut:
        files = flashfiles.read(node.flash.path, "data")
        record = bootrecord.newest([files.get("boot.0"), files.get("boot.1")])
        idle = bootrecord.other(record["slot"])
        fetched = _digest(_inflated(files.get("new.z", b"")))
        whole = {
            path
            for path, digest in self.changed.items()
            if digest in (fetched, _digest(files.get(f"{idle}/{path}", b"")))
        }
        return Cut(record["state"], frozenset(whole), node.console.length)

    def fetched_after(self, node: Node, cut: Cut) -> int:
        """Return how many files the node fetched after the cut, by its own words."""
        return sum(map(int, _FETCHED.findall(node.console.since(cut.mark))))


def _inflated(packed: bytes) -> bytes:
    """Return what a fetched file holds; nothing when it is not whole."""
    try:
        return zlib.decompress(packed)
    except zlib.error:
        return b""


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
