"""What a node does before and around the slot: choose it, check it, start it, note how it ended.

Lies in `vfs` (as /lib/startup.mpy) and is never updated over the air: small, and beyond doubt.
Order of `boot`: mount `data` (formatted when it cannot be mounted), count the start by its cause,
judge it by the boot record, write the record, then check the chosen slot file by file against its
manifest and take the other slot when it is damaged. Nothing of a slot runs before that. With two
app partitions the node starts anew where another MicroPython runs than the slot is to run on.
`main` imports `firmware.main` from the slot. However that ends, the node resets; only Ctrl-C
leaves it at the prompt and, where the config names keys, only the one who has one of these
(firmware/decisions/0008). The lamp's pin is never touched here: floating means full light.
"""

import sys

sys.path[:] = [".frozen"]  # the rest is built in: an import would search the flash for each first
import gc
import os
import time
from binascii import hexlify
from hashlib import sha256
from json import dumps, loads

import machine
import micropython
import vfs

CRASH = "/data/crash"  # last words of the run before, judged by the next boot
STARTS = "/data/starts"  # {cause: starts since the flash was formatted}
# Of the watchdog, which survives soft resets and cannot be switched off.
IMPORT_MS = 60_000  # the slot's own takes over within this
CABLE_MS = 600_000  # a session on the cable lives this long; so does the pause of a dead node
_COLLECT_BYTES = 8192  # collect so often: garbage must not scatter what stays
_CHUNK = 1024
# LittleFS reads its directories in these steps; at the default of 32 a start takes five times
# the flash operations, each of which stops both cores. Four steps are held twice, and per file.
_READ_BYTES = 128
_LINE_MAX = 512
_CONFIG_BYTES = 4096
_POINT_DIGITS = 130
_CAUSES = (
    ("HARD_RESET", "hard"),
    ("WDT_RESET", "watchdog"),
    ("DEEPSLEEP_RESET", "deep_sleep"),
    ("SOFT_RESET", "soft"),
)

# Likewise the slot's imports, again in every module, unless these are known as loaded.
_BUILT_IN = "asyncio binascii collections errno hashlib json machine os socket struct time"

# Let go before the slot is imported: code is heap.
_BOOT_ONLY = "boot choose count keep damage digest_of lock mount read reset_cause dead"

# Who opens the console: {name: public key in hex}, {} nobody; None: whoever has a cable.
keys: dict | None = {}

_start = time.ticks_ms()


def say(text: str) -> None:
    """Tell the serial console, in the firmware's own form of line."""
    ms = time.ticks_diff(time.ticks_ms(), _start)
    print("[%6d.%03d] info  boot: %s" % (ms // 1000, ms % 1000, text))


def boot() -> None:
    """Choose a sound slot and put it on the path."""
    gc.threshold(_COLLECT_BYTES)
    for name in _BUILT_IN.split():
        sys.modules[name] = __import__(name)
    sys.path.append("/lib")
    cause = reset_cause()
    if cause == "soft":
        machine.WDT(timeout=CABLE_MS)
    slot = None
    try:
        mount()
        lock()
        slot = choose(cause)
    except Exception as error:  # the rules must never keep a sound slot from starting
        sys.print_exception(error)
        lock()
        for name in ("a", "b"):
            if slot is None and damage("/data/" + name) is None:
                slot = name
    sys.path[:] = ["/data/" + slot, ".frozen"] if slot else [".frozen"]
    if cause == "soft":  # on the cable: where `mpremote mount` and `mip install` look
        sys.path.extend(("", "/lib"))
    for name in ("bootrecord", "partition"):
        sys.modules.pop(name, None)
    gc.collect()


def lock() -> None:
    """Find whose keys open the console, by the first config that can be read; Ctrl-C if nobody's.

    One that is damaged, and speaks of a console, locks it to nobody: no key is to be had for it.
    """
    global keys  # noqa: PLW0603 - the slot's to read
    keys = None
    for path in ("/etc/config.json", "/data/config.json"):  # the second: the last that was valid
        text = b""
        try:
            with open(path, "rb") as file:
                text = file.read(_CONFIG_BYTES)
            found = loads(text).get("console") or None
            if found:
                found = {k: v for k, v in found["keys"].items() if len(v) == _POINT_DIGITS}
            if found != {}:
                keys = found
                break
            keys = {}
        except Exception:  # whatever lies there
            if b'"console"' in text:
                keys = {}
    if keys is None:
        micropython.kbd_intr(3)


def reset_cause() -> str:
    """Name the reset that led here; a brown-out reads as power_on, a panic as hard."""
    found = machine.reset_cause()
    for name, word in _CAUSES:
        if getattr(machine, name, None) == found:
            return word
    return "power_on"


def main() -> None:
    """Run the slot's firmware; when it ends, say why and reset."""
    try:
        micropython.kbd_intr(-1)  # MicroPython has just set it anew; until here it raises nothing
        for _ in ".":
            pass  # but here, at a jump
    except KeyboardInterrupt:
        pass
    died = None
    try:
        if keys is None:
            micropython.kbd_intr(3)
        machine.WDT(timeout=IMPORT_MS)
        if sys.path[0] == ".frozen":
            dead()
        for name in _BOOT_ONLY.split():
            del globals()[name]
        gc.collect()
        from firmware import main as firmware

        firmware.main()
    except KeyboardInterrupt:
        machine.WDT(timeout=CABLE_MS)
        say("stopped from the cable; the node resets in ten minutes")
        raise  # of a console that is locked, it is firmware/tasks/lock.py that raises it
    except BaseException as error:  # whatever a slot throws, the node starts again
        died = error
    try:
        words = "firmware ended"
        if died:
            sys.print_exception(died)
            words = "%s: %s" % (type(died).__name__, died)
        say("reset: " + words)
        write(CRASH, words[:200].encode())
    except Exception:  # the flash refuses, or there is no memory
        say("last words could not be kept")
    finally:
        machine.reset()


def dead() -> None:
    """Neither slot can be started: have a release fetched; the lamp's pin floats, at full."""
    say("both slots are damaged; the lamp is at full; rescue")
    try:
        for name in ("boot", "choose", "count", "reset_cause"):
            del globals()[name]
        sys.path.append("/lib")
        import rescue  # pyright: ignore[reportMissingImports] - in /lib

        rescue.run()
    except Exception as error:  # it ends by none; should it, there is the cable
        sys.print_exception(error)
    machine.WDT(timeout=CABLE_MS + IMPORT_MS)
    time.sleep_ms(CABLE_MS)
    machine.reset()


def mount(anew: bool = False) -> None:
    """Mount the partition `data` at /data, formatting it when it holds no file system, or anew."""
    from esp32 import Partition

    try:
        os.stat("/data")
        if not anew:
            return  # mounted before a soft reset
        vfs.umount("/data")
    except OSError:
        pass
    part = Partition("data")
    if anew:
        for block in (0, 1):  # whatever the superblock says
            part.writeblocks(block, bytes(4096))
    try:
        volume = vfs.VfsLfs2(part, readsize=_READ_BYTES, mtime=False)
    except OSError:
        say("formatting data")
        vfs.VfsLfs2.mkfs(part)
        volume = vfs.VfsLfs2(part, readsize=_READ_BYTES, mtime=False)
    vfs.mount(volume, "/data")


def choose(cause: str) -> str | None:
    """Judge the reset, write the record; give the slot to start, None when both are damaged."""
    import bootrecord  # pyright: ignore[reportMissingImports] - in /lib
    from esp32 import Partition

    before = bootrecord.newest([read("/data/boot.0"), read("/data/boot.1")])
    words = read(CRASH)
    note = "".join(map(chr, words or b""))
    count(bootrecord.started(before, cause, note))
    record = bootrecord.decide(before, cause, note)
    for _ in range(4):  # at most: the slot on trial, or its app, the confirmed slot, the other
        if record != before:
            keep(bootrecord, record)
        before = record
        slot = bootrecord.running(record)
        fault = damage("/data/" + slot)
        if fault is None:
            if len(Partition.find(Partition.TYPE_APP)) > 1:
                import partition  # pyright: ignore[reportMissingImports] - in /lib

                record = partition.settle(bootrecord, record, cause)
            if record is before:
                break
            continue
        say("slot %s: %s" % (slot, fault))
        if record["state"] == "trying":
            record = bootrecord.fail(record, fault)
        elif damage("/data/" + bootrecord.other(slot)) is None:
            record = bootrecord.fall(record, fault)
        else:
            return None
    else:
        return None
    if words:
        os.rename(CRASH, CRASH + ".old")  # judged; the firmware logs it
    say("slot %s, %s, reset cause %s" % (slot, record["state"], cause))
    if record["outcome"]:
        say("%s: %s" % (record["outcome"], record["reason"]))
    return slot


def count(word: str) -> None:
    """Count one more start of this cause; what fails here costs counts, never a start."""
    try:
        starts = dict(loads(read(STARTS) or b"{}"))
        starts[word] = starts.get(word, 0) + 1
    except Exception:  # whatever else lies there: the counts begin anew
        starts = {word: 1}
    try:
        write(STARTS, dumps(starts).encode())
    except OSError as error:
        say("start not counted: %s" % error)


def keep(bootrecord, record: dict) -> None:  # noqa: ANN001 - the module
    """Write the record over the older of its two copies; without room or flash, go on."""
    index, data, sealed = bootrecord.seal(record)
    record["n"] = sealed["n"]
    try:
        write("/data/boot.%d" % index, data)
    except OSError as error:
        say("boot record not written: %s" % error)


def read(path: str) -> bytes | None:
    """Read a small file; None when there is none."""
    try:
        with open(path, "rb") as file:
            return file.read(_CHUNK)
    except OSError:
        return None


def write(path: str, data: bytes) -> None:
    """Replace a file whole: under a new name, synced, renamed over."""
    with open(path + ".new", "wb") as file:
        file.write(data)
    if hasattr(os, "sync"):
        os.sync()
    os.rename(path + ".new", path)


def damage(root: str) -> str | None:
    """Check a slot's files against its manifest: None when sound, else what is wrong."""
    buffer = memoryview(bytearray(_CHUNK))
    path = "manifest.jsonl"
    try:
        with open(root + "/" + path, "rb") as manifest:
            line = manifest.readline(_LINE_MAX)
            count = 0
            loads(line)
            while line := manifest.readline(_LINE_MAX):
                path, size, digest = loads(line)[:3]
                if digest_of(root + "/" + path, size, buffer) != digest:
                    return path + " is damaged"
                count += 1
    except Exception:  # a list that is damaged may say anything
        return "%s cannot be read" % (path,)
    return None if count else "manifest is empty"


def digest_of(path: str, size: int, buffer: memoryview) -> str:
    """SHA-256 of a file of `size` bytes, in hex; "" when it has another size."""
    hash_ = sha256()
    with open(path, "rb") as file:
        while n := file.readinto(buffer):
            size -= n
            hash_.update(buffer[:n])
    return hexlify(hash_.digest()).decode() if size == 0 else ""
