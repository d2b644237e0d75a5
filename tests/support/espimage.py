"""ESP images and whole .bin files in miniature, laid out as MicroPython's official ones."""

import struct
from hashlib import sha256

from ota.build.boards import BOARDS

ESP32 = BOARDS["esp32"]


def esp_image(chip_id, content=b"", *, size_nibble=2, hashed=True):
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


def official(board=ESP32, chip_id=None, app=None, **options):
    """Make a .bin laid out as MicroPython's: bootloader, its own table, app."""
    chip_id = board.chip_id if chip_id is None else chip_id
    banner = b"MicroPython v1.27.0 on 2025-12-09; Generic"
    data = bytearray(b"\xff" * (0x10000 - board.base))
    loader = esp_image(chip_id, b"bootloader", **options)
    data[: len(loader)] = loader
    data[0x8000 - board.base : 0x8002 - board.base] = b"\xaa\x50"
    return bytes(data) + (esp_image(chip_id, banner) if app is None else app)
