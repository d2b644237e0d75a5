"""Outboxes over a storage in memory, for either interpreter."""

from firmware.tasks.outbox import Outbox
from sim import memory


def entropy():
    """Give a source of bytes that never repeats."""
    state = [0]

    def take(n):
        state[0] += 1
        return state[0].to_bytes(n, "big")

    return take


RANDOM = entropy()


def window(t=None, up=None):
    entry = {"len": 600, "exp": 60, "streams": {"pm25": [60, 12.5, 1, 30]}}
    if t is not None:
        entry["t"] = t
    if up is not None:
        entry["up"] = up
    return entry


def filled(count=0, **options):
    """Return a storage, and an outbox in it to which so many windows were added: t = 0, 1, …"""
    storage = memory.Storage()
    box = Outbox(storage, RANDOM, **options)
    add(box, range(count))
    return storage, box


def add(box, times):
    for t in times:
        box.add(window(t))


def waiting(box):
    """List (box, seq, t) of all that is to be sent."""
    found = box.pending()
    listed = [(name, entry["seq"], entry["t"]) for _, name, entry in found]
    found.close()
    return listed


def acknowledge(box, count):
    """Acknowledge the first `count` windows."""
    found = box.pending()
    last = None
    for position, name, entry in found:
        last = (position, name, entry["seq"])
        count -= 1
        if not count:
            break
    found.close()
    box.acknowledge(*last)
