"""Start-up of an emulated node, in the order of a board (ports/esp32/main.c, _boot.py)."""

import os
import struct
import sys

import micropython
import utime
import vfs

import _buses
import _host
import _micropython
import _rtc
import esp32
import machine
import network


def start(names: dict) -> None:
    """Leave the host's files, mount flash at /, run boot.py and main.py; then comes the REPL."""
    micropython.kbd_intr(-1)
    raw = _hello()
    esp32.start(machine._cause != machine.SOFT_RESET)  # noqa: SLF001
    sys.path[:] = ["", ".frozen", "/lib"]
    sys.argv[:] = []
    sys.modules["micropython"] = _micropython
    vfs.umount("/")
    _mount()
    os.chdir("/")
    _host.ask(_host.READY)
    if _run("/boot.py", names) and not raw:
        _run("/main.py", names)
    _host.ask(_host.REPL)


def _hello() -> bool:
    """Take the host's word for what the chip is; tell whether the REPL is to be raw."""
    answer = bytes(_host.ask(_host.HELLO))
    cause, raw, offset_us, mac, count = struct.unpack_from("<BBq6sB", answer)
    machine._cause = cause  # noqa: SLF001 - set here once, read there
    machine._id = network.mac = mac  # noqa: SLF001
    _rtc.offset_us = offset_us
    at = struct.calcsize("<BBq6sB")
    for tx, rx, fd in (answer[at + 3 * i : at + 3 * i + 3] for i in range(count)):
        _buses.uarts[tx, rx] = fd
    return bool(raw)


def _mount() -> None:
    """Mount `vfs` as the stock _boot.py does: make it when blank, wait when it is damaged."""
    part = esp32.Partition("vfs")
    try:
        vfs.mount(part, "/")
        return
    except OSError:
        block = bytearray(part.ioctl(5, 0))
        part.readblocks(0, block)
    if any(byte != 0xFF for byte in block):
        while True:
            print("vfs: the file system is damaged; program the flash again")
            utime.sleep(3)
    print("vfs: blank, formatting")
    vfs.VfsLfs2.mkfs(part)
    vfs.mount(part, "/")


def _run(path: str, names: dict) -> bool:
    """Run a file if it is there; False when it ended with an exception.

    Ctrl-C interrupts it once it is compiled and until it ends (shared/runtime/pyexec.c).
    """
    try:
        with open(path, "rb") as file:  # whatever bytes they are: the compiler complains
            text = file.read()
    except OSError:
        return True
    try:
        code = compile(text, path, "exec")
        del text
        micropython.kbd_intr(3)
        exec(code, names)  # noqa: S102 - it is what the node runs
    except SystemExit:
        _host.halt(_host.RESET, b"\x01")
    except BaseException as error:
        micropython.kbd_intr(-1)
        sys.print_exception(error)
        return False
    micropython.kbd_intr(-1)
    return True
