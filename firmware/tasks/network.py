"""Joins the access point, and joins it again whenever it is lost."""

import asyncio

_LOOK_S = 5
_BACKOFF_MAX_S = 60


async def run(node) -> None:
    """Keep the network up, for ever."""
    backoff_s = 1
    was_up = False
    while True:
        is_up = await node.network.up(node.config)
        if is_up != was_up:
            node.console.info("network", "up" if is_up else "lost")
            was_up = is_up
        if is_up:
            node.online.set()
            backoff_s = 1
            await asyncio.sleep(_LOOK_S)
        else:
            node.console.warn("network", "%s cannot be joined" % node.config["wifi"]["ssid"])
            await asyncio.sleep(backoff_s)
            backoff_s = min(_BACKOFF_MAX_S, backoff_s * 2)
