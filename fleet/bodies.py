"""Request bodies, read under a cap and a deadline."""

import asyncio
from typing import Any

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from fleet import limits
from fleet.errors import BadRequest, TooLarge, UnsupportedMedia

_BUNDLES = "/api/v1/releases"
_TOO_SLOW = f"the body did not arrive within {limits.BODY_S} s"


async def read(request: Request, cap: int) -> bytes:
    """Return the body. Raises TooLarge above *cap* bytes, BadRequest when it does not come."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and len(announced) < 20 and int(announced) > cap:
        raise TooLarge(f"the body may have {cap} bytes")
    body = bytearray()
    try:
        async with asyncio.timeout(limits.BODY_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > cap:
                    raise TooLarge(f"the body may have {cap} bytes")
    except TimeoutError:
        raise BadRequest(_TOO_SLOW, status=408, slug="too-slow") from None
    except ClientDisconnect:
        raise BadRequest("the body was cut short") from None
    return bytes(body)


def media_type(request: Request, *allowed: str) -> str:
    """Return the media type, without parameters. Raises UnsupportedMedia unless *allowed*."""
    found = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if found not in allowed:
        raise UnsupportedMedia(f"send {' or '.join(allowed)}", headers={"Accept": allowed[0]})
    return found


class CappedBodies:
    """ASGI middleware: no JSON body above its cap reaches a parser (bundles have their own).

    One that does not arrive in time is refused too.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass the request on, its body counted."""
        if scope["type"] != "http" or scope["path"] == _BUNDLES:
            await self._app(scope, receive, send)
            return
        left = limits.JSON_BYTES
        # None once the body is there: what is received then is the peer's good-bye.
        end: float | None = asyncio.get_running_loop().time() + limits.BODY_S

        async def capped() -> Any:
            nonlocal left, end
            try:
                async with asyncio.timeout_at(end):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, _TOO_SLOW) from None
            if not message.get("more_body", False):
                end = None
            left -= len(message.get("body", b""))
            if left < 0:
                # An HTTPException because only these pass FastAPI's own body reading unchanged.
                raise HTTPException(413, f"the body may have {limits.JSON_BYTES} bytes")
            return message

        await self._app(scope, capped, send)
