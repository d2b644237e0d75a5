"""A machine's serial line, shared: the rig hears all of it, one client at a time speaks on it."""

import select
import socket
from collections.abc import Callable

_READ = 4096
_LOOK_S = 0.05
_DEAF_S = 2.0  # a client that takes nothing for so long shall not keep the rig from hearing


class Bridge:
    """Listens at `url` as long as the node exists; `heard` gets all that the machine says."""

    def __init__(self, heard: Callable[[bytes], None]) -> None:
        self._heard = heard
        self._door = socket.create_server(("127.0.0.1", 0))
        self._client: socket.socket | None = None
        self.url = f"socket://127.0.0.1:{self._door.getsockname()[1]}"

    def serve(self, line: socket.socket) -> None:
        """Carry bytes until the machine has gone; the client stays for the next one."""
        while True:
            ends = [line, self._door, *([self._client] if self._client else [])]
            ready, _, _ = select.select(ends, [], [], _LOOK_S)
            if self._door in ready:
                self._hang_up()
                self._client = self._door.accept()[0]
                self._client.settimeout(_DEAF_S)
            elif self._client in ready and not (typed := received(self._client)):
                self._hang_up()
            elif self._client in ready:
                sent(line, typed)
            if line in ready:
                said = received(line)
                if not said:
                    return
                self._heard(said)
                if self._client and not sent(self._client, said):
                    self._hang_up()

    def close(self) -> None:
        """Give the port back."""
        self._hang_up()
        self._door.close()

    def _hang_up(self) -> None:
        if self._client:
            self._client.close()
        self._client = None


def received(end: socket.socket) -> bytes:
    """Return what came; nothing when the other end has gone."""
    try:
        return end.recv(_READ)
    except OSError:
        return b""


def sent(end: socket.socket, data: bytes) -> bool:
    """Send; False when the other end has gone."""
    try:
        end.sendall(data)
    except OSError:
        return False
    return True
