"""The boot record on flash, as the running slot may change it."""

from ota.core import bootrecord
from ota.device import files


def load(data: str) -> dict:
    """Read the boot record from its two copies in the folder `data`."""
    copies = [files.read("%s/boot.%d" % (data, i), bootrecord.LIMIT_BYTES + 1) for i in (0, 1)]
    return bootrecord.newest(copies)


def save(data: str, record: dict) -> None:
    """Write a boot record over the older copy."""
    index, line, _ = bootrecord.seal(record)
    files.write("%s/boot.%d" % (data, index), line)


def stage(data: str, digest: str, action: str, version: str) -> None:
    """Want a trial of the idle slot, and the reset that begins it, in one write.

    ValueError when this manifest has failed too many trials, or a trial is going on.
    """
    record = load(data)
    record = bootrecord.stage(record, bootrecord.other(record["slot"]), digest, action, version)
    save(data, bootrecord.planned(record))


def confirm(data: str) -> None:
    """Make the slot on trial the confirmed one; the bootloader keeps the app it runs on."""
    save(data, bootrecord.confirm(load(data)))
    try:
        from esp32 import Partition

        Partition.mark_app_valid_cancel_rollback()
    except (ImportError, OSError):
        pass  # no chip, or one app; what is missed here the boot code does at the next start


def fail(data: str, reason: str) -> None:
    """End the trial with blame; the old slot runs after the next reset, which is planned."""
    save(data, bootrecord.planned(bootrecord.fail(load(data), reason)))


def defer(data: str, reason: str) -> None:
    """End the trial without blame, likewise."""
    save(data, bootrecord.planned(bootrecord.defer(load(data), reason)))
