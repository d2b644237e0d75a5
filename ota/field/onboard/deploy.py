"""Sent to a node over its serial port by `lamppost node deploy`, and run there in the raw REPL.

It has the node's own updater install a release: everything is verified by the code in the running
slot, against the root that the node holds. Only the transport is another: `Cable` stands where
http.Client does, and its bytes come over the serial port. However it ends, the node starts anew.

Lines to the laptop begin with "@" and are JSON; an answer is `number total crc base64`, with the
CRC-32 (hex) of the path, "number total " and the plain bytes. Base64, since a byte of 3 would be
Ctrl-C. What was lost on the way, or garbled, is asked for again.
"""

import asyncio
import json
import select
import sys
import time
from binascii import a2b_base64, crc32

import machine

_SILENCE_MS = 3000
_TRIES = 5
_LINE_BYTES = 300
_WATCHDOG_MS = 600_000
_EPOCH_2000_S = 946_684_800

_poller = select.poll()
_poller.register(sys.stdin, select.POLLIN)
_stdin = getattr(sys.stdin, "buffer", sys.stdin)


def tell(*words: object) -> None:
    """Tell the laptop."""
    print("@" + json.dumps(words))


def _line() -> bytes | None:
    """Read a line; None when it does not come to an end."""
    line = bytearray()
    while _poller.poll(_SILENCE_MS) and len(line) < _LINE_BYTES:
        byte: bytes = _stdin.read(1)  # pyright: ignore[reportAssignmentType] - of the buffer
        if byte == b"\n":
            return bytes(line)
        line.extend(byte)
    return None


def _parsed(line: bytes, path: str) -> tuple:
    """Take an answer apart: (number, total, piece); a number of None when it is garbled."""
    try:
        number, total, crc, text = line.split(b" ")
        piece = a2b_base64(text)
        head = number + b" " + total + b" "
        if int(crc, 16) == crc32(piece, crc32(head, crc32(path.encode()))):
            return int(number), int(total), piece
    except ValueError:
        pass
    return None, 0, b""


class Cable:
    """What the updater takes for an http.Client."""

    def __init__(self) -> None:
        self._number = 0

    def ask(self, path: str, at: int) -> tuple[int, bytes] | None:
        """Ask for a piece of a file: (size of the whole, piece), None when there is no such."""
        for i in range(_TRIES):
            self._number += 1
            tell("get", self._number, at, "" if at and not i else path)  # the same as before
            line = _line()
            while line is not None:
                number, total, piece = _parsed(line, path)
                if number == self._number:
                    return (total, piece) if total >= 0 else None
                if number is None:
                    break
                line = _line()  # that was a late answer
        from ota.core.errors import Closed

        raise Closed("the laptop is silent")

    async def request(self, *_: object) -> None:
        """Say that there is no server here; what is to be told it waits on flash."""
        from ota.core.errors import Unreachable

        raise Unreachable("on the cable")

    async def download(self, path: str, sink, limit: int) -> int:  # noqa: ANN001 - a callable
        """Get a file from the bundle."""
        from ota.core import errors

        machine.WDT(timeout=_WATCHDOG_MS)
        at = 0
        while True:
            found = self.ask(path, at)
            if found is None:
                raise errors.ServerError(404)
            total, piece = found
            if total > limit:
                raise errors.TooLong("%d bytes, at most %d expected" % (total, limit))
            if not piece and at < total:
                raise errors.Closed("an empty piece")
            sink(piece)
            at += len(piece)
            if at >= total:
                return at


def lines(slot: str):  # noqa: ANN201 - a generator of parsed lines
    """Yield the lines of a slot's manifest; none when it is not whole."""
    try:
        with open(slot + "/manifest.jsonl", "rb") as file:
            for line in file:
                yield json.loads(line)
    except (OSError, ValueError):
        pass


def now(built: int) -> int:
    """Tell the time, unix s, as the firmware does before it has heard any: never too late."""
    at = time.time() + (_EPOCH_2000_S if time.gmtime(0)[0] == 2000 else 0)
    try:
        with open("/data/seen") as file:
            seen = int(file.read(16))
    except (OSError, ValueError):
        seen = 0
    return int(max(at, built, seen))


def micropython() -> str:
    """MicroPython's version."""
    return "%d.%d.%d" % tuple(sys.implementation.version[:3])


def hello() -> dict:
    """Tell what this node is; return its release's header, {} when it cannot be read."""
    slot = sys.path[0]
    release = {}
    have = []
    for release in lines(slot):  # noqa: B007 - the first of them, and {} without any
        break
    for each in ("/data/a", "/data/b"):
        for line in lines(each):
            if type(line) is list and line[2][:16] not in have:
                have.append(line[2][:16])
    told = {
        "slot": slot,
        "have": have,
        "now": now(release.get("built", 0)),
    }
    for name in ("version", "board"):
        told[name] = release.get(name)
    tell("hello", told)
    return release


def saying(text: str) -> None:
    """Pass on a line of the updater's log."""
    tell("say", text)


async def deploy(release: dict) -> None:
    """Ask the laptop what to install, and install it."""
    cable = Cable()
    found = cable.ask("plan", 0)
    if found is None:
        return
    action, version = json.loads(found[1])
    from ota.device import poll, updater

    at = now(release.get("built", 0))
    ports = updater.Ports(cable, "", release, micropython(), lambda: at, saying)
    updater.settle(ports)
    offer = poll.Offer(0, action, version, "", "", False, {})
    staged = await updater.update(ports, offer)
    state = updater.load(ports.data)
    tell("end", staged, state["action"], state["version"], state["word"])


def restart() -> None:
    """Start anew, by intent; the lamp's pin has been floating, and the lamp full, all the time."""
    try:
        from ota.core import bootrecord
        from ota.device import swap

        swap.save("/data", bootrecord.planned(swap.load("/data")))
    except Exception as error:
        tell("say", "%s: %s" % (type(error).__name__, error))
    time.sleep(0.2)  # for the last line to leave
    machine.reset()


try:
    machine.WDT(timeout=_WATCHDOG_MS)
    asyncio.run(deploy(hello()))
except Exception as error:
    tell("fault", "%s: %s" % (type(error).__name__, error))
finally:
    restart()
