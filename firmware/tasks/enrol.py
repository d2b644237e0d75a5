"""Enrolment over EST (RFC 7030 section 4.2): from a claim token to a certificate, and its renewal.

Loaded when needed, with pki and p256, and let go. The order of `enrol`: key, request, answer, is
the certificate for our own key and name, identity on flash, and only then the claim is deleted: a
power cut in between costs a claim that is used up, never a node with half an identity.
"""

import asyncio
import json
from binascii import b2a_base64

from ota.core import p256
from ota.core.errors import NetworkError

from firmware.core import pki
from firmware.core.errors import FormatError
from firmware.tasks import clock, identity

CLAIM = "/etc/claim"
_CLAIM_LIMIT = 256
_ANSWER_LIMIT = 6144
_PATH = "/.well-known/est/"
_TYPE = "application/pkcs10"
_RETRIES = 3
_RETRY_AFTER_MAX_S = 3600


async def enrol(node: object) -> bool:
    """Enrol with the claim token; True when the identity is on flash."""
    claim = (node.storage.read(CLAIM, _CLAIM_LIMIT) or b"").strip()
    if not claim:
        node.console.warn("enrol", "no claim token: put one on by cable")
        return False
    d, public = _key(node)
    await asyncio.sleep(0)
    basic = b2a_base64(node.id.encode() + b":" + claim).strip().decode()
    http = identity.client(node, None)
    try:
        body = await _ask(
            node, http, "simpleenroll", d, public, ("Authorization", "Basic " + basic)
        )
    finally:
        await http.close()
    if body is None or not _keep(node, d, public, body):
        return False
    node.storage.remove(CLAIM)
    return True


async def renew(node: object, key: bytes, certificate: bytes) -> bool:
    """Renew over the node's own client once two thirds of the certificate's life are over."""
    found = pki.certificate(certificate)
    life_s = found["not_after"] - found["not_before"]
    if node.clock.now() < found["not_before"] + life_s * 2 // 3:
        return False
    node.console.info("enrol", "renewing the certificate")
    d, public = _key(node)
    await asyncio.sleep(0)
    body = await _ask(node, node.client, "simplereenroll", d, public, None)
    return body is not None and _keep(node, d, public, body)


def _key(node: object) -> tuple:
    d = p256.generate(node.random)
    return d, p256.public(d)


async def _ask(
    node: object, http: object, operation: str, d: int, public: bytes, header: tuple | None
) -> bytes | None:
    """Send the request; the answer's body, None (said why) when there will be no certificate."""
    request = b2a_base64(pki.request(node.id, public, lambda digest: p256.sign(d, digest)))
    for _ in range(_RETRIES):
        await asyncio.sleep(0)
        try:
            response = await http.request(
                "POST",
                _PATH + operation,
                request,
                _TYPE,
                headers=(header,) if header else (),
                limit=_ANSWER_LIMIT,
            )
        except NetworkError as error:
            node.console.warn("enrol", "%s: %s" % (type(error).__name__, error))
            return None
        clock.take_date(node, response.headers)
        if response.status == 200:
            return response.body
        if response.status != 202:  # 202: the server wants us to ask again (section 4.2.3)
            node.console.error("enrol", _refusal(response))
            return None
        await asyncio.sleep(min(response.refusal().retry_after_s or 60, _RETRY_AFTER_MAX_S))
    return None


def _keep(node: object, d: int, public: bytes, body: bytes) -> bool:
    """Take the certificate if it is ours; write key and certificate."""
    try:
        for der in pki.certificates(body):
            found = pki.certificate(der)
            if found["public"] == public and found["name"] == node.id:
                identity.save(node.storage, pki.private_key(d, public), der)
                node.console.info("enrol", "certificate %s" % found["serial"])
                return True
    except FormatError as error:
        node.console.error("enrol", "the server's answer: %s" % error)
        return False
    node.console.error("enrol", "the server's certificate is not for our key and name")
    return False


def _refusal(response: object) -> str:
    """Say what a problem document (RFC 9457) says, in one line."""
    detail = ""
    try:
        problem = json.loads(response.body)
        detail = str(problem.get("detail") or problem.get("title") or "")[:120]
    except (ValueError, AttributeError):
        pass
    return "refused with status %d %s" % (response.status, detail)
