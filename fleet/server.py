"""`lamppost serve`: device port, operator port and SNTP in one process."""

import asyncio
import contextlib
import json
import logging
import resource
import signal
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio.to_thread
import uvicorn

from fleet import app, atomic, limits, sockets, tls
from fleet.context import Context
from fleet.db import Database
from fleet.errors import FleetError, OperatorError
from fleet.identity import ca
from fleet.releases.repository import Repository
from fleet.rollouts.engine import Ticker
from fleet.settings import Settings
from fleet.sntp.service import Responder

log = logging.getLogger("lamppost")
_DAY_S = 86400


class _Server(uvicorn.Server):
    """A uvicorn server among others: it leaves signals alone and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


@dataclass
class _Certificate:
    """The server's certificate: issued at start, and again when a third of its life is left."""

    context: Context
    names: list[str]
    tls_contexts: list[ssl.SSLContext] = field(default_factory=list)
    issued_at: int = 0

    @property
    def paths(self) -> tuple[Path, Path]:
        pki = self.context.settings.home.pki
        return pki / "tls.pem", pki / "tls.key"

    def issue(self) -> None:
        self.issued_at = self.context.now()
        key, certificate = self.context.authority.issue_server(self.names, self.issued_at)
        path, key_path = self.paths
        try:
            atomic.write(key_path, key)
            atomic.write(path, certificate)
        except OSError as error:
            raise OperatorError(f"{path.parent} is not writable: {error.strerror}") from error
        for context in self.tls_contexts:
            context.load_cert_chain(path, key_path)

    async def renew(self) -> None:
        age = self.context.now() - self.issued_at
        if age > limits.SERVER_CERTIFICATE_DAYS * _DAY_S * 2 / 3:
            self.issue()


def _uvicorn(application: Any, context: ssl.SSLContext | None) -> _Server:
    config = uvicorn.Config(
        application,
        http=tls.PeerProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=limits.KEEP_ALIVE_S,
        timeout_graceful_shutdown=limits.SHUTDOWN_S,
        h11_max_incomplete_event_size=limits.HEAD_BYTES,
        ssl_context_factory=None if context is None else lambda *_: context,
    )
    return _Server(config)


async def run(settings: Settings) -> None:
    """Serve a home and database that were checked, until SIGTERM or SIGINT.

    Raises OperatorError when it cannot start.
    """
    _take_files()
    authority = ca.load(settings.home)
    database = Database(settings.database_url)
    try:
        bound = sockets.bind(settings)
        try:
            repository = Repository(settings.home)
            places = sockets.places(settings, bound)
            context = Context(settings, database, authority, repository, places)
            await _serve(context, bound)
        finally:
            bound.close()
    finally:
        await database.close()


def _take_files() -> None:
    """Raise the soft limit on open files: a thousand silent connections must not fill it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, limits.OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _serve(context: Context, bound: sockets.Sockets) -> None:
    certificate = _Certificate(context, list(context.places.names))
    certificate.issue()
    device_tls = tls.device_context(*certificate.paths, context.authority.der)
    certificate.tls_contexts.append(device_tls)
    operator_tls = None
    if not sockets.is_loopback(bound.operator):
        # A bearer token must not cross a network in the clear.
        operator_tls = tls.server_context(*certificate.paths)
        certificate.tls_contexts.append(operator_tls)
    await _refresh(context)
    servers = {
        _uvicorn(app.device_app(context), device_tls): bound.device,
        _uvicorn(app.operator_app(context), operator_tls): bound.operator,
    }
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Responder, sock=bound.sntp)
    _on_signals(loop, servers)
    rollouts = Ticker(context.database, context.now)
    keepers = [
        asyncio.create_task(_every(limits.KEEPER_S, lambda: _refresh(context))),
        asyncio.create_task(_every(_DAY_S, certificate.renew)),
        asyncio.create_task(_every(context.settings.tick_s, rollouts)),
    ]
    try:
        await asyncio.gather(
            _announce(context.settings, bound, servers),
            *(server.serve([one]) for server, one in servers.items()),
        )
    finally:
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        transport.close()


def _on_signals(loop: asyncio.AbstractEventLoop, servers: Iterable[_Server]) -> None:
    def stop() -> None:
        for server in servers:
            server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)


async def _announce(
    settings: Settings, bound: sockets.Sockets, servers: Iterable[_Server]
) -> None:
    for server in servers:
        await server.up.wait()
    where = bound.addresses()
    if settings.ready_file is not None:
        try:
            atomic.write(settings.ready_file, json.dumps(where).encode())
        except OSError as error:
            raise OperatorError(f"cannot write {settings.ready_file}: {error.strerror}") from error
    shown = " ".join(f"{name}={host}:{port}" for name, (host, port) in where.items())
    log.info("serving %s", shown)


async def _refresh(context: Context) -> None:
    """Sign TUF metadata anew where it is due; say what is wrong with it, as /healthz does."""
    try:
        if await anyio.to_thread.run_sync(context.repository.refresh, context.now()):
            log.info("signed snapshot and timestamp anew")
        state = await anyio.to_thread.run_sync(context.repository.state, context.now())
    except (FleetError, OSError) as error:
        log.error("TUF metadata cannot be signed: %s", error)  # noqa: TRY400 - no bug of ours
        return
    for alarm in () if state is None else state.alarms:
        log.error("TUF metadata: %s", alarm)


async def _every(period_s: float, act: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(period_s)
        try:
            await act()
        except Exception:
            # Tomorrow is another try; the ports must not go down for a full disk.
            log.exception("a periodic task failed")
