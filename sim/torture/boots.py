"""Starts a node from states of its flash, one after the other, in a real VM and without a server.

A start is over when the slot's firmware has started its tasks ("main: memory"): the boot code has
judged the record and checked the slot, the light burns, the journal is settled, the outbox has
been recovered. Then the power goes again.
"""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from sim.clock import Clock
from sim.errors import DeadlineError
from sim.hardware.flash import BLOCK_BYTES
from sim.hardware.wifi import Wifi
from sim.node import Node
from sim.torture.content import Content, Facts, UnreadableError, faults, read, runs
from sim.torture.journal import Change, State, parse
from sim.wiring import wire
from sim.world import World, midnight_place

_STARTED = "main: memory"
_ANEW = "its MicroPython is in "  # one start more, for the sake of the app
_VERDICT = "built to fail"  # of the self-test in sim/torture/runs.py
_START_S = 120.0  # a start takes 0.1 s; on a machine with more to do it may have to wait
_TOLD = 300
_FULL = 100.0


@dataclass(frozen=True)
class Start:
    """What came of a start: what is wrong (nothing, or the node is bricked), what it changed."""

    faults: tuple[str, ...]
    changes: tuple[Change, ...]
    dead: bool = False
    """It said that both slots are damaged, and keeps the light on."""


@dataclass(frozen=True)
class _Run:
    verdict: str
    text: str
    starts: int
    changes: tuple[Change, ...]
    faults: tuple[str, ...]


class Starter:
    """One node at `folder` whose flash is given states; at night, out of reach of any network."""

    def __init__(self, folder: Path, image: bytes, mac: bytes, config: bytes) -> None:
        path = folder / "flash.bin"
        path.write_bytes(image)
        clock = Clock()
        wiring = wire(json.loads(config), clock, World(1).at(midnight_place(time.time())))
        wiring.wifi = Wifi(clock, ssid="another")
        self._node = Node(path, mac=mac, wiring=wiring, clock=clock)
        self._there = list(State(image).digests)

    def start(self, state: State, before: Content, facts: Facts) -> Start:
        """Start from a state; `before`: what it holds."""
        run = self._run(state)
        found = list(run.faults)
        dead = run.verdict == "rescue"
        if not run.faults and not dead and run.verdict != "runs":
            found.append(f"it came to no end: {run.text[-_TOLD:]}")
        if run.starts > 1 + run.text.count(_ANEW):
            found.append(f"it started {run.starts} times: {run.text[-_TOLD:]}")
        if not dead:
            found += self._after(before, state, run.changes, facts)
        return Start(tuple(found), run.changes, dead)

    def survive(self, state: State) -> tuple[str, str, bool]:
        """Start from a damaged state: (verdict, what is wrong, whether the VM crashed).

        Verdicts: "runs", "rescue" (both slots are gone), "cable" (`vfs` is damaged, or what of it
        starts a slot: the node waits at its prompt); "" for none of these, which must not be.
        """
        run = self._run(state)
        found = list(run.faults)
        if run.verdict == "broken":
            found.append(f"the VM does not start: {run.text[-_TOLD:]}")
        return run.verdict, "; ".join(found), "the VM died" in run.text

    def _run(self, state: State) -> _Run:
        """Start; once more should it take too long: a busy machine is no brick, a brick stays."""
        run = self._once(state)
        return run if run.verdict else self._once(state)

    def _once(self, state: State) -> _Run:
        node = self._node
        self._give(state)
        node.flash.keep_journal()
        mark, began = node.console.length, len(node.resets)
        dark_s, known = node.lamp.dark_s, len(node.lamp.history)
        node.power_on()
        verdict, found = "", []
        try:
            verdict = node.wait(lambda: _verdict(node, mark), _START_S, "the firmware to start")
        except DeadlineError as error:
            found.append(str(error))
        self._off()
        levels = [level for _, level in list(node.lamp.history)[known - 1 :]]
        if node.lamp.dark_s > dark_s or min(levels) < _FULL:
            found.append("the lamp was dark")
        changes = tuple(parse(node.flash.journal))
        for change in changes:
            self._there[change.address // BLOCK_BYTES] = b""
        text = node.console.since(mark)
        return _Run(verdict, text, len(node.resets) - began, changes, tuple(found))

    def _off(self) -> None:
        self._node.power_off()

    def _after(
        self, before: Content, state: State, changes: tuple[Change, ...], facts: Facts
    ) -> list[str]:
        """Judge what the start left on flash; `state` is as it was when this returns."""
        undo = [(change.address, state.apply(change)) for change in changes]
        try:
            after = read(state)
        except UnreadableError as error:
            return [f"after the start: {error}"]
        finally:
            for address, content in reversed(undo):
                state.put(address, content)
        found = [f"after the start: {fault}" for fault in faults(after, facts)]
        gone_back = _VERDICT in str(
            after.record["reason"]
        )  # it may be there before the power goes
        if runs(after, facts)[0] != runs(before, facts)[0] and not gone_back:
            found.append("the start chose another release")
        return found

    def _give(self, state: State) -> None:
        """Put a state on the flash, as far as it is another than what is there."""
        for block, digest in enumerate(state.digests):
            if digest != self._there[block]:
                start = block * BLOCK_BYTES
                content = state.image[start : start + BLOCK_BYTES]
                os.pwrite(self._node.flash.fd, content, start)
                self._there[block] = digest

    def close(self) -> None:
        """End the node."""
        self._node.close()


def _verdict(node: Node, mark: int) -> str:
    text = node.console.since(mark)
    if _STARTED in text:
        return "runs"
    if "both slots are damaged" in text:
        return "rescue"
    if "the file system is damaged" in text or node.state == "prompt":
        return "cable"
    return "broken" if node.state == "broken" else ""
