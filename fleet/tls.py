"""TLS of the server, and the peer certificate's way to the application.

The device port asks for a client certificate without demanding one. OpenSSL checks its chain to
the fleet CA and its purpose; a certificate of another CA ends the handshake. It does not check
dates: an expired certificate may still renew itself, and which path that is only the application
knows (fleet.identity.peer checks dates and revocation for every request).

No ASGI server implements the TLS extension: `PeerProtocol`, passed to uvicorn as `http=`, puts
the certificate's DER into `scope["extensions"]["lamppost.peer"]`.
"""

import asyncio
import ssl
from pathlib import Path
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from fleet import limits, problems
from fleet.identity.peer import EXTENSION

# openssl/x509_vfy.h; Python's ssl module has no name for it.
_X509_V_FLAG_NO_CHECK_TIME: Final = 0x200000


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return a context for a port without client certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context


def device_context(certificate: Path, key: Path, ca_der: bytes) -> ssl.SSLContext:
    """Return the device port's context. *ca_der*: the one CA whose client certificates count."""
    context = server_context(certificate, key)
    context.load_verify_locations(cadata=ca_der)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.verify_flags |= _X509_V_FLAG_NO_CHECK_TIME
    return context


class _WithPeer:
    """An application that finds the connection's peer certificate in its scope."""

    def __init__(self, app: Any, der: bytes | None) -> None:
        self._app = app
        self._der = der

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope.setdefault("extensions", {})[EXTENSION] = self._der
        await self._app(scope, receive, send)


class PeerProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 with the peer certificate, and a bound on connections that say nothing.

    uvicorn's keep-alive clock starts after the first answer; here it also runs before it, and
    while a request's head is incomplete.
    """

    _waiting: asyncio.TimerHandle | None = None
    _lingering: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Look at the peer's certificate and start waiting for a request."""
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        der = tls.getpeercert(binary_form=True) if tls is not None else None
        self.app = _WithPeer(self.app, der)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take bytes in; the wait goes on until a whole head is there."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        if self._lingering is not None and self.conn.their_state is not h11.SEND_BODY:
            self._lingering.cancel()
            self._lingering = None
            if self.conn.their_state is h11.IDLE:
                self._wait()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request, or for the rest of a body that was refused.

        That rest is read for a moment and thrown away: to close at once would reset the
        connection, and the peer would lose the answer (RFC 9112 section 9.6).
        """
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY:
            self._lingering = self.loop.call_later(limits.LINGER_S, self._give_up)
        elif not self.transport.is_closing() and self.conn.their_state is h11.IDLE:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the waits."""
        self._stop_waiting()
        if self._lingering is not None:
            self._lingering.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """End the connection; a peer that is silent gets a moment, not TLS's half minute."""
        super().shutdown()
        if self.transport.is_closing():
            self.loop.call_later(limits.CLOSE_S, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP with a problem document of known length, and close."""
        answer = problems.response(400, "not-http", msg)
        headers = [*self.server_state.default_headers, *answer.raw_headers]
        headers.append((b"connection", b"close"))
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            event = h11.Response(status_code=400, headers=headers, reason=b"Bad Request")
            self.transport.write(self.conn.send(event) or b"")
            self.transport.write(self.conn.send(h11.Data(data=bytes(answer.body))) or b"")
        self.transport.close()

    def _wait(self) -> None:
        self._stop_waiting()
        self._waiting = self.loop.call_later(limits.KEEP_ALIVE_S, self._give_up)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.abort()
