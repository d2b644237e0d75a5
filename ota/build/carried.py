"""The MicroPython that a release brings: its app image in blocks, and the list that names them.

See ota/core/runtime.py for the list, and ota/decisions/0014 for why it is a file of the slot.
"""

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from ota.build.entries import checked, deflate
from ota.build.errors import BuildError
from ota.core import limits, runtime
from ota.core.errors import OtaError

NAME = runtime.NAME


@dataclass(frozen=True)
class Carried:
    """The list's bytes, and each block deflated, by the SHA-256 (hex) of its plain bytes."""

    version: str
    listed: bytes
    blocks: dict[str, bytes] = field(repr=False)


def carry(app: bytes, version: str) -> Carried:
    """Cut an app image into blocks; BuildError when nodes would not take it."""
    if len(app) > limits.APP_BYTES:
        raise BuildError(f"the app has {len(app)} bytes, an app partition {limits.APP_BYTES}")
    lines: list[object] = [{"version": version, "size": len(app)}]
    blocks = {}
    for at in range(0, len(app), runtime.BLOCK_BYTES):
        plain = app[at : at + runtime.BLOCK_BYTES]
        digest = hashlib.sha256(plain).hexdigest()
        blocks[digest] = deflate(plain)
        lines.append([digest, len(blocks[digest])])
    listed = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
    return Carried(version, listed, blocks)


def named(listed: bytes) -> list[tuple[str, int, str, int]]:
    """Return the blocks that a list names as lines of a manifest; BuildError if a node would not.

    (what to call it, size, SHA-256 in hex, deflated size) each.
    """
    try:
        found = list(runtime.blocks(io.BytesIO(listed)))  # type: ignore[no-untyped-call]
    except OtaError as error:
        raise BuildError(f"{NAME}: {error}") from error
    return [(f"{NAME}, block {number}", *block) for number, block in enumerate(found)]


def taken(listed: bytes, get: Callable[[str], bytes | None]) -> Carried:
    """Return what a list names, got by hash and checked to the byte; BuildError else."""
    version = runtime.header(listed[: listed.find(b"\n") + 1])[0]
    blocks = {}
    for line in named(listed):
        deflated = get(line[2])
        if deflated is None:
            raise BuildError(f"{line[0]} is missing")
        checked(line, deflated)
        blocks[line[2]] = deflated
    return Carried(version, listed, blocks)
