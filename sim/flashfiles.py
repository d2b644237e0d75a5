"""What lies on a node's flash, read from the file behind its back with littlefs-python."""

import json
from pathlib import Path

from littlefs import LittleFS, LittleFSError

from firmware.core import outboxlog
from ota.core import bootrecord
from sim.errors import FlashError
from sim.hardware.flash import BLOCK_BYTES, TABLE, table

Windows = set[tuple[str, int]]


def read(flash: Path, partition: str, folder: str = "/") -> dict[str, bytes]:
    """Return every file of a partition below `folder`, by its path without a leading slash.

    FlashError when the file system cannot be read (a running node may be writing it right now).
    """
    with flash.open("rb") as file:
        file.seek(TABLE)
        offset, size = table(file.read(BLOCK_BYTES))[partition]
        file.seek(offset)
        content = file.read(size)
    try:
        system = LittleFS(
            block_size=BLOCK_BYTES,
            block_count=size // BLOCK_BYTES,
            read_size=32,
            prog_size=32,
            lookahead_size=32,
            mount=False,
        )
        system.context.buffer[:] = content
        system.mount()
        return {
            f"{top}/{name}".lstrip("/"): _content(system, f"{top}/{name}")
            for top, _, names in system.walk(folder)
            for name in names
        }
    except LittleFSError as error:
        raise FlashError(f"{flash}: {partition} cannot be read: {error}") from error


def _content(system: LittleFS, path: str) -> bytes:
    with system.open(path, "rb") as file:
        return bytes(file.read())


def version(flash: Path) -> str | None:
    """Return the version in the slot that the boot record names, None while it cannot be read."""
    try:
        files = read(flash, "data")
        record = bootrecord.newest([files.get("boot.0"), files.get("boot.1")])
        head = files[f"{bootrecord.running(record)}/manifest.jsonl"].splitlines()[0]
        found: str = json.loads(head)["version"]
    except (FlashError, KeyError, IndexError, ValueError):
        return None
    return found


def outbox(flash: Path) -> tuple[Windows, Windows]:
    """Return the (box, seq) of every window that a node ever put away, and of those not yet sent.

    Boxes that were lost with the flash they stood on are not known here.
    """
    segments = sorted(read(flash, "data", "/outbox").items())
    produced: Windows = set()
    waiting: dict[tuple[str, int], None] = {}
    acknowledged: dict[str, int] = {}
    for path, content in segments:
        box = path.rpartition(".")[2]
        for line in content.splitlines(keepends=True):
            entry = outboxlog.decode(line)
            if entry is None:
                continue
            seq, mark = entry["seq"], entry.get("mark")
            if mark == "head":
                produced |= {(box, each) for each in range(1, seq)}
                acknowledged[box] = max(acknowledged.get(box, 0), entry["ack"])
            elif mark == "ack":
                acknowledged[box] = max(acknowledged.get(box, 0), seq)
            elif mark is None:
                produced.add((box, seq))
                waiting[box, seq] = None
    unsent = {(box, seq) for box, seq in waiting if seq > acknowledged.get(box, 0)}
    return produced, unsent
