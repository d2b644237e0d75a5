"""Enrolment over Secure Transport (RFC 7030): cacerts, simpleenroll, simplereenroll."""

import base64
import binascii
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from fastapi import APIRouter, Request, Response

from fleet import bodies, context, limits
from fleet.errors import Problem, Unauthenticated
from fleet.identity import csr, peer, service
from fleet.identity.errors import ClaimRefused, DeviceRefused

router = APIRouter(prefix="/.well-known/est", tags=["est"])
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="lamppost claim"'}
_PKCS7 = "application/pkcs7-mime"
_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "base64 certs-only PKCS#7",
        "content": {_PKCS7: {"schema": {"type": "string"}}},
    }
}
_CSR = {
    "requestBody": {
        "required": True,
        "content": {"application/pkcs10": {"schema": {"type": "string"}}},
    }
}
_ANOTHER = "`lamppost device claim` makes another"
_DETAILS = {
    service.UNKNOWN: f"the claim token is not one for this device; {_ANOTHER}",
    service.USED: f"the claim token was used before; {_ANOTHER}",
    service.EXPIRED: f"the claim token has expired; {_ANOTHER}",
    service.STATE: "the device's state forbids enrolment",
}


def _certs_only(ders: list[bytes], *, smime: bool) -> Response:
    certificates = [x509.load_der_x509_certificate(der) for der in ders]
    message = pkcs7.serialize_certificates(certificates, Encoding.DER)
    # §4.1.3 has no smime-type for cacerts, §4.2.3 wants it for an issued certificate.
    media = f"{_PKCS7}; smime-type=certs-only" if smime else _PKCS7
    headers = {"Content-Transfer-Encoding": "base64"}
    return Response(base64.encodebytes(message), headers=headers, media_type=media)


def _basic(request: Request) -> tuple[str, str]:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        raise Unauthenticated("send device id and claim token", headers=_CHALLENGE)
    try:
        text = base64.b64decode(value.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise ClaimRefused("the Basic credentials are garbled", headers=_CHALLENGE) from None
    device_id, _, token = text.partition(":")
    return device_id, token


async def _read_csr(request: Request) -> bytes:
    bodies.media_type(request, "application/pkcs10")
    return await bodies.read(request, limits.CSR_BYTES)


@router.get("/cacerts", responses=_ANSWER, response_class=Response)
async def cacerts(request: Request) -> Response:
    """Return the fleet CA's certificate (§4.1). Nodes do not take trust anchors from here."""
    return _certs_only([context.of(request).authority.der], smime=False)


@router.post("/simpleenroll", responses=_ANSWER, response_class=Response, openapi_extra=_CSR)
async def simpleenroll(request: Request) -> Response:
    """Issue a first certificate (§4.2): Basic, user the device id, password its claim token."""
    found = context.of(request)
    device_id, token = _basic(request)
    body = await _read_csr(request)
    now = found.now()
    try:
        async with found.database.read() as session:
            refused = await service.check_claim(session, now, device_id, token)
        if refused is not None:
            raise _claim_problem(refused)
        public = csr.read(body, device_id)
        days = found.settings.certificate_days
        async with found.database.write() as session:
            outcome = await service.redeem(
                session, found.authority, now, device_id, token, public, days
            )
        if isinstance(outcome, service.Refused):
            raise _claim_problem(outcome)
    except Problem as problem:
        await _audit(found, "anonymous", device_id, "identity.enrol", problem)
        raise
    return _certs_only([outcome.der], smime=True)


@router.post("/simplereenroll", responses=_ANSWER, response_class=Response, openapi_extra=_CSR)
async def simplereenroll(request: Request) -> Response:
    """Issue the next certificate (§4.2.2) to whom an unrevoked one, even expired, speaks for."""
    found = context.of(request)
    node = await peer.authenticate(request, allow_expired=True)
    body = await _read_csr(request)
    now = found.now()
    try:
        public = csr.read(body, node.device_id)
    except Problem as problem:
        await _audit(found, node.actor, node.device_id, "identity.renew", problem)
        raise
    days = found.settings.certificate_days
    async with found.database.write() as session:
        issued = await service.issue(
            session, found.authority, now, node.device_id, public, days, "identity.renew"
        )
    return _certs_only([issued.der], smime=True)


def _claim_problem(refused: service.Refused) -> Problem:
    detail = _DETAILS[refused.reason]
    if refused.reason == service.STATE:
        return DeviceRefused(detail)
    return ClaimRefused(detail, slug=refused.reason, headers=_CHALLENGE)


async def _audit(
    found: context.Context, actor: str, device_id: str, act: str, problem: Problem
) -> None:
    async with found.database.read() as session:
        site = await service.site_of(session, device_id)
    # What a stranger calls itself is kept readable and short.
    subject = device_id.encode("ascii", "backslashreplace").decode()[:32]
    subject = "".join(char if char.isprintable() else "?" for char in subject)
    await peer.refusal(found, actor, act, subject, site, reason=problem.slug)
