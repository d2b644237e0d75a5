"""One file a task: asyncio glue between rules and ports, no decisions of its own.

Every task is `async def run(node)`. `node` is made in firmware/main.py and carries

    clock, storage, network, watchdog, memory, random   the ports (see ports/__init__.py)
    console         Console: info, warn, error(task, text)
    id              the device id
    release         header of the running slot's manifest: version, board, built, min_level, …
    slot            folder of the running slot, "/data/a" or "/data/b"
    config          the config in force, None when there is none
    lamp            driver or None
    parts           {name: driver} of the parts that are read
    answered        {part: uptime in s of its last good answer}
    counts          {name: n} what went wrong, for people
    outbox          Outbox, None while an errand is on (see measuring.py)
    measuring       the tasks of that; errand: why there are none
    client          ota.device.http.Client, None until the node has a certificate
    date_s          uptime in s from which the server's Date is looked at again
    tell_s          uptime in s from which the next heartbeat is due
    beat            uptime in s of the light task's last turn
    ambient         the light sensor's driver or None
    filled          asyncio.Event: a window has come into the outbox
    online          asyncio.Event: the network has been up once
    enrolled        asyncio.Event: there is a client
    dead            asyncio.Event: a task failed for good; `dying` says why
    restart(why)    planned reset: written down, the lamp at full and held
    healthy()       forgive the slot its earlier crashes
"""
