"""Partitions of the emulated flash, found by parsing its partition table at 0x8000.

Every operation is counted on the control page that the host maps (layout in
sim/hardware/flash.py), and stops where the host asked for the power to be cut.
As on NOR flash an erase sets a block to ones and a program only clears bits.
"""

import struct

import _host

HEAP_DATA = 4
HEAP_EXEC = 1
_FLASH_FD = 4
_PAGE_FD = 5
_BLOCK = 4096
_PIECE = 256
_TABLE = 0x8000
_TABLE_BYTES = 0xC00
_ENTRY = "<HBBII16sI"  # ESP-IDF, "Partition Tables": magic, type, subtype, offset, size, label
_MAGIC = 0x50AA
_ENOENT = 2
_EINVAL = 22

_READ, _ERASE, _WRITE = range(3)
_CHANGE = 3  # either of erase and write
_BEFORE, _WITHIN, _AFTER = range(3)
_JOURNAL = 6  # offsets on the control page
_LEFT = 8
_COUNTS = 16
_WEAR = 64
_OTADATA = 0

_flash = open(_FLASH_FD, "r+b", 0)
_page = open(_PAGE_FD, "r+b", 0)
_control = bytearray(_COUNTS + 12)
_word = bytearray(4)
_old = bytearray(_PIECE)
_ones = memoryview(b"\xff" * _PIECE)
_choice = None  # a _bootloader.Choice, where the table has more than one app


def idf_heap_info(capabilities: int) -> list:
    """No ESP-IDF heap lies beneath this VM: no regions."""
    return []


def _begin(kind: int) -> int:
    """Count an operation; tell where in it the power fails, -1 when it does not."""
    _page.seek(0)
    _page.readinto(_control)
    offset = _COUNTS + 4 * kind
    _put(offset, struct.unpack_from("<I", _control, offset)[0] + 1)
    wanted = _control[4]
    if not _control[0] or not (wanted == kind or (wanted == _CHANGE and kind != _READ)):
        return -1
    left = struct.unpack_from("<I", _control, _LEFT)[0] - 1
    _put(_LEFT, left)
    if left > 0:
        return -1
    if _control[5] == _BEFORE:
        _cut()
    return _control[5]


def _note(address: int, data: object, size: int) -> None:
    """Add a change to the journal behind the page, when the host wants one; no bytes: an erase."""
    if _control[_JOURNAL]:
        _page.seek(0, 2)
        _page.write(struct.pack("<II", address, size))
        _page.write(data)


def _put(offset: int, value: int) -> None:
    struct.pack_into("<I", _word, 0, value)
    _page.seek(offset)
    _page.write(_word)


def _cut() -> None:
    """Tell the host that the moment is here; it cuts the power while this waits."""
    _host.halt(_host.CUT)


def _erase(address: int) -> None:
    cut = _begin(_ERASE)
    _note(address, b"", 0)
    offset = _WEAR + 4 * (address // _BLOCK)
    _page.seek(offset)
    _page.readinto(_word)
    _put(offset, struct.unpack("<I", _word)[0] + 1)
    _flash.seek(address)
    for _ in range((_BLOCK // 2 if cut == _WITHIN else _BLOCK) // _PIECE):
        _flash.write(_ones)
    if cut >= 0:
        _cut()


def _write(address: int, data: memoryview) -> None:
    cut = _begin(_WRITE)
    _note(address, data, len(data))
    if cut == _WITHIN:
        data = data[: len(data) // 2]
    for start in range(0, len(data), _PIECE):
        _program(address + start, data[start : start + _PIECE])
    if cut >= 0:
        _cut()


def _program(address: int, data: memoryview) -> None:
    size = len(data)
    old = memoryview(_old)[:size]
    _flash.seek(address)
    _flash.readinto(old)
    if old != _ones[:size]:
        both = int.from_bytes(old, "little") & int.from_bytes(data, "little")
        data = both.to_bytes(size, "little")
    _flash.seek(address)
    _flash.write(data)


def _read(address: int, buffer: memoryview) -> None:
    if _begin(_READ) >= 0:
        _cut()
    _flash.seek(address)
    _flash.readinto(buffer)


class Partition:
    """A stretch of the flash: block device with the simple and the extended interface."""

    TYPE_APP = 0
    TYPE_DATA = 1
    BOOT = 0
    RUNNING = 1

    def __init__(self, which: object, block_size: int = _BLOCK) -> None:
        if type(which) is tuple:  # an entry of the table, from `find`
            found = [which]
        elif type(which) is int:
            if _choice:
                found = [_choice.in_force() if which == self.BOOT else _choice.running()]
            else:  # the stock layout has one app, and nothing that says what to boot
                found = _table(self.TYPE_APP, 0xFF, None) if which == self.RUNNING else None
        else:
            found = _table(self.TYPE_DATA, 0xFF, which) or _table(self.TYPE_APP, 0xFF, which)
        if not found:
            raise OSError(_ENOENT)
        self._info = found[0]
        self._start, self._size = self._info[2], self._info[3]
        self._unit = block_size

    @staticmethod
    def find(
        type: int = TYPE_APP,
        subtype: int = 0xFF,
        label: str | None = None,
        block_size: int = _BLOCK,
    ) -> list:
        """All partitions of a type, of a subtype unless it is 0xFF, of a label unless None."""
        return [Partition(info, block_size) for info in _table(type, subtype, label)]

    def info(self) -> tuple:
        """(type, subtype, address, size, label, encrypted)."""
        return self._info

    def readblocks(self, number: int, buffer: bytearray, offset: int = 0) -> None:
        """Fill `buffer` from block `number` on, `offset` bytes into it."""
        _read(self._place(number, offset, len(buffer)), memoryview(buffer))

    def writeblocks(self, number: int, data: bytes, offset: int | None = None) -> None:
        """Erase and write whole blocks or, given an offset, only write."""
        address = self._place(number, offset or 0, len(data))
        if offset is None:
            for start in range(0, len(data), _BLOCK):
                _erase(address + start)
        _write(address, memoryview(data))

    def ioctl(self, command: int, argument: int) -> int | None:
        """4: count of blocks, 5: bytes a block, 6: erase a block; the rest needs nothing."""
        if command == 4:
            return self._size // self._unit
        if command == 5:
            return self._unit
        if command == 6:
            _erase(self._place(argument, 0, _BLOCK))
        return 0

    def _place(self, number: int, offset: int, size: int) -> int:
        at = number * self._unit + offset
        if at < 0 or at + size > self._size:
            raise OSError(_EINVAL)
        return self._start + at

    def set_boot(self) -> None:
        """Put this app in force from the next reset on, for one start unless it is kept."""
        if not _choice:
            raise OSError(_ENOENT)
        _choice.aim(self._info)

    def get_next_update(self) -> object:
        """The app partition that comes after this one, in turn."""
        if not _choice:
            raise OSError(_ENOENT)
        return Partition(_choice.after(self._info))

    @staticmethod
    def mark_app_valid_cancel_rollback() -> None:
        """Keep the app in force."""
        if _choice:
            _choice.keep()


def start(reset: bool) -> None:
    """Let the bootloader choose, where there is a choice: at each start, before `/` changes."""
    global _choice
    found = _table(Partition.TYPE_DATA, _OTADATA, None)
    if found:
        import _bootloader

        _choice = _bootloader.Choice(found[0][2], _table(Partition.TYPE_APP, 0xFF, None))
        if reset:
            _choice.start()


def _table(type_: int, subtype: int, label: str | None) -> list:
    found = []
    entry = bytearray(struct.calcsize(_ENTRY))
    for at in range(_TABLE, _TABLE + _TABLE_BYTES, len(entry)):
        _flash.seek(at)
        _flash.readinto(entry)
        magic, kind, sub, address, size, name, flags = struct.unpack(_ENTRY, entry)
        if magic != _MAGIC:
            break
        name = name.rstrip(b"\0").decode()
        if kind == type_ and subtype in (0xFF, sub) and label in (None, name):
            found.append((kind, sub, address, size, name, bool(flags & 1)))
    return found
