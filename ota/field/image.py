"""The whole flash of a node as one file: for esptool, for emulators and for the VM alike.

bootloader, partition table, app     from an official MicroPython .bin, with our own table
vfs    `/`      boot code, rescue (firmware/decisions/0007), configuration, trust anchors, claim
data   `/data`  both slots, filled with the factory release (ota/decisions/0002), boot record
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ota.build import filesystem, micropython
from ota.build.boards import BOARDS, Board
from ota.build.compiler import compile_module
from ota.build.errors import BuildError, FieldError
from ota.build.release import Release
from ota.build.sources import package_folder
from ota.core import bootrecord
from ota.field import rescue
from ota.field.partitions import FOUR_MB, Layout

ANCHOR_NAMES = ("ca.der", "ca1.der", "ca2.der", "ca3.der")
"""What a node's CA certificates are called in /etc; it looks for no others."""


@dataclass(frozen=True)
class Site:
    """A node's fleet: configuration (JSON), claim token, CA certificates (DER)."""

    config: bytes
    claim: bytes
    anchors: Sequence[bytes]


def flash_image(
    runtime: bytes | None,
    vfs_files: Mapping[str, bytes],
    data_files: Mapping[str, bytes],
    *,
    board: Board = BOARDS["esp32"],
    layout: Layout = FOUR_MB,
) -> bytes:
    """Return the image of a whole flash; what is erased is FF.

    `runtime`: an official .bin, or None for a node whose runtime is not in its flash (the VM).
    Paths are relative to `/` and `/data`. FieldError when the runtime is for another chip or
    anything does not fit.
    """
    flash = bytearray(b"\xff" * layout.flash_bytes)
    pieces = {micropython.TABLE_OFFSET: layout.table()}
    if runtime is not None:
        found = checked(micropython.split(runtime, board), layout)
        pieces[board.base] = micropython.for_flash(found.bootloader, layout.flash_bytes)
        pieces[layout.apps[0].offset] = found.app
    for label, files in (("vfs", vfs_files), ("data", data_files)):
        try:
            pieces[layout[label].offset] = filesystem.pack(files, layout[label].size)
        except BuildError as error:
            raise FieldError(f"partition {label}: {error.message}") from error
    for offset, content in pieces.items():
        flash[offset : offset + len(content)] = content
    return bytes(flash)


def checked(runtime: micropython.Runtime, layout: Layout) -> micropython.Runtime:
    """Return a runtime that fits a layout; FieldError for any other."""
    app = layout.apps[0]
    if len(runtime.app) > app.size:
        raise FieldError(f"the app has {len(runtime.app)} bytes, its partition {app.size}")
    if runtime.flash_bytes > layout.flash_bytes:
        raise FieldError(
            f"the runtime expects {runtime.flash_bytes >> 20} MB of flash,"
            f" this profile {layout.flash_bytes >> 20}"
        )
    return runtime


def factory_files(
    release: Release, root_json: bytes, site: Site | None = None, layout: Layout = FOUR_MB
) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Return what lies in `/` and in `/data` of a node that has just been made.

    `root_json`: TUF root metadata; `site`: None for a node that is provisioned later. The boot
    code is taken from the installed packages and compiled here; both slots hold `release`.
    """
    vfs = boot_files() | {"etc/release": release.header.line(), "etc/root.json": root_json}
    if site is not None:
        vfs |= site_files(site)
    data = release.slot("a") | release.slot("b") | _boot_records()
    if len(layout.apps) > 1:  # both slots are to run on the app that is there
        data |= {f"{slot}/app": layout.apps[0].label.encode() for slot in "ab"}
    return vfs, data


def site_files(site: Site) -> dict[str, bytes]:
    """Return what lies in `/` of a node because it has a site."""
    files = {"config.json": site.config, "claim": site.claim.strip()} | anchor_files(site.anchors)
    return {f"etc/{name}": content for name, content in files.items()}


def anchor_files(anchors: Sequence[bytes]) -> dict[str, bytes]:
    """Return CA certificates by the names that they have in a node's /etc."""
    if not anchors:
        raise FieldError("a node needs at least one CA certificate")
    if len(anchors) > len(ANCHOR_NAMES):
        raise FieldError(f"{len(anchors)} CA certificates, a node takes {len(ANCHOR_NAMES)}")
    return dict(zip(ANCHOR_NAMES, anchors, strict=False))


def boot_files() -> dict[str, bytes]:
    """Return the files of `/` that no update touches: boot.py, main.py and what they import."""
    root = package_folder("firmware") / "root"
    record = package_folder("ota.core") / "bootrecord.py"
    try:
        return {
            "boot.py": (root / "boot.py").read_bytes(),
            "main.py": (root / "main.py").read_bytes(),
            "lib/startup.mpy": compile_module(root / "startup.py", "startup.py"),
            "lib/partition.mpy": compile_module(root / "partition.py", "partition.py"),
            "lib/bootrecord.mpy": compile_module(record, "bootrecord.py"),
            "lib/rescue.mpy": compile_module(root / "rescue.py", "rescue.py"),
            "lib/rescue.pack": rescue.pack(rescue.modules()),
        }
    except OSError as error:
        raise FieldError(f"the boot code is incomplete: {error}") from error


def _boot_records() -> dict[str, bytes]:
    """Return both copies of a boot record in which slot a is confirmed and nothing is on trial."""
    record, files = bootrecord.fresh(), {}
    for _ in range(2):
        copy, data, record = bootrecord.seal(record)
        files[f"boot.{copy}"] = data
    return files
