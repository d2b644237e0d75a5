"""The clock: time servers by SNTP, then the server's Date header; notes the last time seen.

A time server cannot be authenticated; the Date comes over TLS. So when both speak and differ by
more than TRUST_S, the Date holds, for the windows dated meanwhile as well: none is sent until it
has spoken (`date_s`). The last time seen may come of a lie, too: it holds against time
servers for an hour, not against a Date, and else a node would trust nothing true ever again.
"""

import asyncio

from ota.core import errors

from firmware.core.errors import FormatError
from firmware.tasks import measuring
from firmware.tasks.loading import let_go

SEEN = "/data/seen"
TRUST_S = 300
_TIMED = "/tuf/metadata/timestamp.json"  # small, and on every server; the answer's head counts
_AGAIN_S = 6 * 3600
_BACKOFF_MAX_S = 900
_ANSWER_MS = 2000
_SEEN_S = 3600
_DATE_S = 3600
_DOUBT_S = 3600


async def run(node) -> None:
    """Keep the clock, for ever."""
    node.clock.at_least(node.release.get("built", 0), "built")
    seen = last_seen(node.storage)
    node.clock.at_least(seen, "seen", False)
    seen = min(seen, node.clock.now())
    await node.online.wait()
    backoff_s = 4
    ask_s = 0
    seen_s = 0
    while True:
        now_s = node.clock.uptime_s()
        if now_s >= ask_s:
            if await ask(node, seen if now_s < _DOUBT_S else 0):
                if node.errand == measuring.UPDATE:
                    return  # and make room
                ask_s = now_s + _AGAIN_S
                backoff_s = 4
            else:
                ask_s = now_s + backoff_s
                backoff_s = min(_BACKOFF_MAX_S, backoff_s * 2)
        told = node.clock.synced and (node.date_s or now_s >= _DOUBT_S)
        if told and node.clock.now() - seen_s >= _SEEN_S:
            seen_s = node.clock.now()
            node.storage.write(SEEN, b"%d" % seen_s)
        await asyncio.sleep(2)


def last_seen(storage) -> int:
    """Read the last time seen, unix s; 0 when there is none, or none that can be."""
    try:
        text = storage.read(SEEN, 16) or b""
    except ValueError:
        return 0
    return int(text) if text.isdigit() else 0


async def ask(node, least: int) -> bool:
    """Ask the time servers in turn until one is believed, that tells no time before `least`."""
    from firmware.core import sntp

    why = "no time server in the config"
    for server in node.config["time_servers"]:
        cookie = node.random(sntp.COOKIE_BYTES)
        try:
            address = await node.network.resolve(server["host"])
            packet = await node.network.udp(
                address, server["port"], sntp.request(cookie), _ANSWER_MS
            )
            found = sntp.answer(packet, cookie)
            if found >= least and take(node, found, "sntp"):
                node.date_s = 0  # the next Date has its say: a lie shall date no hour of windows
                let_go("firmware.core.sntp")
                return True
            why = "the answer is earlier than what is known, or beyond belief"
        except (OSError, FormatError) as error:
            why = "%s: %s" % (server["host"], error)
    node.console.warn("clock", why)
    let_go("firmware.core.sntp")
    return False


def take(node, unix_s: int, source: str) -> bool:
    """Set the clock and let the outbox date what was waiting."""
    was_synced = node.clock.synced
    if not node.clock.set(unix_s, source):
        return False
    if not was_synced:
        node.console.info("clock", "set by %s to %d" % (source, unix_s))
    if node.outbox:
        node.outbox.dated(node.clock.now() - node.clock.uptime_s())
    return True


def turn(node) -> None:
    """Have TLS try the last time seen where no Date has borne a time server out, and back."""
    if not node.date_s:
        node.clock.turn(max(last_seen(node.storage), node.release.get("built", 0)))


async def hear(node) -> bool:
    """Have the server tell the time, before anything is done by a time server's word alone."""
    try:
        response = await node.client.request("GET", _TIMED)
    except (errors.OtaError, OSError) as error:
        node.console.warn("clock", errors.reason(error))
        if isinstance(error, errors.Untrusted):
            turn(node)
        return False
    take_date(node, response.headers)
    return True


def take_date(node, headers: dict) -> None:
    """Take an answer's Date, which came over TLS, where there is no better word; hourly."""
    now_s = node.clock.uptime_s()
    if node.clock.synced and now_s < node.date_s:
        return
    from firmware.core import httpdate

    unix_s = httpdate.parse(headers.get("date", ""))
    del httpdate
    let_go("firmware.core.httpdate", "firmware.core.calendar")
    node.date_s = now_s + _DATE_S
    if unix_s is None:
        return
    if node.clock.synced:
        if abs(node.clock.now() - unix_s) <= TRUST_S:
            return
        node.console.warn("clock", "the server's time differs by more than %d s" % TRUST_S)
    take(node, unix_s, "date")
