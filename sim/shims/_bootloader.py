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

import _host
import esp32

FACTORY = -1
_ENTRY = "<I20sII"
_SIZE = 32
_NEW, _PENDING, _VALID, _INVALID, _ABORTED = range(5)
_BLANK = 0xFFFFFFFF
_MAGIC = 0xE9
_HEADER = 24
_PIECE = 4096
_SECTOR = 4096
_APP = 28  # on the control page: which app runs, kept over soft resets
_OTA = 0x10  # subtypes of apps: the factory's is 0
_BANNER = b"MicroPython v"


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


class Choice:
    """The app partitions of a flash, and `otadata`, at the address `data`, which says which runs.

    apps: as Partition.info() has them.
    """

    def __init__(self, data: int, apps: list) -> None:
        self._data = data
        self._ota = sorted([info for info in apps if info[1] & _OTA])
        self._factory = [info for info in apps if not info[1] & _OTA]

    def start(self) -> None:
        """Do what the bootloader does at a reset; an app that is damaged makes way for another."""
        app, entries = start(self._entries(), len(self._ota), bool(self._factory))
        self._write(entries)
        order = self._factory + self._ota
        at = app + len(self._factory)
        for info in order[at::-1] + order[at + 1 :]:
            if self._is_sound(info):
                esp32._put(_APP, order.index(info))  # noqa: SLF001
                self._run(info)
                return
        while True:  # it tries for ever
            _host.halt(_host.RESET, b"\x00")

    def _run(self, info: tuple) -> None:
        """Go on where the app is a MicroPython, which this VM stands for; any other panics."""
        before = b""
        for at in range(0, info[3], _PIECE):
            piece = _peek(info[2] + at, _PIECE)
            if _BANNER in before + piece:
                return
            before = piece[-len(_BANNER) :]
        print("the app that was started is no MicroPython: panic")
        _host.halt(_host.RESET, b"\x00")

    def running(self) -> tuple:
        """Give the app that runs."""
        word = bytearray(4)
        esp32._page.seek(_APP)  # noqa: SLF001
        esp32._page.readinto(word)  # noqa: SLF001
        return (self._factory + self._ota)[struct.unpack("<I", word)[0]]

    def in_force(self) -> tuple:
        """Give the app that the next reset starts."""
        app = boot(self._entries(), len(self._ota), bool(self._factory))
        return self._factory[0] if app == FACTORY else self._ota[app]

    def after(self, info: tuple) -> tuple:
        """Give the app that is next in turn to be written."""
        at = self._ota.index(info) + 1 if info in self._ota else 0
        return self._ota[at % len(self._ota)]

    def aim(self, info: tuple) -> None:
        """Put an app in force from the next reset on; OSError when it is damaged."""
        if info not in self._ota or not self._is_sound(info):
            raise OSError(-0x1503, "ESP_ERR_OTA_VALIDATE_FAILED")
        self._write(aim(self._entries(), len(self._ota), self._ota.index(info)))

    def keep(self) -> None:
        """Mark the app in force as valid."""
        self._write(keep(self._entries()))

    def _is_sound(self, info: tuple) -> bool:
        return sound(lambda offset, size: _peek(info[2] + offset, size), info[3])

    def _entries(self) -> list:
        return [_peek(self._data + sector * _SECTOR, _SIZE) for sector in (0, 1)]

    def _write(self, entries: list) -> None:
        for sector, old in enumerate(self._entries()):
            if old != entries[sector]:
                address = self._data + sector * _SECTOR
                esp32._erase(address)  # noqa: SLF001
                esp32._write(address, memoryview(entries[sector]))  # noqa: SLF001


def _peek(address: int, size: int) -> bytes:
    """Read without counting: it is the bootloader that looks."""
    esp32._flash.seek(address)  # noqa: SLF001
    return esp32._flash.read(size)  # noqa: SLF001
