"""Uplink: packs of windows to the server, at least once; forgets only what it acknowledged.

Records that the server names as bad are set aside and never sent again; a pack that it cannot
read at all is sent window by window to find the one at fault. Refusals of the node itself (401,
403), 5xx and silence change nothing but the time of the next try.
"""

import asyncio
import json

from ota.core.errors import OtaError

from firmware.core import senml
from firmware.tasks import clock

_IDLE_S = 60
_BACKOFF_S = 5
_BACKOFF_MAX_S = 900
_RETRY_AFTER_MAX_S = 3600
_UNREADABLE = (400, 413, 415, 422)


async def run(node) -> None:
    """Send what the outbox holds, for ever."""
    await node.enrolled.wait()
    pack = senml.Pack(node.id, buffer=node.memory.buffer)
    backoff_s = _BACKOFF_S
    entries_max = 100
    while True:
        taken = fill(node.outbox, pack, entries_max) if node.clock.synced else None
        if taken is None:
            await pause(node)
            continue
        if node.date_s:
            status, after_s, answer = await send(node, pack)
        elif await clock.hear(node):
            continue  # by what it said, windows may be dated otherwise
        else:
            status, after_s, answer = 0, 0, {}
        if status == 200:
            settle(node, pack, taken, answer)
            backoff_s = _BACKOFF_S
            entries_max = 100
        elif status in _UNREADABLE and taken[3] > 1:
            entries_max = 1
        elif status in _UNREADABLE:
            node.console.error("uplink", "window %d refused with status %d" % (taken[2], status))
            settle(node, pack, taken, _all_rejected(pack, status))
        else:
            node.counts["uplink"] = node.counts.get("uplink", 0) + 1
            jitter = node.random(1)[0] / 256
            wait_s = max(backoff_s * (0.5 + jitter), min(after_s, _RETRY_AFTER_MAX_S))
            backoff_s = min(_BACKOFF_MAX_S, backoff_s * 2)
            await asyncio.sleep(wait_s)


def fill(outbox, pack, entries_max: int) -> tuple | None:
    """Fill a pack from one box: (position, box, seq of the last entry, entries), None: nothing."""
    taken = None
    count = 0
    waiting = outbox.pending()
    try:
        for position, box, entry in waiting:
            if taken is None:
                pack.begin(box)
            elif taken[1] != box or count >= entries_max:
                break
            if not pack.add(entry):
                break
            count += 1
            taken = (position, box, entry["seq"], count)
    finally:
        waiting.close()
    return taken


async def pause(node) -> None:
    """Wait for the next window, or a minute."""
    node.filled.clear()
    try:
        await asyncio.wait_for(node.filled.wait(), _IDLE_S)
    except asyncio.TimeoutError:
        pass


async def send(node, pack) -> tuple:
    """Post the pack: (status, seconds to wait, answer); status 0 when no whole answer came."""
    body = pack.body()
    if not len(body):
        return 200, 0, {}  # nothing in it that this release knows how to send
    path = "/telemetry/v1/" + node.id
    try:
        response = await node.client.request("POST", path, body, senml.CONTENT_TYPE)
        clock.take_date(node, response.headers)
        if response.status == 200:
            return 200, 0, response.json()
        node.console.warn("uplink", "status %d" % response.status)
        return response.status, response.refusal().retry_after_s, {}
    except (OtaError, OSError, ValueError) as error:
        node.console.warn("uplink", "%s: %s" % (type(error).__name__, error))
        return 0, 0, {}


def settle(node, pack, taken: tuple, answer: dict) -> None:
    """Set the bad records aside, then forget the pack."""
    position, box, seq, count = taken
    reasons = rejected_by_window(answer, pack.owners)
    if reasons:
        keep_rejected(node, reasons, count)
    node.outbox.acknowledge(position, box, seq)
    text = "%d windows up to %d acknowledged" % (count, seq)
    rejected = sum([len(each) for each in reasons.values()])
    node.console.info("uplink", text + (", %d records rejected" % rejected if rejected else ""))


def rejected_by_window(answer, owners: list) -> dict:
    """Read `rejected` of the server's answer: {seq: [reasons]}; what makes no sense is ignored."""
    reasons = {}
    listed = answer.get("rejected") if type(answer) is dict else None
    for each in listed if type(listed) is list else ():
        index = each.get("index") if type(each) is dict else None
        if type(index) is int and 0 <= index < len(owners):
            reasons.setdefault(owners[index], []).append(str(each.get("reason"))[:40])
    return reasons


def keep_rejected(node, reasons: dict, count: int) -> None:
    """Keep each window with bad records for people, once, with the reasons."""
    aside = []
    waiting = node.outbox.pending()
    try:
        for _, box, entry in waiting:
            if entry["seq"] in reasons:
                text = "%s %s " % (box, ",".join(reasons[entry["seq"]]))
                aside.append(text + json.dumps(entry))
            count -= 1
            if not count:
                break
    finally:
        waiting.close()
    for text in aside:
        node.outbox.set_aside(text)


def _all_rejected(pack, status: int) -> dict:
    reason = "status %d" % status
    return {"rejected": [{"index": i, "reason": reason} for i in range(len(pack.owners))]}
