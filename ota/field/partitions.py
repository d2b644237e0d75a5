"""The flash layout and its partition table, in the binary form that the ESP bootloader reads.

Format (ESP-IDF, "Partition Tables"; gen_esp32part.py): 32 bytes an entry, little-endian: magic
AA 50, type, subtype, offset u32, size u32, label 16 bytes, flags u32; then EB EB, fourteen FF and
the MD5 of the entries before it; the rest of 0xC00 bytes is FF.
"""

import hashlib
import struct
from dataclasses import dataclass

from ota.build.boards import DATA_BYTES, FLASH_BYTES, VFS_BYTES
from ota.build.micropython import APP_OFFSET, TABLE_BYTES

_APP, _DATA = 0, 1
_FACTORY, _OTA_0, _OTA_1 = 0x00, 0x10, 0x11
_OTADATA, _PHY, _NVS, _FAT = 0x00, 0x01, 0x02, 0x81
_APP_BYTES = 0x270000


@dataclass(frozen=True)
class Partition:
    """One partition; offset and size in bytes."""

    label: str
    kind: int
    subtype: int
    offset: int
    size: int

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.offset + self.size


@dataclass(frozen=True)
class Layout:
    """The partitions of one flash size, in bytes."""

    partitions: tuple[Partition, ...]
    flash_bytes: int = FLASH_BYTES

    def __getitem__(self, label: str) -> Partition:
        """Return the partition of this label; KeyError when there is none."""
        for partition in self.partitions:
            if partition.label == label:
                return partition
        raise KeyError(label)

    @property
    def apps(self) -> tuple[Partition, ...]:
        """The app partitions; the first is the one that a new node starts."""
        return tuple(each for each in self.partitions if each.kind == _APP)

    def table(self) -> bytes:
        """Return the partition table, TABLE_BYTES long."""
        entries = b"".join(
            struct.pack(
                "<2sBBII16sI",
                b"\xaa\x50",
                p.kind,
                p.subtype,
                p.offset,
                p.size,
                p.label.encode(),
                0,
            )
            for p in self.partitions
        )
        checksum = (
            b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(entries, usedforsecurity=False).digest()
        )
        return (entries + checksum).ljust(TABLE_BYTES, b"\xff")


# Both file systems say FAT: MicroPython looks for a data partition named `vfs` and mounts whatever
# file system it finds in it, and nothing else reads the subtype.
FOUR_MB = Layout(
    (
        Partition("nvs", _DATA, _NVS, 0x9000, 0x6000),
        Partition("phy_init", _DATA, _PHY, 0xF000, 0x1000),
        Partition("factory", _APP, _FACTORY, APP_OFFSET, 0x1F0000),
        Partition("vfs", _DATA, _FAT, 0x200000, VFS_BYTES),
        Partition("data", _DATA, _FAT, 0x220000, DATA_BYTES),
    )
)
# Two apps: a new MicroPython comes over the air (ota/decisions/0014). `data` is no larger: a
# release has one budget, whatever the flash.
EIGHT_MB = Layout(
    (
        Partition("nvs", _DATA, _NVS, 0x9000, 0x4000),
        Partition("otadata", _DATA, _OTADATA, 0xD000, 0x2000),
        Partition("phy_init", _DATA, _PHY, 0xF000, 0x1000),
        Partition("ota_0", _APP, _OTA_0, APP_OFFSET, _APP_BYTES),
        Partition("ota_1", _APP, _OTA_1, APP_OFFSET + _APP_BYTES, _APP_BYTES),
        Partition("vfs", _DATA, _FAT, 0x4F0000, VFS_BYTES),
        Partition("data", _DATA, _FAT, 0x510000, DATA_BYTES),
    ),
    2 * FLASH_BYTES,
)
LAYOUTS = {"4MB": FOUR_MB, "8MB": EIGHT_MB}
