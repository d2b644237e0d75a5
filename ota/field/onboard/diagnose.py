"""Sent to a node over its serial port by `lamppost node diagnose`, and run there in the raw REPL.

The node has been started softly: its boot code has run, its firmware has not. What lies on flash
is read, the parts are read by the slot's own drivers, and nothing is written. Secrets stay here:
of the identity the certificate goes, of the configuration what is named below, and what else is
told has password and claim cut out of it.

Lines to the laptop begin with "@" and are JSON: [name, value], a fault as {"fault": text}.
The laptop adds the last line, a call of `main`.
"""

import json
import os
import sys
from binascii import hexlify
from hashlib import sha256

import machine

from parts import parts
from telling import ask, learn_secrets, read, restart, tell, text

_WATCHDOG_MS = 600_000
_LOG_LINES = 12
_DAMAGED_MAX = 8
_TOLD = ("v", "name", "site", "position", "time_zone", "server", "time_servers", "window_s")
_TOLD_TOO = ("sample_s", "poll_s", "heartbeat_s", "parts", "streams", "light")


def config(path: str) -> dict | None:
    """Judge a configuration by the slot's own rules; of its content tell what is no secret."""
    data = read(path)
    if data is None:
        return None
    told = {"fault": "", "ssid": None}
    try:
        found = json.loads(data)
        for name in _TOLD + _TOLD_TOO:
            if name in found:
                told[name] = found[name]
        told["ssid"] = found["wifi"]["ssid"]
    except (ValueError, KeyError, TypeError, RuntimeError):
        told["fault"] = "not a configuration"
    try:
        from firmware.core import config as rules
    except ImportError:
        return told  # there is no slot to judge it
    try:
        rules.parse(data)
    except Exception as error:
        told["fault"] = str(error) or type(error).__name__
    return told


def console() -> list | None:
    """List whose keys open the console, by the boot code's word; None: whoever has a cable."""
    keys = getattr(sys.modules.get("startup"), "keys", None)
    return None if keys is None else sorted(keys)


def identity() -> dict:
    """Give the certificate (hex of its DER), never the key; whether there is a claim."""
    data = read("/etc/identity", 4096)
    told = {"claim": read("/etc/claim", 1) is not None, "certificate": None, "there": bool(data)}
    if data:
        # A certificate that says its own length: a key never passes for one.
        found = data[2 + (data[0] << 8 | data[1]) :] if len(data) > 4 else b""
        if found[:2] == b"\x30\x82" and len(found) == 4 + (found[2] << 8 | found[3]):
            told["certificate"] = hexlify(found).decode()
    return told


def anchors() -> list:
    """Give the CA certificates, hex of their DER."""
    found = [read("/etc/ca%s.der" % each, 2048) for each in ("", 1, 2, 3)]
    return [hexlify(each).decode() for each in found if each]


def slot(root: str) -> dict | None:
    """Check every file of a slot against its manifest."""
    try:
        manifest = open(root + "/manifest.jsonl", "rb")
    except OSError:
        return None
    buffer = memoryview(bytearray(1024))
    told = {"files": 0, "damaged": []}
    with manifest:
        try:
            head = json.loads(manifest.readline(1024))
            for name in ("version", "board", "runtime", "floor", "built"):
                told[name] = head[name]
            while line := manifest.readline(512):
                path, size, digest = json.loads(line)[:3]
                told["files"] += 1
                if digest_of("%s/%s" % (root, path), size, buffer) != digest:
                    told["damaged"].append(path)
        except (ValueError, KeyError, TypeError, OSError, RuntimeError):
            told["damaged"].append("manifest.jsonl")
    told["damaged"] = told["damaged"][:_DAMAGED_MAX]
    if not told["files"] and not told["damaged"]:
        told["damaged"].append("manifest.jsonl")
    return told


def digest_of(path: str, size: int, buffer: memoryview) -> str:
    """SHA-256 of a file of `size` bytes, in hex; "" when there is none of that size."""
    sum_ = sha256()
    try:
        with open(path, "rb") as file:
            while n := file.readinto(buffer):
                size -= n
                sum_.update(buffer[:n])
    except OSError:
        return ""
    return hexlify(sum_.digest()).decode() if size == 0 else ""


def volume(path: str) -> dict:
    """Count the blocks of a file system."""
    stat = os.statvfs(path)
    free = stat[3] if 0 <= stat[3] <= stat[2] else 0  # full, LittleFS counts some blocks twice
    return {"block_bytes": stat[0], "blocks": stat[2], "free": free}


def log() -> list:
    """Give the last lines of what the firmware found wrong."""
    lines = []
    for path in ("/data/log.1", "/data/log"):
        lines += (text(read(path)) or "").split("\n")
    return [line for line in lines if line][-_LOG_LINES:]


def parsed(path: str) -> object:
    """Give a small file of JSON."""
    data = read(path, 1024)
    return None if data is None else json.loads(data)


def metadata(name: str) -> dict | None:
    """Give version and expiry of TUF metadata."""
    data = read("/data/tuf/%s.json" % name)
    if data is None and name == "root":
        data = read("/etc/root.json")
    if data is None:
        return None
    signed = json.loads(data)["signed"]
    return {"version": signed["version"], "expires": signed["expires"]}


def outbox() -> dict | None:
    """Count the windows that wait for the server, and lines that are damaged."""
    try:
        names = sorted([each[0] for each in os.ilistdir("/data/outbox") if len(each[0]) == 17])
    except OSError:
        return None
    told = {"segments": len(names), "waiting": 0, "damaged": 0, "lost": 0, "windows": 0}
    if not names:
        return told
    from firmware.core import outboxlog

    box, acknowledged = names[-1][9:], 0
    with open("/data/outbox/" + names[-1], "rb") as file:
        for _, entry in outboxlog.Reader(file):
            if entry.get("mark") == "head":
                acknowledged = entry["ack"]
                told["lost"] = entry["lost"]
                told["windows"] = entry["seq"] - 1
            elif entry.get("mark") == "ack":
                acknowledged = entry["seq"]
            elif "mark" not in entry:
                told["windows"] = entry["seq"]
    for name in names:
        with open("/data/outbox/" + name, "rb") as file:
            reader = outboxlog.Reader(file)
            for _, entry in reader:
                told["waiting"] += "mark" not in entry and (
                    name[9:] != box or entry["seq"] > acknowledged
                )
            told["damaged"] += reader.damaged
    return told


def listing(path: str) -> list:
    """Name what lies in a folder."""
    return [each[0] for each in os.ilistdir(path)][:20]


def diagnose() -> None:
    """Tell all."""
    learn_secrets()
    ask("slot", lambda: sys.path[0] if sys.path else "")
    ask("files", listing, "/")
    ask("config", config, "/etc/config.json")
    ask("config_kept", config, "/data/config.json")
    ask("console", console)
    ask("identity", identity)
    ask("anchors", anchors)
    for name in ("a", "b"):
        ask("slot " + name, slot, "/data/" + name)
        ask("record " + name, lambda at: text(read("/data/boot.%d" % at)), "ab".index(name))
    for name in ("starts", "update", "seen"):
        ask(name, parsed, "/data/" + name)
    for name in ("crash", "crash.old"):
        ask(name, lambda path: text(read(path, 256)), "/data/" + name)
    ask("log", log)
    for name in ("root", "timestamp", "snapshot", "targets"):
        ask("tuf " + name, metadata, name)
    ask("volume vfs", volume, "/")
    ask("volume data", volume, "/data")
    ask("outbox", outbox)
    ask("parts", parts)


def main(wants_restart: bool) -> None:
    """Tell all, and start anew when that is wanted, whatever happens before."""
    try:
        if hasattr(machine, "WDT") and "/data" in "".join(sys.path):
            machine.WDT(timeout=_WATCHDOG_MS)
        diagnose()
    finally:
        tell("end", True)
        if wants_restart:
            restart()
