"""The heartbeat: tells the server how the node fares. Loaded for each one, and let go.

It is DDI configData, so that any DDI server shows it; every value is a string:

    version, board, runtime, clock      the release, MicroPython's version, the clock's source
    uptime_s, rssi                      s, dBm
    starts.<cause>                      starts since the flash was formatted, counted by the boot
                                        code (root/startup.py, words of bootrecord.started)
    heap_free, idf_free, idf_largest    bytes with TLS open
    outbox, dropped                     windows that wait, that had to make room
    set_aside, errors.<name>            records refused, what went wrong: since the start

What is not known is left out.
"""

import json

from ota.device import poll

from firmware.tasks import update

STARTS = "/data/starts"
CAUSES = ("power_on", "planned", "crash", "watchdog", "hard", "soft")
ERRORS_MAX = 12
_STARTS_BYTES = 1024
_NAME_CHARS = 32


async def send(node, figures: dict) -> None:
    """Send one. figures: of node.memory. NetworkError, ServerError when it is not taken."""
    await poll.tell(node.client, node.id, await values(node, figures))
    node.tell_s = node.clock.uptime_s() + node.config["heartbeat_s"]


async def values(node, figures: dict) -> dict:
    """Gather what there is to tell."""
    found = {"version": node.release["version"], "board": node.release["board"]}
    found["runtime"] = update.runtime()
    found["clock"] = node.clock.source
    numbers = {"uptime_s": node.clock.uptime_s(), "rssi": node.network.rssi}
    numbers.update(figures)
    if node.outbox:
        numbers["outbox"] = await waiting(node.outbox, node.storage)
        numbers["dropped"] = node.outbox.dropped
        numbers["set_aside"] = node.outbox.rejected
    counted = starts(node.storage)
    for cause in CAUSES if counted else ():
        numbers["starts." + cause] = counted.get(cause, 0)
    numbers.update(errors(node.counts))
    for name, number in numbers.items():
        if type(number) is int:
            found[name] = "%d" % number
    return found


def starts(storage) -> dict:
    """Read the boot code's counts; {} when there are none, or none that make sense."""
    try:
        found = json.loads(storage.read(STARTS, _STARTS_BYTES) or b"{}")
    except (ValueError, RuntimeError):  # RuntimeError: nested beyond the stack
        return {}
    return found if type(found) is dict else {}


def errors(counts: dict) -> dict:
    """Name what went wrong most often, so that every server takes the names."""
    most = sorted([(-counts[name], name) for name in counts])[:ERRORS_MAX]
    found = {}
    for count, name in most:
        key = "errors." + plain(name)
        found[key] = found.get(key, 0) - count
    return found


def plain(name: str) -> str:
    """Give a name (a config may call a part what it likes) in a to z, 0 to 9 and _."""
    name = "".join([c if "a" <= c <= "z" or "0" <= c <= "9" else "_" for c in name.lower()])
    return (name if "a" <= name[:1] <= "z" else "x" + name)[:_NAME_CHARS]


async def waiting(outbox, storage) -> int:
    """Count the windows that wait: this box's by their numbers, an earlier one's one by one."""
    from firmware.core import outboxlog
    from firmware.tasks.outbox import FOLDER

    count = first = 0
    for name in outbox.segments():
        try:
            with storage.open(FOLDER + "/" + name) as file:
                for _, entry in outboxlog.Reader(file):
                    if name.endswith(outbox.box):
                        first = entry["seq"]  # of the head: the first in it
                        break
                    count += "mark" not in entry
        except OSError:
            continue  # sent meanwhile
        if first:
            break
    return count + outbox.seq - max(first, outbox.ack + 1)
