"""Where a fleet server keeps its things, and what it was told on the command line."""

import os
from dataclasses import dataclass
from pathlib import Path

from fleet import limits
from fleet.errors import OperatorError


def private() -> None:
    """Make what this process creates from now on its owner's alone: it holds a fleet's keys."""
    os.umask(0o077)


@dataclass(frozen=True)
class Home:
    """LAMPPOST_HOME: `server/` is all that a thief of the server gets; keys live beside it."""

    root: Path

    @property
    def server(self) -> Path:
        """The server's own folder."""
        return self.root / "server"

    @property
    def pki(self) -> Path:
        """Fleet CA and server certificate."""
        return self.server / "pki"

    @property
    def tuf(self) -> Path:
        """TUF repository: metadata/, targets/ and the online keys/."""
        return self.server / "tuf"

    @property
    def files(self) -> Path:
        """Content-addressed files of releases."""
        return self.server / "files"

    @property
    def evidence(self) -> Path:
        """Content-addressed SBOMs and provenance statements of releases."""
        return self.server / "evidence"

    @property
    def database_url(self) -> str:
        """The embedded default."""
        return f"sqlite:///{self.server / 'lamppost.db'}"

    def make(self) -> None:
        """Make the folders, readable by the owner only. Raises OperatorError."""
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            folders = (self.server, self.pki, self.tuf, self.files)
            for folder in (*folders, self.root / "keys", self.root / "nodes"):
                folder.mkdir(exist_ok=True, mode=0o700)
            probe = self.server / f".probe-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise OperatorError(f"{self.root} is not writable: {error.strerror}") from error

    def require(self) -> None:
        """Raise OperatorError unless `lamppost init` has been here and we may write."""
        if not (self.pki / "ca.key").exists():
            raise OperatorError(f"{self.root} is not initialised: run `lamppost init` first")
        if not os.access(self.server, os.W_OK | os.X_OK):
            raise OperatorError(f"{self.server} is not writable")


@dataclass(frozen=True)
class Address:
    """Host and port to listen on; port 0 lets the system choose."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read `HOST:PORT` or `[IPv6]:PORT`. Raises ValueError."""
        host, colon, port = text.rpartition(":")
        if not colon or not host or not port.isascii() or not port.isdigit():
            raise ValueError(f"expected HOST:PORT, got {text!r}")
        if int(port) > 65535:
            raise ValueError(f"port {port} is above 65535")
        return cls(host.removeprefix("[").removesuffix("]"), int(port))


@dataclass(frozen=True)
class Settings:
    """All that `lamppost serve` is told."""

    home: Home
    database_url: str
    device: Address
    operator: Address
    sntp: Address
    names: tuple[str, ...] = ()
    certificate_days: float = limits.CERTIFICATE_DAYS
    poll_s: int = limits.POLL_S
    ready_file: Path | None = None
    tick_s: float = limits.TICK_S
