"""Drift: what lies in the slots, checked against their manifests each `verify_s`; then let go.

The boot code checks the slot that it starts; this finds what has changed since, in either. A
change is an error line, a count in the heartbeat (`errors.drift`), and, where the other slot is
sound, a planned restart: the boot code then sees the damage itself, takes that slot and reports
it. Where it is not, the node works on: what is loaded already is sound.
"""

from ota.core import limits, manifest
from ota.core.errors import RepositoryError
from ota.device import files


async def look(node) -> None:
    """Check both slots; returns unless the running one is damaged and the other is not."""
    running = node.slot
    spare = running[:-1] + ("b" if running[-1] == "a" else "a")
    faults = []
    for slot in (running, spare):
        fault = await damage(slot)
        faults.append(fault)
        if fault:
            node.counts["drift"] = node.counts.get("drift", 0) + 1
            node.console.error("drift", "slot %s: %s" % (slot[-1], fault))
    if faults[0] and faults[1] is None:
        from firmware.tasks import errands

        await errands.close_window(node)
        node.restart("slot %s: %s" % (running[-1], faults[0]))


async def damage(root: str) -> str | None:
    """Check a slot: None when sound, "" when it holds no release, else what is wrong."""
    try:
        lines = open(root + "/manifest.jsonl", "rb")
    except OSError:
        return ""
    path = "manifest.jsonl"
    with lines:
        try:
            manifest.header(lines.readline(limits.MANIFEST_LINE_BYTES + 1))
            for path, size, digest, _ in manifest.entries(lines):
                if not await files.matches(root + "/" + path, size, digest):
                    return path + " is damaged"
        except (RepositoryError, OSError):
            return path + " cannot be read"
    return None
