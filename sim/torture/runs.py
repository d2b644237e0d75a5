"""What is recorded: runs of one node against a real server, whole, each change of its flash kept.

renewal      a node renews its certificate
enrolment    a new node enrols
update       a release of eight changed files, after every key of the repository was rotated
whole        a release in which every file of the firmware changed, into a slot without files
revert       a release whose self-test fails: tried, and left again
micropython  a release that brings its MicroPython, to a node with two app partitions
"""

import hashlib
import sqlite3
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ota.build import filesystem
from sim import flashfiles
from sim.city import City
from sim.espimage import micropython
from sim.node import Node
from sim.torture.content import Content, Facts, fixed
from sim.torture.journal import Change, parse
from sim.torture.tortured import Tortured

FIRST = "1.0.0"
_SHORT = ("--certificate-days", "0.02")  # two thirds of such a life are over when it is issued
_START_S = 60.0
_END_S = 180.0
_FIRMWARE = Path(__file__).parent.parent.parent / "firmware"
_FOLDERS = ("core", "drivers", "ports", "tasks")
_CHANGED = ("calendar", "errors", "filters", "httpdate", "names", "ranges", "senml", "windows")
_APP_BYTES = 40_000
_BROKEN = 'async def run(node):\n    raise RuntimeError("built to fail")\n'

Text = Callable[[str], str]


@dataclass(frozen=True)
class Run:
    """A run by name: the version offered ("": none), how that ends, what it begins with.

    enrolled: the node has its certificate; empty: its idle slot has lost its files; options: the
    server's; flash: the node's (ota.field.partitions.LAYOUTS).
    """

    name: str
    version: str = ""
    outcome: str = "confirmed"
    enrolled: bool = True
    empty: bool = False
    options: tuple[str, ...] = ()
    flash: str = "4MB"

    @property
    def ends_with(self) -> str:
        """The version that runs in the end."""
        return self.version if self.version and self.outcome == "confirmed" else FIRST


RUNS = (
    Run("renewal", options=_SHORT),
    Run("enrolment", enrolled=False),
    Run("update", "1.1.0"),
    Run("whole", "1.2.0", empty=True),
    Run("revert", "1.3.0", outcome="rolled_back"),
    Run("micropython", "1.4.0", flash="8MB"),
)


def changes(version: str) -> Mapping[str, Text]:
    """Return what a release changes (Office.release)."""
    if version == "1.1.0":
        return {f"core/{name}.py": _marked for name in _CHANGED}
    if version == "1.2.0":
        return {
            path.relative_to(_FIRMWARE).as_posix(): _marked
            for folder in _FOLDERS
            for path in sorted((_FIRMWARE / folder).glob("*.py"))
        }
    if version == "1.4.0":
        return {"core/names.py": _marked}
    return {"tasks/selftest.py": lambda _: _BROKEN}


def _marked(text: str) -> str:
    return text + "\n_ = 7\n"


@dataclass(frozen=True)
class Recording:
    """A run as it was: its flash before and after, the changes between, and what must hold."""

    run: Run
    mac: bytes
    image: bytes
    changes: tuple[Change, ...]
    facts: Facts
    end: bytes


class Bench:
    """A city with the releases of the runs; a node for a run begins with `image`."""

    def __init__(self, home: Path, *, seed: int) -> None:
        self.city = City(home, seed=seed)
        self.city.made_as = Tortured
        self.home = home
        self.releases: dict[str, str] = {}
        self._options: tuple[str, ...] = ()

    def found(self, runs: Sequence[Run], *, rotated: bool = True) -> None:
        """Set the office up: 1.0.0 for the nodes, then new keys, then what the runs offer."""
        self.city.found()
        self._serve(runs[0].options)
        self._release(FIRST, None)
        self.first = (self.city.home / "keys/root.json").read_bytes()
        if rotated and any(run.version for run in runs):
            self.city.lamppost("ota", "rotate", "root", "targets", "snapshot", "timestamp")
            draft = self.city.lamppost("ota", "sign")
            self.city.lamppost("ota", "publish", draft["file"])
        for run in runs:
            if run.version:
                self._release(run.version, changes(run.version), self._brought(run))

    def node(self, name: str, run: Run) -> Tortured:
        """Return a node, off, with the flash that `run` begins with; its outbox is new."""
        self._serve(run.options)
        node = self._made(name, run.flash)
        if run.enrolled:
            node.power_on()
            node.wait_text("acknowledged", _START_S)
            node.power_off()
            anew(node, empty=run.empty)
        return node

    def record(self, run: Run) -> Recording:
        """Let a node go through a run; DeadlineError when it does not come to its end."""
        node = self.node(f"recorded-{run.name}", run)
        image = node.flash.path.read_bytes()
        node.flash.keep_journal()
        mark = node.console.length
        node.power_on()
        if run.version:
            node.wait_text("acknowledged", _START_S, mark)
            self.wait(self.offer(run.version, node), run.outcome, node)
        else:
            node.wait_text("enrol: certificate", _START_S, mark)
        node.wait_text("acknowledged", _START_S, node.console.length)
        node.power_off()
        node.flash.keep_journal(on=False)
        began = Content(*(_files(image, node, label) for label in ("vfs", "data")))
        facts = Facts(self.releases, self.stored(node), fixed(began))
        end = node.flash.path.read_bytes()
        return Recording(run, node.mac, image, tuple(parse(node.flash.journal)), facts, end)

    def offer(self, version: str, node: Node) -> int:
        """Offer a release to a node; return the rollout's number."""
        plan = {"waves": [{"percent": 100}], "soak_s": 0, "failure_percent": 100}
        new: dict[str, Any] = {"version": version, "devices": [node.id], **plan}
        return int(self.city.api("POST", "/rollouts", new)["id"])

    def action(self, number: int) -> dict[str, Any]:
        """Return what the server knows of the one update of a rollout."""
        found = self.city.api("GET", f"/rollouts/{number}")["actions"]
        return dict(found[0]) if found else {"state": "", "reason": "", "active": True}

    def wait(self, number: int, outcome: str, node: Node) -> None:
        """Wait until the server knows that an update has ended so."""
        self.city.wait(
            lambda: self.action(number)["state"] == outcome,
            _END_S,
            f"{node.id} to come to {outcome}",
            told=lambda: node.console.text[-1500:],
        )

    def stored(self, node: Node) -> set[tuple[str, int]]:
        """Return every window of a node that the server has."""
        query = "SELECT DISTINCT box, seq FROM observations WHERE device_id = ?"
        server = self.city.home / "server" / "lamppost.db"
        with closing(sqlite3.connect(server, timeout=_START_S)) as database:
            return {(str(box), int(seq)) for box, seq in database.execute(query, (node.id,))}

    def close(self) -> None:
        """End server and nodes."""
        self.city.close()

    def _serve(self, options: tuple[str, ...]) -> None:
        if self.city.proxy is None or options != self._options:
            self.city.stop()
            self.city.serve(*options)
        self._options = options

    def _brought(self, run: Run) -> Sequence[object]:
        """Return the options of a build whose release brings a MicroPython, if the run's does."""
        return ("--micropython", self._image("1.28.0")) if run.flash == "8MB" else ()

    def _image(self, version: str) -> Path:
        path = self.home.parent / f"micropython-{version}.bin"
        path.write_bytes(micropython(version, _APP_BYTES))
        return path

    def _release(
        self, version: str, changed: Mapping[str, Text] | None, options: Sequence[object] = ()
    ) -> None:
        publish = changed is not None
        built = self.city.release(version, changed, publish=publish, options=options)
        with zipfile.ZipFile(built["bundle"]) as archive:
            manifest = archive.read("manifest.jsonl")
        self.releases[hashlib.sha256(manifest).hexdigest()] = version

    def _made(self, name: str, flash: str) -> Tortured:
        """Make a node that begins with the root of its first day, and so walks to today's."""
        runtime = self._image("1.27.0") if flash == "8MB" else None
        made = self.city.node(name, FIRST, flash=flash, runtime=runtime)
        assert isinstance(made, Tortured), "the city makes no others"
        flashfiles.change(made.flash.path, "vfs", {"etc/root.json": self.first})
        return made


def anew(node: Node, *, empty: bool) -> None:
    """Give a node that is off a new outbox; `empty`: its idle slot has a manifest and no files."""
    found = flashfiles.read(node.flash.path, "data")
    gone = [path for path in found if path.startswith("outbox/")]
    if empty:
        gone += [path for path in found if path.startswith("b/") and path != "b/manifest.jsonl"]
    flashfiles.change(node.flash.path, "data", dict.fromkeys(gone))


def _files(image: bytes, node: Node, label: str) -> dict[str, bytes]:
    offset, size = node.flash.partitions[label]
    return filesystem.unpack(image[offset : offset + size])
