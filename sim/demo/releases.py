"""The releases of the story: which files each changes in the firmware of this checkout, and how.

They are built ahead, one after another beside what is told, and signed when their turn comes.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ota.build import bundle
from ota.build.entries import Entry
from sim.city import City

Changes = Mapping[str, Callable[[str], str]]
OTHER_BOARD = "esp32c3"
CRASH_S = 5
_GATE = '"pm25": (0, 1000)'
_MARKED = (
    "core/filters.py",
    "core/light.py",
    "core/ranges.py",
    "core/windows.py",
    "drivers/ambient.py",
    "drivers/bme280.py",
    "drivers/lamp.py",
    "drivers/pms5003.py",
)


def _gate(limit: int) -> Changes:
    return {"core/ranges.py": lambda text: text.replace(_GATE, f'"pm25": (0, {limit})')}


def _selftest(_: str) -> str:
    return (
        '"""A self-test that finds a fault, to show what a node does about it."""\n\n\n'
        "async def run(node: object) -> None:\n"
        '    """Fail."""\n'
        '    raise RuntimeError("the fault that 1.2.0 was built with")\n'
    )


def _crash(text: str) -> str:
    """Put in the place of the last task one that ends the firmware, once it is confirmed."""
    head, found, _ = text.partition("async def settle(node)")
    return (
        head
        + found
        + " -> None:\n"
        + '    """Crash some seconds after each start, but not in the trial."""\n'
        + "    from ota.device import swap\n\n"
        + '    while swap.load("/data")["state"] != "steady":\n'
        + "        await asyncio.sleep(1)\n"
        + f"    await asyncio.sleep({CRASH_S})\n"
        + '    node.dying = "the crash that 1.3.0 was built with"\n'
        + "    node.dead.set()\n"
    )


def _mark(text: str) -> str:
    return text + '\nRELEASE = "1.4.0"\n'


CHANGES: Mapping[str, Changes] = {
    "1.0.0": {},
    "1.1.0": _gate(900),
    "1.2.0": {"tasks/selftest.py": _selftest},
    "1.3.0": {"tasks/supervise.py": _crash},
    "1.4.0": dict.fromkeys(_MARKED, _mark),
}
_FORGED = _gate(1)


class Releases:
    """The release manager's desk."""

    def __init__(self, city: City, folder: Path) -> None:
        self._city = city
        self._folder = folder
        self._desk = ThreadPoolExecutor(1, thread_name_prefix="release-manager")
        self._made: dict[str, Future[dict[str, Any]]] = {}

    def prepare(self, *versions: str) -> None:
        """Begin to build these."""
        for version in versions:
            self._made[version] = self._desk.submit(
                self._city.release, version, CHANGES[version], publish=False
            )

    def prepare_theft(self, version: str) -> None:
        """Begin to build what a thief would have nodes run, and what another board really runs."""
        self._made["forged"] = self._desk.submit(
            self._city.release, version, _FORGED, publish=False, out="forged"
        )
        self._made["other"] = self._desk.submit(self._other, version)

    def built(self, name: str) -> dict[str, Any]:
        """Return what `lamppost ota build` said of it, when it is ready."""
        return self._made[name].result()

    def publish(self, name: str) -> dict[str, Any]:
        """Sign a release with the key that the server lacks, and hand it over."""
        built = self.built(name)
        self._city.lamppost("ota", "publish", built["bundle"])
        return built

    def changed(self, before: str, after: str) -> dict[str, str]:
        """Return path → SHA-256 of the files of `after` that `before` does not have."""
        known = {entry.sha256 for entry in self._entries(before)}
        return {
            entry.path: entry.sha256 for entry in self._entries(after) if entry.sha256 not in known
        }

    def close(self) -> None:
        """Stop building."""
        self._desk.shutdown(cancel_futures=True)

    def _entries(self, version: str) -> list[Entry]:
        return list(bundle.load(Path(self.built(version)["bundle"])).entries)

    def _other(self, version: str) -> dict[str, Any]:
        build = ("ota", "build", "--version", version, "--board", OTHER_BOARD)
        made: dict[str, Any] = self._city.lamppost(*build, "--out", self._folder)
        return made
