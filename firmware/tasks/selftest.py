"""What a release must be able to do before it is kept: light, parts, flash, memory.

Only what the release before could do on this very node is asked of it: a part that had been dead
already does not stand in the way of an update. Raises SelfTestError.
"""

import asyncio

from firmware.core.errors import SelfTestError

PARTS = "/data/parts"
_PROBE = "/data/probe"
_HEAP_LEAST_BYTES = 8192
_WAIT_S = 120


async def run(node) -> None:
    """Test the running release; takes as long as the slowest part."""
    config = node.config
    if config is None:
        raise SelfTestError("the config is not valid to this release")
    lamps = [part for part in config["parts"].values() if part["driver"] == "lamp"]
    if lamps and node.lamp is None:
        raise SelfTestError("the lamp cannot be driven")
    if node.clock.uptime_s() - node.beat > 5:
        raise SelfTestError("the light task does not tick")
    node.storage.write(_PROBE, b"probe")
    if node.storage.read(_PROBE, 16) != b"probe":
        raise SelfTestError("flash does not keep what is written")
    node.storage.remove(_PROBE)
    await parts(node)
    free = node.memory.figures().get("heap_free", _HEAP_LEAST_BYTES)
    if free < _HEAP_LEAST_BYTES:
        raise SelfTestError("%d bytes of heap are free" % free)


async def parts(node) -> None:
    """Wait until every part that answered the release before has answered this one."""
    known = (node.storage.read(PARTS, 256) or b"").decode().split(",")
    measured = [each["part"] for each in node.config["streams"].values()]
    wanted = [part for part in known if part in measured]
    missing = wanted
    until_s = node.clock.uptime_s() + _WAIT_S + 2 * node.config["sample_s"]
    while missing and node.clock.uptime_s() < until_s:
        await asyncio.sleep(0.2)
        missing = [part for part in wanted if part not in node.answered]
    if missing:
        raise SelfTestError("no answer from " + ", ".join(missing))
