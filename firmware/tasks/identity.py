"""The node's certificate: has it made, sees to its renewal, and opens the one HTTP client with it.

`/etc/identity` holds key and certificate in one file, so that they change together: the key's
length in two bytes, big-endian, the key (SEC1 DER), the certificate (X.509 DER).
"""

import asyncio

from ota.device import http

from firmware.tasks import clock, measuring
from firmware.tasks.loading import let_go

IDENTITY = "/etc/identity"
CLAIM = "/etc/claim"
ANCHORS = ("/etc/ca.der", "/etc/ca1.der", "/etc/ca2.der", "/etc/ca3.der")
_LIMIT_BYTES = 2048
_LOOK_S = 3600
_CLOCK_S = 30
_ENROLMENT = (
    "firmware.tasks.enrol",
    "firmware.core.pki",
    "ota.core.p256",
    "ota.core.p256key",
)


async def run(node) -> None:
    """Get and keep a certificate, for ever."""
    await node.online.wait()
    await clock_set(node)
    if load(node.storage) and (node.errand == measuring.ENROLMENT or claimed(node)):
        await replace(node)  # where that fails, what there is still holds
        measuring.resume(node)
    wait_s = 0
    while True:
        found = load(node.storage)
        if found is None or not await open_client(node, found):
            await asyncio.sleep(await enrol(node))
            continue
        if node.errand == measuring.UPDATE:
            return  # and make room
        due_s = renewal_due(found[1])
        while True:
            await asyncio.sleep(wait_s)
            due = node.clock.synced and node.clock.now() >= due_s
            if due and not node.date_s:  # or a time server lies
                due = await clock.hear(node) and node.clock.now() >= due_s
            again = wait_s and claimed(node)  # a claim that reached no server at the start
            if (due or again) and await replace(node):
                break
            wait_s = _LOOK_S if node.clock.synced else 60


async def open_client(node, identity: tuple) -> bool:
    """Make the client that all share; False when the identity cannot be used."""
    made = opened(node, identity)
    if made is None:
        return False
    old, node.client = node.client, made
    node.enrolled.set()
    if old:
        await old.close()
    return True


def opened(node, identity: tuple):
    """Make a client of an identity, (key, certificate); None, said, when it cannot be used."""
    key, certificate = identity
    try:
        return client(node, (certificate, key))
    except (ValueError, OSError) as error:
        node.console.error("identity", "%s cannot be used: %s" % (IDENTITY, error))
        return None


async def clock_set(node) -> None:
    """Give the time servers a chance: a new CA is not yet valid by a release's build time."""
    for _ in range(_CLOCK_S):
        if node.clock.synced:
            return
        await asyncio.sleep(1)


async def enrol(node) -> int:
    """Enrol: 0 when there is an identity, else seconds to the next try."""
    if claimed(node) and not await find_room(node):
        return 60
    from firmware.tasks import enrol as enrolment

    try:
        wait_s = await enrolment.enrol(node)
    finally:
        del enrolment
        let_go(*_ENROLMENT)
    if not wait_s:
        measuring.resume(node)
    return wait_s


async def replace(node) -> bool:
    """Get another identity, by a claim or with the one there is: True when there is a new one."""
    if claimed(node):  # a technician's new token
        return not await enrol(node)
    held = load(node.storage)
    if held is None or not await find_room(node):
        return False
    http = opened(node, held)
    if http is None:
        return False
    from firmware.tasks import enrol as enrolment

    try:
        return await enrolment.renew(node, http)
    finally:
        del enrolment
        let_go(*_ENROLMENT)


def claimed(node) -> bool:
    """Say whether there is a claim token."""
    return node.storage.exists(CLAIM)


async def find_room(node) -> bool:
    """Say whether a key can be made now; where there is no room, start anew for it, in time.

    Beside measuring it would take the room of TLS, for good. A node leaves measuring for it after
    an hour at the soonest, and leaves half of a day's errands to updates.
    """
    if not node.measuring or measuring.has_room(node):
        return True
    if node.clock.uptime_s() >= _LOOK_S:
        from firmware.tasks import errands

        if errands.errands_today(node) < errands.ERRANDS_PER_DAY // 2:
            try:
                await errands.make_room(node, measuring.ENROLMENT)
            except OSError as error:
                node.console.error("identity", "flash: %s" % error)
    return False


def renewal_due(certificate: bytes) -> int:
    """Tell when two thirds of a certificate's life are over, unix s."""
    from firmware.core import pki

    try:
        found = pki.certificate(certificate)
        return found["not_before"] + (found["not_after"] - found["not_before"]) * 2 // 3
    finally:
        del pki
        let_go(*_ENROLMENT)


def client(node, identity: tuple | None):
    """Make a client of the config's server; `identity` is (certificate, key)."""
    server = node.config["server"]
    anchors = [node.storage.read(path, _LIMIT_BYTES) for path in ANCHORS]
    context = http.context([anchor for anchor in anchors if anchor], identity)
    buffer = None
    if node.errand == measuring.UPDATE:
        buffer = node.memory.buffer  # there are no packs to fill
    return http.Client(
        server["address"], server["port"], server["name"], context, node.network.resolve, buffer
    )


def load(storage) -> tuple | None:
    """Read (key, certificate); None when there is none."""
    try:
        data = storage.read(IDENTITY, _LIMIT_BYTES)
    except ValueError:  # larger than any: damaged, or another file put there by mistake
        return None
    if not data or len(data) < 4:
        return None
    end = 2 + (data[0] << 8 | data[1])
    return (data[2:end], data[end:]) if end < len(data) else None


def save(storage, key: bytes, certificate: bytes) -> None:
    """Write key and certificate, together."""
    storage.write(IDENTITY, bytes((len(key) >> 8, len(key) & 0xFF)) + key + certificate)
