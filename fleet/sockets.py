"""The server's sockets: bound before anything else, so that a taken port is said at once."""

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fleet.errors import OperatorError
from fleet.settings import Address, Settings

_BACKLOG = 1024
_UNSPECIFIED = ("0.0.0.0", "::")  # noqa: S104 - to leave these out of certificates


@dataclass(frozen=True)
class Places:
    """Where nodes reach the server: ports in use, and the names in its certificate."""

    port: int
    sntp_port: int
    names: tuple[str, ...]


@dataclass
class Sockets:
    """Device and operator port (TCP), SNTP (UDP)."""

    device: socket.socket
    operator: socket.socket
    sntp: socket.socket

    def close(self) -> None:
        """Close all."""
        for one in (self.device, self.operator, self.sntp):
            one.close()

    def addresses(self) -> dict[str, list[Any]]:
        """Return [host, port] of each, with the ports that the system chose."""
        ports = {"device": self.device, "operator": self.operator, "sntp": self.sntp}
        return {name: list(one.getsockname()[:2]) for name, one in ports.items()}


def _bind(address: Address, kind: socket.SocketKind) -> socket.socket:
    where = f"{address.host}:{address.port}"
    try:
        found = socket.getaddrinfo(address.host, address.port, type=kind, flags=socket.AI_PASSIVE)
        family, _, protocol, _, name = found[0]
        one = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise OperatorError(f"cannot listen on {where}: {error}") from error
    try:
        one.setblocking(False)
        if kind is socket.SOCK_STREAM:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(name)
        if kind is socket.SOCK_STREAM:
            one.listen(_BACKLOG)
    except OSError as error:
        one.close()
        raise OperatorError(f"cannot listen on {where}: {error.strerror}") from error
    return one


def bind(settings: Settings) -> Sockets:
    """Bind all three. Raises OperatorError, and then none is open."""
    wanted = (
        (settings.device, socket.SOCK_STREAM),
        (settings.operator, socket.SOCK_STREAM),
        (settings.sntp, socket.SOCK_DGRAM),
    )
    bound: list[socket.socket] = []
    try:
        for address, kind in wanted:
            bound.append(_bind(address, kind))
    except OperatorError:
        for one in bound:
            one.close()
        raise
    return Sockets(*bound)


def _host(one: socket.socket) -> str:
    return str(one.getsockname()[0]).partition("%")[0]


def is_loopback(one: socket.socket) -> bool:
    """Say whether only this machine reaches the socket."""
    return ipaddress.ip_address(_host(one)).is_loopback


def certificate_names(settings: Settings, sockets: Sockets) -> list[str]:
    """Return what the server certificate is for: --name, what was listened on, localhost."""
    names: list[str] = [*settings.names, settings.device.host, settings.operator.host]
    for one in (sockets.device, sockets.operator):
        names.append(_host(one))
        if is_loopback(one):
            names.append("localhost")
    return _distinct(name for name in names if name not in _UNSPECIFIED) or ["localhost"]


def places(settings: Settings, sockets: Sockets) -> Places:
    """Return where nodes reach a server that is bound."""
    ports = {name: int(address[1]) for name, address in sockets.addresses().items()}
    return Places(ports["device"], ports["sntp"], tuple(certificate_names(settings, sockets)))


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
