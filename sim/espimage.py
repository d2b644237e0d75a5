"""ESP images and whole .bin files in miniature, laid out as MicroPython's official ones.

What an emulated node has in its app partitions: its VM stands for the MicroPython in them.
"""

import random
import struct
from hashlib import sha256

from ota.build.boards import BOARDS, Board
from ota.build.micropython import APP_OFFSET, TABLE_OFFSET

ESP32 = BOARDS["esp32"]
_BANNER = b"MicroPython v%s on 2025-12-09; Generic"
_CHECKSUM = -33  # where an image has it, before its hash


def esp_image(
    chip_id: int, content: bytes = b"", *, size_nibble: int = 2, hashed: bool = True
) -> bytes:
    """Make an ESP image of one segment (ESP-IDF, "App Image Format")."""
    content = content.ljust(64, b"\0")
    header = struct.pack("<BBBBI", 0xE9, 1, 2, size_nibble << 4, 0x40080000)
    header += struct.pack("<B3sHBHH4sB", 0xEE, bytes(3), chip_id, 0, 0, 0, bytes(4), hashed)
    body = header + struct.pack("<II", 0x3F400020, len(content)) + content
    checksum = 0xEF
    for byte in content:
        checksum ^= byte
    body += bytes(15 - len(body) % 16) + bytes([checksum])
    return body + (sha256(body).digest() if hashed else b"")


def official(
    board: Board = ESP32,
    chip_id: int | None = None,
    app: bytes | None = None,
    *,
    size_nibble: int = 2,
) -> bytes:
    """Make a .bin laid out as MicroPython's: bootloader, its own table, app."""
    chip_id = board.chip_id if chip_id is None else chip_id
    data = bytearray(b"\xff" * (APP_OFFSET - board.base))
    loader = esp_image(chip_id, b"bootloader", size_nibble=size_nibble)
    data[: len(loader)] = loader
    data[TABLE_OFFSET - board.base : TABLE_OFFSET - board.base + 2] = b"\xaa\x50"
    return bytes(data) + (esp_image(chip_id, _BANNER % b"1.27.0") if app is None else app)


def micropython(version: str, size: int, banner: bytes = _BANNER) -> bytes:
    """Make a .bin for an ESP32 whose app has some `size` bytes that do not deflate."""
    noise = random.Random(version).randbytes(size)  # noqa: S311
    return official(app=esp_image(ESP32.chip_id, banner % version.encode() + noise))


def renamed(image: bytes, version: str, board: Board = ESP32) -> bytes:
    """Return an official .bin for a board whose app says that it is another version.

    `version` has as many characters as the image's own. Checksum and hash are made anew: it is
    another app to whoever compares, and the same to who runs it.
    """
    start = APP_OFFSET - board.base
    app = bytearray(image[start:])
    at = app.index(b"MicroPython v") + len(b"MicroPython v")
    for index, byte in enumerate(version.encode()):
        app[_CHECKSUM] ^= app[at + index] ^ byte
        app[at + index] = byte
    app[_CHECKSUM + 1 :] = sha256(app[: _CHECKSUM + 1]).digest()
    return image[:start] + bytes(app)


def app_of(image: bytes, board: Board = ESP32) -> bytes:
    """Return the app of an official .bin."""
    return image[APP_OFFSET - board.base :]
