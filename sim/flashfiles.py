"""What lies on a node's flash, read from the file behind its back with littlefs-python."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from littlefs import LittleFSError

from firmware.core import outboxlog
from ota.build import filesystem
from ota.build.errors import BuildError
from ota.core import bootrecord
from sim.errors import FlashError
from sim.hardware.flash import BLOCK_BYTES, TABLE, table

FILLER = "filler"
"""What `fill` puts there; `change` removes it."""

Windows = set[tuple[str, int]]


def read(flash: Path, partition: str) -> dict[str, bytes]:
    """Return every file of a partition by its path, without a leading slash.

    FlashError when the file system cannot be read (a running node may be writing it right now).
    """
    offset, size = _place(flash, partition)
    with flash.open("rb") as file:
        file.seek(offset)
        content = file.read(size)
    try:
        return filesystem.unpack(content)
    except (BuildError, LittleFSError) as error:
        raise FlashError(f"{flash}: {partition} cannot be read: {error}") from error


def change(flash: Path, partition: str, files: Mapping[str, bytes | None]) -> None:
    """Give files of a node that is off other content; None removes one."""
    offset, size = _place(flash, partition)
    found: dict[str, bytes | None] = {**read(flash, partition), **files}
    kept = {path: content for path, content in found.items() if content is not None}
    with flash.open("r+b") as file:
        file.seek(offset)
        file.write(filesystem.pack(kept, size))


def fill(flash: Path, partition: str, left: int) -> None:
    """Put a file that leaves so many blocks free on the flash of a node that is off."""
    _, size = _place(flash, partition)
    found = read(flash, partition)
    free = size // BLOCK_BYTES - filesystem.used(found, size)
    # A file's blocks begin with pointers to earlier ones: 8 bytes of each on average.
    found[FILLER] = bytes((free - left) * (BLOCK_BYTES - 8))
    while size // BLOCK_BYTES - filesystem.used(found, size) > left:
        found[FILLER] += bytes(BLOCK_BYTES)
    change(flash, partition, {FILLER: found[FILLER]})


def rot(flash: Path, partition: str, path: str) -> None:
    """Flip one bit of a file where it lies on the flash, whether the node is on or off."""
    before = read(flash, partition)
    offset, size = _place(flash, partition)
    with flash.open("r+b") as file:
        file.seek(offset)
        content = bytearray(file.read(size))
        at = -1
        while (at := content.find(before[path][:64], at + 1)) >= 0:  # a twin may lie elsewhere
            content[at] ^= 1
            if filesystem.unpack(bytes(content)).get(path) != before[path]:
                file.seek(offset + at)
                file.write(content[at : at + 1])
                return
            content[at] ^= 1
    raise FlashError(f"{flash}: no block holds the beginning of {path}")


def _place(flash: Path, partition: str) -> tuple[int, int]:
    with flash.open("rb") as file:
        file.seek(TABLE)
        return table(file.read(BLOCK_BYTES))[partition]


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
    return windows(read(flash, "data"))


def windows(data: Mapping[str, bytes]) -> tuple[Windows, Windows]:
    """Return the same from the files of the partition `data`."""
    produced: Windows = set()
    waiting: dict[tuple[str, int], None] = {}
    acknowledged: dict[str, int] = {}
    for box, entry in _entries(data):
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


def dated(data: Mapping[str, bytes]) -> Windows:
    """Return the windows on flash of which it is known when they were."""
    entries = list(_entries(data))
    known = {entry["boot"] for _, entry in entries if entry.get("mark") == "time"}
    for _, entry in entries:
        if entry.get("mark") == "head":
            known |= {boot for boot, _ in entry["times"]}
    return {
        (box, entry["seq"])
        for box, entry in entries
        if "mark" not in entry and ("t" in entry or entry.get("boot") in known)
    }


def _entries(data: Mapping[str, bytes]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (box, entry) of every sound line of the outbox, oldest first."""
    for path, content in sorted(data.items()):
        if not path.startswith("outbox/") or path.endswith(".new"):
            continue  # a new segment that was cut short is none yet
        for line in content.splitlines(keepends=True):
            entry = outboxlog.decode(line)
            if entry is not None:
                yield path.rpartition(".")[2], entry
