"""The node's certificate: has it made, sees to its renewal, and opens the one HTTP client with it.

`/etc/identity` holds key and certificate in one file, so that they change together: the key's
length in two bytes, big-endian, the key (SEC1 DER), the certificate (X.509 DER).
"""

import asyncio

from ota.device import http

from firmware.tasks.loading import let_go

IDENTITY = "/etc/identity"
ANCHORS = ("/etc/ca.der", "/etc/ca1.der", "/etc/ca2.der", "/etc/ca3.der")
_LIMIT_BYTES = 2048
_LOOK_S = 3600
_CLOCK_S = 30
_ENROLMENT = ("firmware.tasks.enrol", "firmware.core.pki", "ota.core.p256")


async def run(node: object) -> None:
    """Get and keep a certificate, for ever."""
    await node.online.wait()
    await clock_set(node)
    while load(node.storage) is None:
        await asyncio.sleep(await enrol(node))
    while True:
        key, certificate = load(node.storage)
        if node.client is None:
            node.client = client(node, (certificate, key))
            node.enrolled.set()
        if node.clock.synced and await renew(node, certificate):
            await node.client.close()
            node.client = None
            continue
        await asyncio.sleep(_LOOK_S if node.clock.synced else 60)


async def clock_set(node: object) -> None:
    """Give the time servers a chance: a new CA is not yet valid by a release's build time."""
    for _ in range(_CLOCK_S):
        if node.clock.synced:
            return
        await asyncio.sleep(1)


async def enrol(node: object) -> int:
    """Enrol: 0 when there is an identity, else seconds to the next try."""
    from firmware.tasks import enrol as enrolment

    try:
        return await enrolment.enrol(node)
    finally:
        del enrolment
        let_go(*_ENROLMENT)


async def renew(node: object, certificate: bytes) -> bool:
    """Renew what is due: True when there is a new identity."""
    from firmware.tasks import enrol as enrolment

    try:
        return await enrolment.renew(node, certificate)
    finally:
        del enrolment
        let_go(*_ENROLMENT)


def client(node: object, identity: tuple | None) -> object:
    """Make a client of the config's server; `identity` is (certificate, key)."""
    server = node.config["server"]
    anchors = [node.storage.read(path, _LIMIT_BYTES) for path in ANCHORS]
    context = http.context([anchor for anchor in anchors if anchor], identity)
    return http.Client(
        server["address"], server["port"], server["name"], context, node.network.resolve
    )


def load(storage: object) -> tuple | None:
    """Read (key, certificate); None when there is none."""
    data = storage.read(IDENTITY, _LIMIT_BYTES)
    if not data or len(data) < 4:
        return None
    end = 2 + (data[0] << 8 | data[1])
    return (data[2:end], data[end:]) if end < len(data) else None


def save(storage: object, key: bytes, certificate: bytes) -> None:
    """Write key and certificate, together."""
    storage.write(IDENTITY, bytes((len(key) >> 8, len(key) & 0xFF)) + key + certificate)
