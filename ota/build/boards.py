"""What the flash of all boards has in common (4 MB profile), and boards by name."""

from ota.boards import BOARDS, Board
from ota.build.errors import BuildError

__all__ = ["BOARDS", "Board"]

FLASH_BYTES = 4 * 1024 * 1024
BLOCK_BYTES = 4096  # one erase block: what LittleFS counts in
VFS_BYTES = 0x20000  # `/`: written at provisioning, certificate renewal and config change only
DATA_BYTES = 0x1E0000  # `/data`: both slots, outbox, TUF metadata, boot record, log


def board(name: str) -> Board:
    """Return the board of this name; BuildError names those there are."""
    if name not in BOARDS:
        raise BuildError(f"no board {name!r}: known are {', '.join(BOARDS)}")
    return BOARDS[name]


def chip_name(chip_id: int) -> str:
    """Return a chip's name for messages, also of chips that no board here has."""
    others = {2: "ESP32-S2", 12: "ESP32-C2", 13: "ESP32-C6", 16: "ESP32-H2", 18: "ESP32-P4"}
    known = {entry.chip_id: entry.chip for entry in BOARDS.values()}
    return known.get(chip_id) or others.get(chip_id) or f"chip {chip_id}"
