"""An offline bundle onto a node over its cable: hands out what is asked for, tells how it went.

The node decides: a program of ours (onboard/deploy.py) has its own updater fetch from this end.
What is refused here is refused earlier and in clearer words, never allowed: another board, a node
without our firmware, a bundle that is damaged or over.
"""

import base64
import binascii
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ota.build.errors import FieldError, printable
from ota.build.offline import METADATA, TARGETS, Offline
from ota.field import session
from ota.field.cable import Cable
from ota.field.diagnosis import moment
from ota.field.faults import CableError

ACTION = "cable-"  # of an update that no server offered; ota/device/report.py knows it
_PIECE_BYTES = 160  # 216 in base64: a line that an ESP32's receive buffer of 260 bytes holds
_SILENCE_S = 60.0  # verification and flash, between two lines
_PREFIX = 16  # hexadecimal digits of a hash that the node tells
_FORMS: session.Forms = {
    "hello": [dict],
    "get": [int, int, str],
    "say": [str],
    "end": [bool, str, str, str],
    "fault": [str],
}
_CONFIRMED, _BACK = "confirmed", "goes back:"


class DeployError(FieldError):
    """The node did not take the release; it runs on with what it had."""


@dataclass
class Told:
    """What a node said of itself: slot, version, board, its clock in unix seconds."""

    slot: str = ""
    version: str = ""
    board: str = ""
    now: int = 0
    have: frozenset[str] = frozenset()
    log: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Result:
    """before, version: the node's release until now and from its next start; sent: bytes."""

    before: str
    version: str
    board: str
    sent: int
    outcome: str


# Told how many bytes of how many have gone over.
Progress = Callable[[int, int], None]


def deploy(cable: Cable, offline: Offline, progress: Progress, wait_s: float = 0) -> Result:
    """Have the node at the cable install the bundle's release and start its trial.

    wait_s: how long to watch for the trial's end. DeployError, CableError: the node runs on, or
    starts anew, with what it had; the same can be tried again.
    """
    run = _Run(cable, offline, progress)
    cable.run(session.program("deploy"))
    run.answer()
    outcome = _watch(cable, offline.header.version, wait_s) if wait_s else "trial begun"
    told = run.told
    return Result(told.version, offline.header.version, told.board, run.sent, outcome)


class _Run:
    """One run of the node's side, from its first line to its last."""

    def __init__(self, cable: Cable, offline: Offline, progress: Progress) -> None:
        self.told = Told()
        self.sent = 0
        self._cable = cable
        self._offline = offline
        self._progress = progress
        self._total = 0
        self._action = ACTION + secrets.token_hex(6)
        self._members: dict[str, bytes] = dict(offline.members)
        self._refusal = self._path = ""

    def answer(self) -> None:
        """Answer until the node has staged the release; DeployError when it has not."""
        for line in self._cable.lines(_SILENCE_S):
            words = session.words(line, _FORMS)
            if words is None:
                self.told.log.append(line)
                continue
            kind, *rest = words
            if kind == "hello":
                self._hello(rest[0])
            elif kind == "get":
                self._give(*rest)
                if self._refusal:
                    raise DeployError(self._refusal)
            elif kind == "say":
                self.told.log.append(rest[0])
            elif kind == "end":
                self._end(*rest)
                return
            else:
                raise DeployError(f"{self._cable.port}: {rest[0]}")
        raise CableError(
            f"{self._cable.port}: the node's side ended early: {' / '.join(self.told.log[-4:])}"
        )

    def _hello(self, said: Mapping[str, Any]) -> None:
        told = self.told
        try:
            told.slot, told.now = printable(said["slot"]), int(said["now"])
            told.version, told.board = (printable(said[key] or "") for key in ("version", "board"))
            told.have = frozenset(map(str, said["have"]))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise DeployError(
                f"{self._cable.port}: the node did not answer as it should: {error}"
            ) from error
        self._refusal = self._objection()
        if not self._refusal:
            plan = [self._action, self._offline.header.version]
            self._members["plan"] = json.dumps(plan).encode()
            lacking = [
                size
                for digest, size in self._offline.files.items()
                if digest[:_PREFIX] not in told.have
            ]
            around = [
                len(data)
                for path, data in self._offline.members.items()
                if path.startswith((METADATA, TARGETS)) and not path.endswith("/1.root.json")
            ]
            self._total = sum(lacking) + sum(around)

    def _objection(self) -> str:
        port, told, header = self._cable.port, self.told, self._offline.header
        if not told.slot.startswith("/data/"):
            return (
                f"{port}: both slots are damaged, or this is no node of ours: one with a network"
                " heals itself, any other takes a whole image (`lamppost node image`)"
            )
        if told.board != header.board:
            board = told.board or "unknown board"
            return f"{port}: the node is an {board}, the bundle is for {header.board}"
        if told.version == header.version:
            return f"{port}: the node runs {header.version} already"
        if told.now > self._offline.until:
            return (
                f"{port}: by the node's clock ({moment(told.now)}) the bundle has expired;"
                " export it anew, or let the node hear the time first"
            )
        return ""

    def _give(self, number: int, at: int, path: str) -> None:
        """Answer one request for a piece of a file; without a path, of the same as before."""
        self._path = path or self._path
        path = self._path.lstrip("/")
        data = self._members.get(path)
        piece = b"" if data is None else data[at : at + _PIECE_BYTES]
        head = b"%d %d " % (number, -1 if data is None else len(data))
        crc = binascii.crc32(piece, binascii.crc32(head, binascii.crc32(self._path.encode())))
        self._cable.send(head + b"%08x " % crc + base64.b64encode(piece))
        if path != "plan":
            self.sent += len(piece)
            self._progress(min(self.sent, self._total), self._total)

    def _end(self, staged: bool, action: str, version: str, word: str) -> None:
        port, wanted = self._cable.port, self._offline.header.version
        if staged and action == self._action:
            self._progress(self._total, self._total)
            return
        if action != self._action:
            raise DeployError(
                f"{port}: the update to {version} is {word}: its trial ends first; try again later"
            )
        why = self.told.log[-1] if self.told.log else "it did not say why"
        for known in (f"update {version}: ", "update: another time: ", "failed "):
            why = why.removeprefix(known)
        if word != "failed":
            raise DeployError(f"{port}: {wanted} is not installed: {why}; try again")
        if why.startswith("Rollback: timestamp"):
            why += ": the node has seen later metadata; export the bundle anew"
        raise DeployError(f"{port}: the node refused {wanted}: {why}")


def _watch(cable: Cable, version: str, wait_s: float) -> str:
    """Return how the trial ended: confirmed, why it goes back, or that it goes on."""
    try:
        for line in cable.console(wait_s):
            if f"release {version} {_CONFIRMED}" in line:
                return _CONFIRMED
            if f"release {version} {_BACK}" in line:
                return line[line.index(_BACK) :]
    except CableError:
        pass  # the port is gone: what it came to, the server will hear
    return "trial begun"
