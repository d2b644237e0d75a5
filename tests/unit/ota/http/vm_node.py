"""Runs on the MicroPython VM: the real client over mutual TLS, then one whole update.

Arguments: checkout root, folder, port. Prints one JSON object.
"""

import sys

root, folder, port = sys.argv[1:4]
sys.path[:] = [root, ".frozen"]

import asyncio  # noqa: E402
import gc  # noqa: E402
import json  # noqa: E402
import time  # noqa: E402

from ota.core import limits  # noqa: E402
from ota.device import http, poll, updater  # noqa: E402

NOW = 1_795_000_000
DEVICE = "aabbccfffeddeeff"
log = []


def der(name):
    with open(folder + "/" + name, "rb") as file:  # noqa: PTH123 - MicroPython
        return file.read()


def client(anchor="ca.der", name="lamppost.test"):
    context = http.context([der(anchor)], (der("node.der"), der("node.key")))
    return http.Client("127.0.0.1", int(port), name, context)


async def outcome(awaitable):
    try:
        found = await awaitable
    except Exception as error:  # noqa: BLE001 - its name is the result
        return type(error).__name__
    return found if type(found) is int else found.status


async def hostile():
    """What the client makes of each bad answer, and that it works again afterwards."""
    results = {}
    node = client()
    limits.EXCHANGE_S = 1
    for name in json.loads(der("hostile.json")):
        results[name] = await outcome(node.request("GET", "/hostile/" + name, limit=500))
        results[name + " then"] = await outcome(node.request("GET", "/hostile/fine"))
    limits.EXCHANGE_S = 30
    await node.close()
    for anchor, name in (("stranger.der", "lamppost.test"), ("ca.der", "other.test")):
        node = client(anchor, name)
        results[anchor + " " + name] = await outcome(node.request("GET", "/hostile/fine"))
        await node.close()
    return results


async def main():
    results = {"hostile": await hostile()}
    node = client()
    offer = await poll.poll(node, DEVICE)
    header = {"version": "1.0.0", "board": "esp32", "floor": "1.0.0"}
    ports = updater.Ports(node, DEVICE, header, "1.27.0", lambda: NOW, log.append)
    ports.data = folder + "/data"
    ports.factory = folder + "/root.json"
    gc.collect()
    before = gc.mem_alloc()
    longest = 0

    async def watch():
        nonlocal longest
        while True:
            start = time.ticks_ms()
            await asyncio.sleep_ms(0)
            longest = max(longest, time.ticks_diff(time.ticks_ms(), start))

    watcher = asyncio.create_task(watch())
    start = time.ticks_ms()
    results["reset"] = await updater.update(ports, offer)
    results["ms"] = time.ticks_diff(time.ticks_ms(), start)
    watcher.cancel()
    del offer
    gc.collect()
    results["kept_bytes"] = gc.mem_alloc() - before
    results["longest_ms"] = longest
    results["log"] = log
    results["modules"] = sorted([name for name in sys.modules if name.startswith("ota.")])
    await node.close()
    print(json.dumps(results))  # noqa: T201 - the result


asyncio.run(main())
