"""Enrolment over EST (RFC 7030 section 4.2): from a claim token to a certificate, and its renewal.

Loaded when needed, with pki and p256key, then let go. The order of `enrol`: key, request, answer,
is the certificate for our own key and name, identity on flash, only then the claim is deleted: a
power cut in between costs a claim that is used up, never a node with half an identity.
"""

import asyncio
from binascii import b2a_base64

from ota.core import p256key
from ota.core.errors import NetworkError

from firmware.core import pki
from firmware.core.errors import FormatError
from firmware.tasks import clock, identity

_CLAIM_LIMIT = 256
_ANSWER_LIMIT = 6144
_PATH = "/.well-known/est/"
_FIRST = "simpleenroll"
_TYPE = "application/pkcs10"
_SOON_S = 15
_LATER_S = 600
_RETRY_AFTER_MAX_S = 3600


async def enrol(node) -> int:
    """Enrol with the claim token: 0 when the identity is on flash, else seconds to wait."""
    try:
        claim = (node.storage.read(identity.CLAIM, _CLAIM_LIMIT) or b"").strip()
    except ValueError as error:  # another file put there by mistake
        node.console.error("enrol", str(error))
        return _LATER_S
    if not claim:
        node.console.warn("enrol", "no claim token: put one on by cable")
        return _LATER_S
    pair = _pair(node)
    await asyncio.sleep(0)
    basic = b2a_base64(node.id.encode() + b":" + claim).strip().decode()
    http = identity.client(node, None)
    try:
        headers = (("Authorization", "Basic " + basic),)
        wait_s, body = await _ask(node, http, _FIRST, pair, headers)
    finally:
        await http.close()
    if wait_s:
        return wait_s
    if not _keep(node, pair, body):
        return _LATER_S
    node.storage.remove(identity.CLAIM)
    return 0


async def renew(node, http) -> bool:
    """Renew (section 4.2.2) with a new key, over a client that it closes: True when it is kept."""
    node.console.info("enrol", "renewing the certificate")
    try:
        pair = _pair(node)
        await asyncio.sleep(0)
        _, body = await _ask(node, http, "simplereenroll", pair, ())
    finally:
        await http.close()
    return bool(body) and _keep(node, pair, body)


def _pair(node) -> tuple:
    d = p256key.generate(node.random)
    return d, p256key.public(d)


async def _ask(node, http, operation: str, pair: tuple, headers: tuple) -> tuple:
    """Send the request: (0, body), or (seconds to the next try, b"") having said why."""
    d, public = pair
    request = b2a_base64(pki.request(node.id, public, lambda digest: p256key.sign(d, digest)))
    await asyncio.sleep(0)
    try:
        response = await http.request(
            "POST", _PATH + operation, request, _TYPE, headers=headers, limit=_ANSWER_LIMIT
        )
    except NetworkError as error:
        node.console.warn("enrol", "%s: %s" % (type(error).__name__, error))
        return _SOON_S, b""
    clock.take_date(node, response.headers)
    if response.status == 200:
        return 0, response.body
    node.console.error("enrol", _refusal(response))
    if response.status == 401 and operation == _FIRST and identity.load(node.storage):
        node.storage.remove(identity.CLAIM)  # it is of no use, and never will be
    wait_s = _LATER_S
    if response.status in (202, 429) or response.status >= 500:  # 202: later (section 4.2.3)
        wait_s = max(_SOON_S, min(response.refusal().retry_after_s, _RETRY_AFTER_MAX_S))
    return wait_s, b""


def _keep(node, pair: tuple, body: bytes) -> bool:
    """Take the certificate if it is ours; write key and certificate."""
    d, public = pair
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


def _refusal(response) -> str:
    """Say what a problem document (RFC 9457) says, in one line."""
    detail = ""
    try:
        problem = response.json()
        detail = str(problem.get("detail") or problem.get("title") or "")[:120]
    except (NetworkError, AttributeError):
        pass
    return "refused with status %d %s" % (response.status, detail)
