"""A whole flash image onto a board, by Espressif's esptool, which is run as a command.

Two runs: `flash-id` tells chip, MAC and flash size, and nothing is written unless they suit the
image; `write-flash --erase-all` erases, writes, and compares hashes. What it prints is that of
esptool 5.2 to 5.6: its errors end in one line of ours, with the next step.
"""

import os
import re
import struct
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from firmware.core.names import device_id
from ota.build.boards import BOARDS, Board
from ota.build.errors import FieldError
from ota.field import programs

_MAGIC = 0xE9
_HEADER_BYTES = 24
_MB = 1 << 20
_WIDE = {"COLUMNS": "200", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
_PERCENT = re.compile(r"^Writing at 0x[0-9a-f]+ .*?(\d+\.\d)%")
_CONNECTED = re.compile(r"^Connected to (ESP[\w-]+) on ", re.MULTILINE)
_MAC = re.compile(r"^(?:BASE )?MAC:\s+((?:[0-9a-f]{2}:){5}[0-9a-f]{2})$", re.MULTILINE)
_SIZE = re.compile(r"^Detected flash size: (?:(\d+)(KB|MB)|Unknown)$", re.MULTILINE)
_ERASING = "Erasing flash memory"
_VERIFIED = "Hash of data verified."

# esptool's words (loader.py, cmds.py, util.py of 5.6), and what a technician does about them.
_KNOWN = {
    "Permission denied": "no permission; on Debian, be in the group dialout",
    "Could not open": "the port is busy, or gone: close what else has it open",
    "No serial data received": "no board answers: has it power, does the cable carry data? Hold"
    " BOOT, press EN, and try again",
    "Wrong boot mode detected": "the board is not in download mode: hold BOOT, press EN, let go of"
    " BOOT, and try again",
    "TX path seems to be down": "the board hears nothing: another cable or USB port",
    "Secure Download Mode": "the board is locked (secure download mode): it takes no image",
    "security features": "the board is locked (secure boot): it takes no image of ours",
    "flash encryption": "the board's flash is encrypted: it takes no plain image",
    "will not fit in": "its flash is too small for the image: another board",
    "MD5 of file does not match": "what was written does not read back: try --baud 115200; if that"
    " does not help, its flash is worn out",
    "flash region is empty": "the flash took nothing: it is protected or broken; another board",
    "Unable to verify flash chip": "its flash chip does not answer: another board",
    "Possible serial noise": "the line is noisy: another cable or port, and --baud 115200",
    "Failed to set baud rate": "the port does not do this speed: --baud 115200",
}
_CUT = (
    "serial exception error",
    "stopped responding",
    "No more data to read",
    "Lost connection",
    "No serial data received",
    "Serial data stream stopped",
)

# Told how many percent are written.
Progress = Callable[[float], None]


class EsptoolError(FieldError):
    """esptool could not do it; the message says what to do."""


@dataclass(frozen=True)
class Chip:
    """What is at the port; flash: bytes, 0 when it does not say."""

    name: str
    mac: str
    flash: int

    @property
    def id(self) -> str:
        """The node's id."""
        return str(device_id(bytes.fromhex(self.mac.replace(":", ""))))


def board_of(image: bytes) -> Board:
    """Return the board that a flash image is for, by its bootloader; FieldError without one."""
    for board in BOARDS.values():
        header = image[board.base : board.base + _HEADER_BYTES]
        if len(header) == _HEADER_BYTES and header[0] == _MAGIC:
            (chip,) = struct.unpack_from("<H", header, 12)
            if chip == board.chip_id:
                return board
    raise FieldError(
        "the image holds no runtime for a board known here: make it with"
        " `lamppost node image --runtime`; one without is for an emulated node"
    )


def detect(port: str) -> Chip:
    """Return what is at a port; the board starts anew afterwards."""
    lines: list[str] = []
    status = _run(port, ["flash-id"], lines.append)
    text = "\n".join(lines)
    if status:
        raise EsptoolError(f"{port}: {_reason(text)}; nothing was written")
    connected, mac = _CONNECTED.search(text), _MAC.search(text)
    if not connected or not mac:
        raise EsptoolError(f"{port}: this esptool speaks otherwise: 5.2 or newer is needed")
    size = _SIZE.search(text)
    unit = {"KB": 1024, "MB": _MB}
    flash = int(size[1]) * unit[size[2]] if size and size[1] else 0
    return Chip(connected[1], mac[1], flash)


def check(chip: Chip, board: Board, size: int, port: str) -> None:
    """Raise FieldError when an image of `size` bytes for `board` does not suit the chip."""
    if chip.name != board.chip:
        fitting = [each.name for each in BOARDS.values() if each.chip == chip.name]
        hint = f"make one of a bundle for {fitting[0]}" if fitting else "no release is for it"
        raise FieldError(
            f"{port}: the board is an {chip.name}, the image is for {board.chip}: {hint};"
            " nothing was written"
        )
    if chip.flash and chip.flash < size:
        raise FieldError(
            f"{port}: the board has {_told(chip.flash)} of flash, the image needs {_told(size)}:"
            " another board; nothing was written"
        )


def write(port: str, path: Path, board: Board, baud: int, progress: Progress) -> None:
    """Erase the flash, write the image, and verify it; the board then starts.

    EsptoolError: the board may be without firmware; the same can be tried again.
    """
    lines: list[str] = []
    command = ["--chip", board.name, "--baud", str(baud)]

    def heard(line: str) -> None:
        lines.append(line)
        if found := _PERCENT.match(line):
            progress(float(found[1]))

    command += ["write-flash", "--erase-all", "0", str(path)]
    status = _run(port, command, heard)
    text = "\n".join(lines)
    begun = _ERASING in text
    if status or _VERIFIED not in text:
        why = _reason(text)
        if begun and any(word in text for word in _CUT):
            why = "the board fell silent amid the writing: was the cable pulled?"
        after = "it has no whole firmware now: give the same command again"
        raise EsptoolError(f"{port}: {why}; {after if begun else 'nothing was written'}")


def _run(port: str, arguments: list[str], heard: Callable[[str], None]) -> int:
    """Run esptool, hand over each line that it prints, and return its status."""
    with subprocess.Popen(
        [programs.find("esptool"), "--port", port, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, **_WIDE},
    ) as child:
        assert child.stdout is not None
        try:
            for line in child.stdout:
                heard(line.rstrip())
        except BaseException:
            child.terminate()
            raise
    return child.returncode


def _reason(text: str) -> str:
    """Return why esptool gave up: in our words, else its own."""
    for words, meaning in _KNOWN.items():
        if words in text:
            return meaning
    error = text.rpartition("ERROR: ")[2].strip() or text.strip()
    line = (error.splitlines() or ["it did not say why"])[0]
    return "esptool: " + line.removeprefix("A fatal error occurred: ")


def _told(size: int) -> str:
    return f"{size // _MB} MB" if size >= _MB else f"{size // 1024} KB"
