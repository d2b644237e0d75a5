"""An official MicroPython .bin: is it whole, is it for this chip; its app, for nodes to fetch.

The file is the flash from the board's base on: bootloader, partition table at flash 0x8000, app
at flash 0x10000. Image format (ESP-IDF, "App Image Format"): 24 bytes of header (magic E9,
segments, mode, size and speed, entry, …, chip id u16 at 12, hash appended at 23), segments of
address u32, length u32 and data, padding to 16 with an XOR checksum as the last byte, SHA-256.
"""

import hashlib
import re
import struct
from dataclasses import dataclass

from ota.build.boards import Board, chip_name
from ota.build.errors import FieldError

TABLE_OFFSET = 0x8000
TABLE_BYTES = 0xC00
APP_OFFSET = 0x10000
_MAGIC = 0xE9
_HEADER_BYTES = 24
_SEGMENTS_MAX = 16
# The banner's own words (`sys.version`): MicroPython leaves the version in IDF's header empty.
_BANNER = re.compile(rb"v(\d+\.\d+\.\d+(?:-preview)?)[0-9A-Za-z.-]* on \d{4}-\d\d-\d\d")


class RuntimeImageError(FieldError):
    """The .bin is damaged, for another chip, or too large."""


@dataclass(frozen=True)
class Runtime:
    """A runtime taken apart, and the version that its app says it has ("" if it does not).

    flash_bytes: the size of the flash that its bootloader expects.
    """

    bootloader: bytes
    app: bytes
    version: str
    flash_bytes: int


def split(data: bytes, board: Board) -> Runtime:
    """Split an official .bin for `board`; RuntimeImageError says why it cannot be used."""
    if data[:1] != bytes([_MAGIC]):
        raise RuntimeImageError("the runtime is no ESP image: it does not begin with E9")
    _check_chip(data, board)
    bootloader = _image(data, "the bootloader")
    if board.base + len(bootloader) > TABLE_OFFSET:
        raise RuntimeImageError("the bootloader reaches into the partition table")
    table = data[TABLE_OFFSET - board.base :][:TABLE_BYTES]
    if table[:2] != b"\xaa\x50":
        raise RuntimeImageError(
            f"no partition table at flash {TABLE_OFFSET:#x}: is it the whole official .bin,"
            " not an app (.app-bin) or an update?"
        )
    rest = data[APP_OFFSET - board.base :]
    _check_chip(rest, board)
    app = _image(rest, "the app")
    return Runtime(bootloader, app, _version(app), 1 << (20 + (data[3] >> 4)))


def for_flash(bootloader: bytes, size: int) -> bytes:
    """Return a bootloader that expects a flash of `size` bytes, as `esptool --flash-size` does."""
    made = bytearray(bootloader)
    made[3] = (size.bit_length() - 21) << 4 | made[3] & 15
    if made[23] == 1:  # a hash is appended
        made[-32:] = hashlib.sha256(made[:-32]).digest()
    return bytes(made)


def _check_chip(image: bytes, board: Board) -> None:
    if len(image) < _HEADER_BYTES or image[0] != _MAGIC:
        raise RuntimeImageError("the runtime is cut short: no app in it")
    (chip,) = struct.unpack_from("<H", image, 12)
    if chip != board.chip_id:
        raise RuntimeImageError(
            f"the runtime is for {chip_name(chip)}, board {board.name} has {board.chip}"
        )


def _image(data: bytes, what: str) -> bytes:
    """Return the image at the start of `data`, its checksum and hash checked."""
    segments, hashed = data[1], data[23] == 1
    if not 0 < segments <= _SEGMENTS_MAX:
        raise RuntimeImageError(f"{what} is damaged: {segments} segments")
    at, checksum = _HEADER_BYTES, 0xEF
    for _ in range(segments):
        if at + 8 > len(data):
            raise RuntimeImageError(f"{what} is cut short at {len(data)} bytes")
        (length,) = struct.unpack_from("<I", data, at + 4)
        content = data[at + 8 : at + 8 + length]
        checksum ^= _xor(content)
        at += 8 + length
    end = at | 15
    if end >= len(data) or len(data) < end + 1 + (32 if hashed else 0):
        raise RuntimeImageError(f"{what} is cut short at {len(data)} bytes")
    end += 1
    if data[end - 1] != checksum:
        raise RuntimeImageError(f"{what} is damaged: its checksum is wrong")
    if hashed and hashlib.sha256(data[:end]).digest() != data[end : end + 32]:
        raise RuntimeImageError(f"{what} is damaged: its hash is wrong")
    return data[: end + (32 if hashed else 0)]


def _xor(content: bytes) -> int:
    """Return the XOR of all bytes, by folding halves of one large number."""
    size = 1 << max(len(content) - 1, 0).bit_length()
    number = int.from_bytes(content, "little")
    while size > 1:
        size //= 2
        number = (number >> (8 * size)) ^ (number & ((1 << (8 * size)) - 1))
    return number


def _version(app: bytes) -> str:
    """Return the MicroPython version of an app (`1.27.0`), "" when it does not say."""
    found = _BANNER.search(app)
    return found[1].decode() if found else ""
