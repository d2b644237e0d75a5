"""Who is on the other end of a device connection: its certificate, checked for each request.

TLS has checked the chain (fleet.tls). Here, in this order: there is a certificate; its serial is
one of ours and not revoked; its node may speak; the dates hold, unless the path allows otherwise.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

from cryptography import x509
from fastapi import Depends, Request

from fleet import context, limits
from fleet.audit import service as audit
from fleet.context import Context
from fleet.devices.service import SPEAKING
from fleet.errors import Forbidden
from fleet.identity import service
from fleet.identity.errors import CertificateRefused, DeviceRefused

EXTENSION = "lamppost.peer"


@dataclass(frozen=True)
class Node:
    """An authenticated node.

    overdue: its last contact is due to be written down. described: it told what it is.
    """

    device_id: str
    site: str
    serial: str
    overdue: bool
    described: bool

    @property
    def actor(self) -> str:
        """The audit's word for the node."""
        return f"node:{self.device_id}"


@dataclass(frozen=True)
class _Peer:
    serial: str
    not_before: int
    not_after: int


@lru_cache(maxsize=limits.PEER_CACHE)
def _parse(der: bytes) -> _Peer:
    certificate = x509.load_der_x509_certificate(der)
    return _Peer(
        f"{certificate.serial_number:x}",
        int(certificate.not_valid_before_utc.timestamp()),
        int(certificate.not_valid_after_utc.timestamp()),
    )


async def authenticate(request: Request, *, allow_expired: bool = False) -> Node:
    """Return the node behind *request*. Raises CertificateRefused or DeviceRefused."""
    found = context.of(request)
    der = request.scope.get("extensions", {}).get(EXTENSION)
    if der is None:
        raise CertificateRefused("this path needs a client certificate")
    peer = _parse(der)
    now = found.now()
    async with found.database.read() as session:
        known = await service.known(session, peer.serial)
    if known is None:
        raise await _refuse(found, request, "certificate-unknown", peer.serial, None)
    if known.revoked:
        raise await _refuse(found, request, "certificate-revoked", known.device_id, known.site)
    if known.state not in SPEAKING:
        await _refuse(found, request, "device-refused", known.device_id, known.site)
        raise DeviceRefused(f"the device is {known.state}")
    if now < peer.not_before or (now > peer.not_after and not allow_expired):
        raise await _refuse(found, request, "certificate-expired", known.device_id, known.site)
    overdue = known.seen_at is None or now - known.seen_at >= limits.SEEN_S
    return Node(known.device_id, known.site, peer.serial, overdue, known.described)


async def _refuse(
    found: Context, request: Request, slug: str, subject: str, site: str | None
) -> CertificateRefused:
    await refusal(found, "anonymous", f"identity.{slug}", subject, site, path=request.url.path)
    return CertificateRefused(slug.replace("-", " "), slug=slug)


async def refusal(
    found: Context, actor: str, act: str, subject: str, site: str | None, **detail: str
) -> None:
    """Write a refusal to the audit, within the bound on such writing."""
    now = found.now()
    if not found.refusals.admit(now):
        return
    suppressed = found.refusals.take_suppressed()
    more = {"suppressed_before": suppressed} if suppressed else {}
    short = {key: value[:200] for key, value in detail.items()}
    async with found.database.write() as session:
        audit.record(
            session, now, actor, act, subject, site=site, outcome=audit.REFUSED, **short, **more
        )


async def require_self(request: Request, node: Node, device_id: str) -> None:
    """Raise Forbidden unless *device_id* is the node's own; the attempt is audited."""
    if device_id != node.device_id:
        found = context.of(request)
        path = request.url.path
        act = "identity.other-node"
        await refusal(found, node.actor, act, device_id, node.site, path=path)
        raise Forbidden("a node may only speak for itself", slug="other-node")


async def _node(request: Request) -> Node:
    return await authenticate(request)


NodeDep = Annotated[Node, Depends(_node)]
