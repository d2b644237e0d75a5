"""Claims redeemed, certificates issued, looked up and revoked."""

import hashlib
import secrets
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from firmware.core.names import is_device_id
from fleet.audit import service as audit
from fleet.devices import service as devices
from fleet.devices.service import Device
from fleet.identity.ca import Authority
from fleet.identity.models import Certificate, Claim

# Refusals of a claim: expected, so they are values. Sent as problem types: append-only.
UNKNOWN = "claim-unknown"
EXPIRED = "claim-expired"
USED = "claim-used"
STATE = "device-refused"


@dataclass(frozen=True)
class Issued:
    """A fresh certificate."""

    der: bytes


@dataclass(frozen=True)
class Refused:
    """Why not."""

    reason: str


@dataclass(frozen=True)
class Known:
    """What the database says of a certificate's serial number."""

    device_id: str
    site: str
    state: str
    revoked: bool
    seen_at: int | None
    described: bool


def _hash(device_id: str, token: str) -> str:
    # Bound to the device in the stored form too: a token moved to another row matches nothing.
    data = f"{device_id}:{token}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(data).hexdigest()


async def add_claim(
    session: AsyncSession, now: int, actor: str, device_id: str, site: str, ttl_s: int
) -> tuple[str, int]:
    """Make a claim for a device; returns (token, expiry). The token is kept nowhere."""
    token = secrets.token_urlsafe(24)
    expires = now + ttl_s
    session.add(
        Claim(
            hash=_hash(device_id, token),
            device_id=device_id,
            created_at=now,
            expires_at=expires,
            used_at=None,
        )
    )
    audit.record(session, now, actor, "device.claim", device_id, site=site, expires=expires)
    return token, expires


async def check_claim(
    session: AsyncSession, now: int, device_id: str, token: str
) -> Refused | None:
    """Say why the claim would be refused, without using it up."""
    claim = await session.get(Claim, _hash(device_id, token))
    if claim is None or claim.device_id != device_id:
        return Refused(UNKNOWN)
    if claim.used_at is not None:
        return Refused(USED)
    if claim.expires_at <= now:
        return Refused(EXPIRED)
    return None


async def redeem(
    session: AsyncSession,
    authority: Authority,
    now: int,
    device_id: str,
    token: str,
    public: ec.EllipticCurvePublicKey,
    days: float,
) -> Issued | Refused:
    """Use the claim up and issue a certificate, in the session's one transaction.

    Of two who come with the same claim at once, the UPDATE lets one through.
    """
    if not await devices.may_enroll(session, device_id):
        return Refused(STATE)
    statement = (
        update(Claim)
        .where(
            Claim.hash == _hash(device_id, token),
            Claim.device_id == device_id,
            Claim.used_at.is_(None),
            Claim.expires_at > now,
        )
        .values(used_at=now)
        .returning(Claim.hash)
    )
    if await session.scalar(statement) is None:
        return await check_claim(session, now, device_id, token) or Refused(USED)
    await devices.activate(session, device_id)
    # Whoever held an identity of this device before has lost it with the new claim.
    await _revoke(session, now, device_id, "superseded")
    return await issue(session, authority, now, device_id, public, days, "identity.enrol")


async def issue(
    session: AsyncSession,
    authority: Authority,
    now: int,
    device_id: str,
    public: ec.EllipticCurvePublicKey,
    days: float,
    act: str,
) -> Issued:
    """Issue and store a certificate; *act* is its word in the audit."""
    certificate = authority.issue_node(public, device_id, now, days)
    der = certificate.public_bytes(Encoding.DER)
    serial = f"{certificate.serial_number:x}"
    session.add(
        Certificate(
            serial=serial,
            device_id=device_id,
            der=der,
            not_before=int(certificate.not_valid_before_utc.timestamp()),
            not_after=int(certificate.not_valid_after_utc.timestamp()),
            revoked_at=None,
            reason=None,
        )
    )
    site = await devices.site(session, device_id)
    audit.record(session, now, f"node:{device_id}", act, device_id, site=site, serial=serial)
    return Issued(der)


async def known(session: AsyncSession, serial: str) -> Known | None:
    """Return what is known of a serial number, by one indexed query."""
    row = (
        await session.execute(
            select(
                Certificate.device_id,
                Device.site,
                Device.state,
                Certificate.revoked_at,
                Device.seen_at,
                Device.attributes,
            )
            .join(Device, Device.id == Certificate.device_id)
            .where(Certificate.serial == serial)
        )
    ).one_or_none()
    if row is None:
        return None
    return Known(row[0], row[1], row[2], row[3] is not None, row[4], bool(row[5]))


async def revoke(
    session: AsyncSession, now: int, actor: str, device_id: str, site: str, reason: str
) -> int:
    """Revoke all certificates and open claims of a device; returns how many certificates."""
    count = await _revoke(session, now, device_id, reason)
    await session.execute(
        update(Claim)
        .where(Claim.device_id == device_id, Claim.used_at.is_(None))
        .values(used_at=now)
    )
    audit.record(
        session,
        now,
        actor,
        "device.revoke",
        device_id,
        site=site,
        reason=reason,
        certificates=count,
    )
    return count


async def _revoke(session: AsyncSession, now: int, device_id: str, reason: str) -> int:
    statement = (
        update(Certificate)
        .where(Certificate.device_id == device_id, Certificate.revoked_at.is_(None))
        .values(revoked_at=now, reason=reason)
        .returning(Certificate.serial)
    )
    return len((await session.scalars(statement)).all())


async def site_of(session: AsyncSession, device_id: str) -> str | None:
    """Return the site of a device that may not exist."""
    if not is_device_id(device_id):
        return None
    return await devices.site(session, device_id)
