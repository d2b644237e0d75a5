"""The kinds of boards there are: what builds, field tools and the server's commands know alike."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Board:
    """One kind of board.

    `chip_id` is the number in the extended header of an ESP image (esptool's IMAGE_CHIP_ID);
    `base` the flash offset in bytes at which an official MicroPython .bin starts.
    """

    name: str
    chip: str
    chip_id: int
    base: int


BOARDS = {
    board.name: board
    for board in (
        Board("esp32", "ESP32", 0, 0x1000),
        Board("esp32c3", "ESP32-C3", 5, 0),
        Board("esp32s3", "ESP32-S3", 9, 0),
    )
}
