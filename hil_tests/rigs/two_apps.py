"""A flash with two app partitions, and what the bootloader's roll-back is to do with them."""

from ota.build import filesystem
from ota.build.micropython import TABLE_OFFSET
from ota.field.partitions import Layout, Partition

_APP, _DATA = 0, 1
_APP_BYTES = 0x1B0000  # two of them and a small `vfs` fit 4 MB
LAYOUT = Layout(
    (
        Partition("nvs", _DATA, 0x02, 0x9000, 0x4000),
        Partition("otadata", _DATA, 0x00, 0xD000, 0x2000),
        Partition("phy_init", _DATA, 0x01, 0xF000, 0x1000),
        Partition("ota_0", _APP, 0x10, 0x10000, _APP_BYTES),
        Partition("ota_1", _APP, 0x11, 0x10000 + _APP_BYTES, _APP_BYTES),
        Partition("vfs", _DATA, 0x81, 0x370000, 0x90000),
    )
)
_FLASH_BYTES = 0x400000

# Goes through resets; each prints which app runs, which the next reset starts, which comes next.
BOOT = b"""
import machine
from esp32 import Partition
def told(find):
    try:
        return find().info()[4]
    except OSError as error:
        return error.args
def tried(act):
    try:
        act()
        return "done"
    except OSError as error:
        return error.args
try:
    with open("/step") as file:
        step = int(file.read())
except OSError:
    step = 0
with open("/step", "w") as file:
    file.write(str(step + 1))
running = Partition(Partition.RUNNING)
other = running.get_next_update()
def in_force():
    return Partition(Partition.BOOT)
print("step", step, told(lambda: running), told(in_force), told(lambda: other))
if step == 0:
    print("keep", tried(Partition.mark_app_valid_cancel_rollback))
if step == 3:
    print("keep", tried(Partition.mark_app_valid_cancel_rollback))
if step in (0, 2):
    print("aim", tried(other.set_boot), told(in_force))
if step == 4:
    other.writeblocks(0, bytes(4096))
    print("aim", tried(other.set_boot), told(in_force))
    print("end of probe")
else:
    machine.reset()
"""

SAID = [
    "step 0 ota_0 ota_0 ota_1",
    "keep done",  # the first app of a blank flash is on no trial
    "aim done ota_1",
    "step 1 ota_1 ota_1 ota_0",  # on trial, and not kept
    "step 2 ota_0 ota_0 ota_1",
    "aim done ota_1",
    "step 3 ota_1 ota_1 ota_0",
    "keep done",
    "step 4 ota_1 ota_1 ota_0",
    "aim (-5379, 'ESP_ERR_OTA_VALIDATE_FAILED') ota_1",  # it is damaged
    "end of probe",
]


def flash(app: bytes, bootloader: bytes = b"") -> bytes:
    """Return a flash with `app` in both places; bootloader: at 0x1000."""
    made = bytearray(b"\xff" * _FLASH_BYTES)
    pieces = {0x1000: bootloader, TABLE_OFFSET: LAYOUT.table()}
    pieces |= {LAYOUT[label].offset: app for label in ("ota_0", "ota_1")}
    vfs = LAYOUT["vfs"]
    pieces[vfs.offset] = filesystem.pack({"boot.py": BOOT}, vfs.size)
    for offset, content in pieces.items():
        made[offset : offset + len(content)] = content
    return bytes(made)


def told(text: str) -> list[str]:
    """Return the lines of a console that the flash's program wrote."""
    words = ("step ", "keep ", "aim ", "end of probe")
    return [line.strip() for line in text.splitlines() if line.strip().startswith(words)]
