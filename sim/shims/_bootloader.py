"""Which app starts: the rules of ESP-IDF's bootloader with roll-back, on the bytes of `otadata`.

`otadata` has two entries, each at the beginning of a sector (ESP-IDF, "Over The Air Updates" and
esp_flash_partitions.h), 32 bytes little-endian: sequence u32, label 20, state u32, CRC-32 of the
sequence. The valid entry with the higher sequence n is in force: app (n - 1) mod the number of
apps. An app that is new starts once; unless it marks itself valid, it does not start again.
`FACTORY` stands for the app that is in force as long as no entry is.
"""

import struct
from binascii import crc32, hexlify
from hashlib import sha256

FACTORY = -1
_ENTRY = "<I20sII"
_SIZE = 32
_NEW, _PENDING, _VALID, _INVALID, _ABORTED = range(5)
_BLANK = 0xFFFFFFFF
_MAGIC = 0xE9
_HEADER = 24
_PIECE = 4096


def start(entries: list, apps: int, factory: bool) -> tuple:
    """Choose the app at a reset; returns (app, entries as they are from now on).

    Blank entries without a factory app: the first app is in force, and on no trial.
    """
    left = [_with(entry, _ABORTED) if _state(entry) == _PENDING else entry for entry in entries]
    at = _active(left)
    if at < 0 and factory:
        return FACTORY, left
    if at < 0:
        return 0, [_entry(1, _VALID), left[1]]
    if _state(left[at]) == _NEW:
        left[at] = _with(left[at], _PENDING)
    return (_sequence(left[at]) - 1) % apps, left


def boot(entries: list, apps: int, factory: bool) -> int:
    """Tell the app that is in force."""
    at = _active(entries)
    if at < 0:
        return FACTORY if factory else 0
    return (_sequence(entries[at]) - 1) % apps


def aim(entries: list, apps: int, app: int) -> list:
    """Put an app in force, as new (esp_ota_set_boot_partition)."""
    at = _active(entries)
    sequence = app + 1
    if at >= 0:
        while sequence < _sequence(entries[at]):
            sequence += apps
    made = list(entries)
    made[1 if at == 0 else 0] = _entry(sequence, _NEW)
    return made


def keep(entries: list) -> list:
    """Mark the app in force as valid; OSError when it is the factory's."""
    at = _active(entries)
    if at < 0:
        raise OSError(-1, "ESP_FAIL")
    made = list(entries)
    made[at] = _with(made[at], _VALID)
    return made


def sound(read, size: int) -> bool:  # noqa: ANN001 - a callable
    """Say whether an app image is whole (ESP-IDF, "App Image Format"); read(offset, n): bytes."""
    head = read(0, _HEADER)
    if head[0] != _MAGIC:
        return False
    end = _HEADER
    for _ in range(head[1]):
        if end + 8 > size:
            return False
        end += 8 + struct.unpack("<II", read(end, 8))[1]
    end += 16 - end % 16
    if end + 32 > size:
        return False
    sum_ = sha256()
    for at in range(0, end, _PIECE):
        sum_.update(read(at, min(_PIECE, end - at)))
    return not head[23] or hexlify(sum_.digest()) == hexlify(read(end, 32))


def _active(entries: list) -> int:
    good = [at for at in (0, 1) if _is_valid(entries[at])]
    if len(good) == 2:
        return 1 if _sequence(entries[1]) > _sequence(entries[0]) else 0
    return good[0] if good else -1


def _is_valid(entry: bytes) -> bool:
    if _sequence(entry) == _BLANK or _state(entry) in (_INVALID, _ABORTED):
        return False
    return struct.unpack(_ENTRY, entry)[3] == crc32(entry[:4], _BLANK)


def _sequence(entry: bytes) -> int:
    return struct.unpack(_ENTRY, entry)[0]


def _state(entry: bytes) -> int:
    return struct.unpack(_ENTRY, entry)[2]


def _entry(sequence: int, state: int) -> bytes:
    packed = struct.pack("<I", sequence)
    return packed + b"\xff" * 20 + struct.pack("<II", state, crc32(packed, _BLANK))


def _with(entry: bytes, state: int) -> bytes:
    return entry[:24] + struct.pack("<I", state) + entry[28:]
