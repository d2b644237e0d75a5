"""Sent to a node over its serial port, and run there in the raw REPL: tells what the node is.

No key, token or password is told. Printed: "@" and JSON, ["about", {...}].
"""

import json
import os
import sys
from binascii import hexlify

import machine


def read(path: str):  # noqa: ANN201 - any JSON
    """Read a file's JSON, or its first line's; {} when there is none or it is damaged."""
    try:
        with open(path, "rb") as file:
            found = json.loads(file.readline() if path.endswith("l") else file.read())
            return found if type(found) is dict else {}
    except (OSError, ValueError):
        return {}


def keys(path: str) -> list:
    """List the ids of the keys that a root.json names for its successor."""
    try:
        return read(path)["signed"]["roles"]["root"]["keyids"]
    except (KeyError, TypeError):
        return []


def sizes(folder: str) -> dict:
    """List the files of a folder with their sizes in bytes."""
    found = {}
    try:
        for entry in os.ilistdir(folder):
            if entry[1] == 0x8000:
                path = folder + "/" + entry[0]
                found[path] = os.stat(path)[6]
    except OSError:
        pass
    return found


def free(path: str) -> int:
    """Count the free blocks of a file system; full, LittleFS counts some blocks twice."""
    stat = os.statvfs(path)
    return stat[3] if 0 <= stat[3] <= stat[2] else 0


def tell() -> None:
    """Tell."""
    slot = sys.path[0] if sys.path else ""
    release = read(slot + "/manifest.jsonl") if slot.startswith("/data/") else {}
    config = read("/etc/config.json")
    about = {
        "id": hexlify(machine.unique_id()).decode(),
        "machine": getattr(sys.implementation, "_machine", sys.platform),
        "runtime": "%d.%d.%d" % tuple(sys.implementation.version[:3]),
        "board": str(release.get("board", "")),
        "version": str(release.get("version", "")),
        "name": str(config.get("name", "")),
        "site": str(config.get("site", "")),
        "files": sizes("/etc"),
        "free": free("/"),
        "locked": sorted(getattr(sys.modules.get("startup"), "keys", None) or ()),
        "roots": [keys("/etc/root.json"), keys("/data/tuf/root.json")],
    }
    print("@" + json.dumps(["about", about]))


try:
    tell()
except Exception as error:
    print("@" + json.dumps(["fault", "%s: %s" % (type(error).__name__, error)]))
