"""`make demo`: one node does all of it, told step by step, every figure counted.

Nothing here reaches into the firmware: commands are those of operators and release managers, the
node is its flash image, and what is checked is what server, flash and lamp circuit show.
"""

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sim import flashfiles, thief
from sim.city import City
from sim.node import Node  # noqa: TC001 - told at run time too
from sim.story import Story

WINDOWS = 10
STEPS = 8
_GATE = '"pm25": (0, 1000)'
_CUT_AT = 60  # flash changes into the update: in the middle of staging


class Demo:
    """One run: the city in `folder`, told to `story`; `result` is what --json writes."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.story = Story("Lamppost: one node, from its first boot to its fourth release", STEPS)
        self.city = City(folder / "home", seed=seed)
        self.result: dict[str, Any] = {}
        self.node: Node

    def run(self) -> None:
        """Tell the whole story."""
        for title, chapter in (
            ("A city sets up its server; the signing keys stay outside of it", self.found),
            ("A node boots from its flash, makes its key, enrols with one token", self.boot),
            ("1.1.0, with one file changed, comes over the air", self.good_release),
            ("1.2.0, signed but broken in its self-test, reverts by itself", self.bad_release),
            ("A thief with all the server holds offers his own release", self.forged_release),
            ("The power fails in an update, which finishes afterwards", self.power_cut),
            ("What was measured arrives exactly once", self.readings),
            ("The light, all the while", self.account),
        ):
            with self.story.step(title):
                chapter()
        self.story.end()
        self.result |= {"checks": self.story.checks, "seconds": round(self.story.seconds, 1)}

    def found(self) -> None:
        """Make the home, start the server, publish 1.0.0."""
        city, story = self.city, self.story
        story.doing("lamppost init, ota init, token create")
        city.found()
        story.doing("lamppost serve")
        city.serve()
        story.tell(f"operators  http://{city.operator[0]}:{city.operator[1]}/api/v1")
        story.tell(f"nodes      https://127.0.0.1:{city.proxy_port} (mutual TLS)")
        keys = {path.name for path in (city.home / "server").rglob("*.pem")}
        outside = {"root.pem", "targets.pem"}
        story.check(
            "signing_keys_outside_the_server",
            not keys & outside and outside <= {p.name for p in (city.home / "keys").iterdir()},
            "root and targets keys lie outside the server's folder",
        )
        story.doing("lamppost ota build, publish")
        built = city.release("1.0.0")
        story.tell(
            f"release    1.0.0: {built['files']} files, {built['bytes']} bytes of .mpy, "
            f"{built['blocks']} flash blocks a slot"
        )

    def boot(self) -> None:
        """Register the node, power it on, wait for its certificate and first window."""
        city, story = self.city, self.story
        story.doing("lamppost device add, device claim, node image")
        self.node = node = city.node("elm-street-4", "1.0.0")
        node.power_on()
        story.tell(f"console    mpremote connect {node.serial}")
        story.doing("booting, joining the network, making a P-256 key, enrolling")
        node.wait_text("enrol: certificate", 30)
        node.wait_text("acknowledged", 30)
        shown = city.device(node)
        story.check("enrolled", shown["state"] == "active", f"{node.id} is {shown['state']}")
        used = city.home.parent / "used-claim"
        used.write_text(flashfiles.read(node.flash.path, "vfs").get("etc/claim", b"").decode())
        story.check(
            "claim_gone", not used.read_text(), "the claim token has left the node's flash"
        )
        used.unlink()

    def good_release(self) -> None:
        """Roll 1.1.0 out."""
        built = self._publish("1.1.0", _narrower_gate)
        carried = self._update("1.1.0", "confirmed")
        full = built["deflated"]
        self.result["releases"] = {"1.1.0": {"bytes_full": full, "bytes_sent": carried}}
        self.story.check(
            "only_changed_files_fetched",
            0 < carried < full / 3,
            f"{carried} bytes reached the node, metadata and polls included; "
            f"the whole release is {full}",
        )
        self._runs("1.1.0")

    def bad_release(self) -> None:
        """Roll 1.2.0 out, which fails its own self-test."""
        self._publish("1.2.0", _broken_selftest)
        self._update("1.2.0", "rolled_back")
        self._runs("1.1.0")

    def forged_release(self) -> None:
        """Put a forged 1.3.0 onto the stolen server, past what the server checks."""
        city, story = self.city, self.story
        real = self._publish("1.3.0", _wider_gate)
        server, kept = city.home / "server", city.home.parent / "kept"
        shutil.copytree(server / "tuf", kept)
        forged = city.release("1.3.0", _thief_gate, publish=False, out="forged")
        thiefs = ("--home", city.home.parent / "thief")
        city.lamppost("ota", "init", "--unencrypted", *thiefs)
        refusal = city.lamppost("ota", "publish", forged["bundle"], *thiefs, status=2)
        story.check("server_refuses_forged", bool(refusal), f"upload refused: {_reason(refusal)}")
        thief.forge(server, Path(forged["bundle"]))
        self._update("1.3.0", "failed")
        story.check(
            "forged_refused",
            flashfiles.version(self.node.flash.path) == "1.1.0",
            "nothing of it was installed",
        )
        shutil.rmtree(server / "tuf")
        shutil.move(kept, server / "tuf")
        self.city.bundles["1.3.0"] = real
        self._runs("1.1.0")

    def power_cut(self) -> None:
        """Roll the real 1.3.0 out and cut the power within a flash write."""
        city, node, story = self.city, self.node, self.story
        self.result["power_cuts"] = {"injected": 0, "bricked": 0}
        node.cut_power_at(_CUT_AT, "change", "within")
        rollout = city.rollout("1.3.0", node)
        story.doing("waiting for the cut within a flash write")
        node.wait(lambda: node.state == "off", 60, "the power cut")
        words = city.action(rollout, node)["state"]
        self.result["power_cuts"]["injected"] = node.cuts
        story.tell(f"power cut within flash change {_CUT_AT}, the update was at: {words}")
        node.power_on()
        story.doing("power is back; the update goes on")
        city.wait_action(rollout, node, "confirmed", 90)
        story.check("finishes_after_power_cut", node.cuts == 1, "1.3.0 is confirmed")
        self._runs("1.3.0")

    def readings(self) -> None:
        """Compare what the flash says was produced with what the server has."""
        city, node, story = self.city, self.node, self.story
        total = f"at least {WINDOWS} windows"
        story.doing(f"waiting for {total}")
        city.wait(lambda: len(_windows(city.readings(node))) >= WINDOWS, 60, total)
        node.wait_text("acknowledged", 30, node.console.length)
        node.power_off()
        produced, unsent = flashfiles.outbox(node.flash.path)
        rows = city.readings(node)
        stored = _windows(rows)
        keys = {(row["box"], row["seq"], row["stream"]) for row in rows}
        lost = produced - set(stored) - unsent
        self.result["windows"] = {
            "produced": len(produced),
            "stored": len(stored),
            "waiting_on_flash": len(unsent),
            "lost": len(lost),
            "duplicated": len(rows) - len(keys),
        }
        pm25 = [row for row in rows if row["stream"] == "pm25" and row["value"] is not None][-1]
        story.tell(f"the last: pm25 {pm25['value']} {pm25['unit']} from {pm25['count']} samples")
        story.check(
            "readings_exactly_once",
            len(stored) >= WINDOWS and not lost and len(rows) == len(keys),
            f"{len(produced)} windows produced, {len(stored)} stored, {len(unsent)} on flash, "
            f"{len(lost)} lost, {len(rows) - len(keys)} twice",
        )

    def account(self) -> None:
        """Read the lamp circuit and the audit record."""
        node, story = self.node, self.story
        lamp = node.lamp
        self.result["lamp_dark_seconds"] = round(lamp.dark_s, 3)
        story.tell(f"resets: {', '.join(node.resets)}")
        story.check(
            "never_dark",
            lamp.dark_s == 0 and lamp.lit_s > 0,
            f"dark for {lamp.dark_s:.3f} s of a night's {self.story.seconds:.0f} s, "
            f"lowest level {lamp.lowest:.0f} %",
        )
        audit = self.city.lamppost("audit", "list")
        story.tell(f"{len(audit)} entries in the audit record: lamppost audit list")

    def _publish(self, version: str, changes: dict[str, Callable[[str], str]]) -> dict[str, Any]:
        self.story.doing(f"lamppost ota build --version {version}, ota publish")
        return self.city.release(version, changes)

    def _update(self, version: str, outcome: str) -> int:
        """Roll a release out to the node; return the bytes that reached it until it was staged."""
        city, node, story = self.city, self.node, self.story
        before = city.received
        mark = node.console.length
        rollout = city.rollout(version, node)
        story.doing(f"{version}: offered, downloading, staged, trial boot")
        reason = city.wait_action(rollout, node, outcome, 90)
        carried = city.received - before
        boots = node.console.since(mark).count("boot: slot")
        told = f": {reason}" if reason else ""
        story.check(f"{version}_{outcome}", True, f"{version} is {outcome}{told} (boots: {boots})")
        return carried

    def _runs(self, version: str) -> None:
        node = self.node
        node.wait(lambda: flashfiles.version(node.flash.path) == version, 30, version)
        shown = self.city.wait(
            lambda: self.city.device(node)["version"] == version, 30, f"{version} to be reported"
        )
        self.story.check(f"runs_{version}", bool(shown), f"the node runs {version}")


def tell(folder: Path, seed: int, json_file: Path | None, *, once: bool) -> bool:
    """Run the demonstration; True when every check held. Then stay, unless `once`."""
    demo = Demo(folder, seed)
    try:
        try:
            demo.run()
        finally:
            if json_file:
                json_file.write_text(json.dumps(demo.result, indent=2) + "\n")
        if not once:
            _stay(demo)
        return demo.story.ok
    finally:
        demo.city.close()


def _stay(demo: Demo) -> None:
    city = demo.city
    demo.node.power_on()
    demo.story.print(
        f"\nServer and node stay up; Ctrl-C ends them.\n"
        f"  export {' '.join(f'{k}={v}' for k, v in city.access.items())}\n"
        f"{_activation()}"
        f"  lamppost device list\n"
        f"  mpremote connect {demo.node.serial}"
    )
    try:
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        demo.story.print("ending server and node")


def _reason(error: object) -> str:
    return str(error).removeprefix("Error: ").removeprefix("the server refused: ")


def _activation() -> str:
    """Return the line that puts this environment's commands on the PATH, where they are not."""
    if shutil.which("lamppost"):
        return ""
    return f"  . {Path(sys.prefix, 'bin', 'activate')}\n"


def _windows(rows: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return sorted({(row["box"], row["seq"]) for row in rows})


def _gate(limit: int) -> dict[str, Callable[[str], str]]:
    return {"core/ranges.py": lambda text: text.replace(_GATE, f'"pm25": (0, {limit})')}


_narrower_gate, _wider_gate, _thief_gate = _gate(900), _gate(1100), _gate(1)
_broken_selftest = {
    "tasks/selftest.py": lambda _: (
        '"""A self-test that finds a fault, to show what a node does about it."""\n\n\n'
        "async def run(node: object) -> None:\n"
        '    """Fail."""\n'
        '    raise RuntimeError("the fault that this release was built with")\n'
    )
}
