"""The light: started first, depends on nothing, ends at 100 % whatever fails.

Without a config there is no lamp driver: the pin floats, which is full light as well.
"""

import asyncio

from firmware.core import light
from firmware.tasks.loading import let_go

_TURN_S = 1
_LOG_EVERY = 600
_ZONE_S = 900


async def run(node) -> None:
    """Set the lamp once a second, for ever."""
    faults = 0
    state: State | None = None
    while True:
        node.beat = node.clock.uptime_s()
        try:
            if node.lamp:
                state = state or State(node.config["light"])
                set_level(node, state)
        except Exception as error:  # the one task that handles its own: full light, and on
            faults += 1
            burn(node)
            if faults % _LOG_EVERY == 1:
                node.counts["light"] = faults
                node.console.error("light", "%s: %s; at 100 %%" % (type(error).__name__, error))
        await asyncio.sleep(_TURN_S)


class State:
    """What the lamp goes by: programme, daylight, time zone."""

    def __init__(self, config: dict) -> None:
        self.programme = config["programme"]
        self.daylight = light.Daylight(config["dusk_lux"], config["dawn_lux"])
        self.offset_s = 0
        self.until_s = 0  # uptime until which it holds


def set_level(node, state: State) -> None:
    """Decide the level by sensor, clock and programme, and set it."""
    lux = node.ambient.lux() if node.ambient else None
    is_day = state.daylight.update(lux, node.clock.uptime_s())
    minute = None
    if node.clock.synced and state.programme:
        minute = (node.clock.now() + offset(node, state)) % 86400 // 60
    least = node.release.get("min_level", light.FULL)
    wanted = light.level(is_day, minute, state.programme, least)
    if wanted != node.lamp.level:
        node.console.info("light", "%d %%" % wanted)
    node.lamp.set(wanted)


def offset(node, state: State) -> int:
    """Give local time minus UTC in s; asked of the time zone's rules every quarter of an hour."""
    now_s = node.clock.uptime_s()
    if now_s >= state.until_s:
        from firmware.core.timezone import Zone

        state.offset_s = Zone(node.config["time_zone"]).offset(node.clock.now())
        state.until_s = now_s + _ZONE_S - node.clock.now() % _ZONE_S
        del Zone
        let_go("firmware.core.timezone")
    return state.offset_s


def burn(node) -> None:
    """Go to full light, by whatever still works."""
    try:
        node.lamp.set(light.FULL)
    except Exception as error:
        node.counts["lamp"] = node.counts.get("lamp", 0) + 1
        if node.counts["lamp"] == 1:
            node.console.error("light", "the lamp cannot be set: %s" % error)
