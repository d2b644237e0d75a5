"""Sampling: reads every part whose streams the config names, closes windows, fills the outbox.

Windows end at multiples of their length by the clock. Before the first sync they run by uptime;
when the clock is set, the running window is closed at once and the next one ends in step. What a
window says of itself (`len`, `exp`) is what it really was.

Every part is read in a task of its own, so that one that is silent costs the others nothing. A
value counts in the window in which it arrives.
"""

import asyncio

from firmware.core.errors import PartError
from firmware.core.filters import accept
from firmware.core.windows import Window, end_of
from firmware.tasks import supervise

_SHIFT_S = 2  # a smaller correction of the clock does not break a window


async def run(node) -> None:
    """Fill windows for ever; returns at once when the config names no stream."""
    windows = {}
    due = {}
    for stream, each in node.config["streams"].items():
        if each["part"] in node.parts:
            due.setdefault(each["part"], []).append(stream)
            windows[stream] = Window(0)
    reading = {}
    began_s = node.clock.uptime_s()
    while windows:
        try:
            end_s = await fill(node, due, windows, reading, began_s)
        except asyncio.CancelledError:
            try:
                close(node, windows, began_s, node.clock.uptime_s())
            except OSError as error:  # a flash that refuses stops no cancellation
                supervise.record(node, "sample", error)
            raise
        close(node, windows, began_s, end_s)
        began_s = end_s


async def fill(node, due: dict, windows: dict, reading: dict, began_s: int) -> int:
    """Take samples until the window that began then is over; give its end, uptime in s."""
    clock, config = node.clock, node.config
    synced = clock.synced
    offset_s = clock.now() - clock.uptime_s()
    end_s = end_of(began_s + (offset_s if synced else 0), config["window_s"])
    end_s -= offset_s if synced else 0
    next_s = began_s
    for window in windows.values():
        window.reset()
    while True:
        now_s = clock.uptime_s()
        if clock.synced != synced or abs(clock.now() - now_s - offset_s) > _SHIFT_S:
            return max(now_s, began_s)
        if now_s >= end_s:
            return end_s
        if now_s >= next_s:
            next_s += config["sample_s"] * (1 + (now_s - next_s) // config["sample_s"])
            for part, streams in due.items():
                if part not in reading:
                    taking = take(node, part, streams, windows, reading)
                    reading[part] = asyncio.create_task(taking)
        wait_ms = min(next_s, end_s) * 1000 - clock.uptime_ms()
        await asyncio.sleep(min(max(wait_ms, 0), 1000) / 1000)


async def take(node, part: str, streams: list, windows: dict, reading: dict) -> None:
    """Read one part once. No answer, an unsound one or one out of range is counted, no reading."""
    try:
        values = await node.parts[part].read()
        node.answered[part] = node.clock.uptime_s()
        for stream in streams:
            if stream in values:
                if accept(stream, values[stream]):
                    windows[stream].add(values[stream])
                else:
                    node.counts[stream] = node.counts.get(stream, 0) + 1
    except PartError as error:
        if node.answered.pop(part, None) is not None or part not in node.counts:
            node.console.warn("sample", "%s: %s" % (part, error))
        node.counts[part] = node.counts.get(part, 0) + 1
    except Exception as error:  # a task of its own: nobody else would hear of it
        supervise.record(node, part, error)
    finally:
        reading.pop(part, None)


def close(node, windows: dict, began_s: int, end_s: int) -> None:
    """Put a window into the outbox, dated as well as can be."""
    length_s = end_s - began_s
    if length_s <= 0:
        return
    sample_s = node.config["sample_s"]
    due = (length_s + sample_s - 1) // sample_s
    entry = {"len": length_s, "exp": due, "streams": {}}
    for stream, window in windows.items():
        count = min(window.count, due)  # one that came late counts in the window after its own
        entry["streams"][stream] = [count, window.mean(), window.least, window.greatest]
    if node.clock.synced:
        entry["t"] = end_s + node.clock.now() - node.clock.uptime_s()
    else:
        entry["up"] = end_s
    seq = node.outbox.add(entry)
    node.filled.set()
    node.console.info("sample", "window %d of %d s%s" % (seq, length_s, _summary(windows)))


def _summary(windows: dict) -> str:
    parts = []
    for stream in sorted(windows):
        mean = windows[stream].mean()
        parts.append(", %s %s" % (stream, "none" if mean is None else "%.1f" % mean))
    return "".join(parts)
