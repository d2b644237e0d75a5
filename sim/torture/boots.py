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
_START_S = 30.0
_FULL = 100.0


@dataclass(frozen=True)
class Start:
    """What came of a start: what is wrong (nothing, or the node is bricked), what it changed."""

    faults: tuple[str, ...]
    changes: tuple[Change, ...]
    dead: bool = False
    """It said that both slots are damaged, and keeps the light on."""


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

    def start(self, state: State, before: Content | None, facts: Facts) -> Start:
        """Start from a state; `before`: what it holds, None when that cannot be said."""
        node = self._node
        self._give(state)
        node.flash.keep_journal()
        mark, began = node.console.length, len(node.resets)
        dark_s, known = node.lamp.dark_s, len(node.lamp.history)
        node.power_on()
        dead = False
        found = []
        try:
            node.wait(lambda: _ended(node, mark), _START_S, "the firmware to start")
            text = node.console.since(mark)
            dead = "both slots are damaged" in text
            if _STARTED not in text and not dead:
                found.append(f"it came to no end: {node.state}: {text[-300:]}")
            if len(node.resets) > began + 1:
                found.append(f"it started {len(node.resets) - began} times: {text[-300:]}")
        except DeadlineError as error:
            found.append(str(error))
        node.power_off()
        levels = [level for _, level in list(node.lamp.history)[known - 1 :]]
        if node.lamp.dark_s > dark_s or min(levels) < _FULL:
            found.append("the lamp was dark")
        changes = tuple(parse(node.flash.journal))
        for change in changes:
            self._there[change.address // BLOCK_BYTES] = b""
        if before is not None and not dead:
            found += self._after(before, state, changes, facts)
        return Start(tuple(found), changes, dead)

    def survive(self, state: State) -> tuple[str, str, bool]:
        """Start from a damaged state: (verdict, what is wrong, whether the VM crashed).

        Verdicts: "runs", "rescue" (both slots are gone), "cable" (`vfs` is damaged, or what of it
        starts a slot: the node waits at its prompt); "" for none of these, which must not be.
        """
        node = self._node
        self._give(state)
        node.flash.keep_journal()
        mark, dark_s = node.console.length, node.lamp.dark_s
        known = len(node.lamp.history)
        node.power_on()
        fault = ""
        try:
            verdict = node.wait(lambda: _verdict(node, mark), _START_S, "a verdict")
        except DeadlineError as error:
            verdict, fault = "", str(error)
        text = node.console.since(mark)
        node.power_off()
        for change in parse(node.flash.journal):
            self._there[change.address // BLOCK_BYTES] = b""
        if (
            node.lamp.dark_s > dark_s
            or min(v for _, v in list(node.lamp.history)[known - 1 :]) < 1
        ):
            fault = "the lamp was dark"
        return verdict, fault, "the VM died" in text

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
        if runs(after, facts)[0] != runs(before, facts)[0]:
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


def _ended(node: Node, mark: int) -> bool:
    text = node.console.since(mark)
    over = node.state in ("broken", "prompt") or "the VM died" in text or "boot: reset" in text
    return over or _STARTED in text or "both slots are damaged" in text


def _verdict(node: Node, mark: int) -> str:
    text = node.console.since(mark)
    if _STARTED in text:
        return "runs"
    if "both slots are damaged" in text:
        return "rescue"
    if "the file system is damaged" in text or node.state == "prompt":
        return "cable"
    return ""
