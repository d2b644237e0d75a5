"""What stands in a city's offices: fleet server, signing keys, releases, run as people run them.

Everything here goes through the `lamppost` command, but quick looks (`api`) and the network in
front of the server.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sim.api import Api
from sim.errors import DeadlineError, SimError
from sim.faults import Proxy

T = TypeVar("T")

SERVER_NAME = "fleet.city.example"
_COMMAND_S = 120
_READY_S = 30
_LOOK_S = 0.05
_TICK_S = 0.3  # how often the server looks at its rollouts


class Office:
    """One server at `home` and a network in front of it (`proxy`); `bundles` by version.

    `board`: what releases are built for, unless their options say otherwise.
    """

    def __init__(
        self,
        home: Path,
        *,
        database_url: str | None = None,
        poll_s: int = 1,
        board: str = "esp32",
    ) -> None:
        self.home = home
        self.poll_s = poll_s
        self.board = board
        self.bundles: dict[str, dict[str, Any]] = {}
        self.operator = ("", 0)
        self.sntp = ("", 0)
        self.proxy: Proxy | None = None
        self.commands: list[str] = []
        self._database = ["--database-url", database_url] if database_url else []
        self._server: subprocess.Popen[bytes] | None = None
        self._api: Api | None = None
        self._work = home.parent / f"{home.name}-work"
        self._work.mkdir(parents=True, exist_ok=True)
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("LAMPPOST_")},
            "LAMPPOST_HOME": str(home),
            "LAMPPOST_KEY_PASSPHRASE": secrets.token_urlsafe(16),
        }

    def lamppost(self, *arguments: object, status: int = 0) -> Any:
        """Run a `lamppost` command and return its JSON; SimError unless it ends with `status`.

        With another status than 0 expected, its error line is returned.
        """
        words = [str(each) for each in arguments]
        self.commands.append(" ".join(["lamppost", *words]))
        done = subprocess.run(
            [_command(), *words, *([] if status else ["--json"])],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=_COMMAND_S,
            check=False,
        )
        if done.returncode != status:
            raise SimError(
                f"`{self.commands[-1]}` ended with {done.returncode}: {done.stderr.strip()}"
            )
        if status:
            return done.stderr.strip()
        return json.loads(done.stdout)

    def api(
        self, method: str, path: str, json: Any = None, params: dict[str, Any] | None = None
    ) -> Any:
        """Return the JSON of one request to the operator API, without a process for it.

        `path` is below /api/v1; ApiError says why not.
        """
        return self.operator_api.call(method, path, json=json, params=params)

    @property
    def operator_api(self) -> Api:
        """The operator API as the city's first operator; the server must have been started."""
        if self._api is None:
            self._api = Api(self._environment["LAMPPOST_URL"], self._environment["LAMPPOST_TOKEN"])
        return self._api

    def found(self) -> None:
        """Make the home: fleet CA and database, signing keys apart, a first operator token."""
        self.lamppost("init", *self._database)
        self.lamppost("ota", "init")
        made = self.lamppost(
            "token", "create", "--role", "admin", "--name", "city", "--ttl", "1d", *self._database
        )
        self._environment["LAMPPOST_TOKEN"] = made["token"]

    def open(self, version: str) -> dict[str, Any]:
        """Make the home, start the server, publish a first release; return what was built."""
        self.found()
        self.serve()
        return self.release(version)

    def serve(self, *options: str) -> None:
        """Start the server and wait until it answers; at the same addresses as before.

        `options`: further ones of `lamppost serve`.
        """
        ready = self._work / "ready.json"
        ready.unlink(missing_ok=True)
        device = self.proxy.target[1] if self.proxy else 0
        log = (self._work / "server.log").open("ab")
        with log:
            self._server = subprocess.Popen(
                [
                    *(_command(), "serve", *self._database, "--name", SERVER_NAME),
                    *("--listen", f"127.0.0.1:{device}"),
                    *("--operator", f"127.0.0.1:{self.operator[1]}"),
                    *("--sntp", f"127.0.0.1:{self.sntp[1]}"),
                    *("--poll-interval", str(self.poll_s), "--ready-file", str(ready)),
                    *("--tick", str(_TICK_S)),
                    *options,
                ],
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        self.wait(lambda: ready.exists() or self._server_ended(), _READY_S, "the server to start")
        if self._server_ended():
            raise SimError(f"the server ended at once; its log ends: {self.server_log[-800:]}")
        where = json.loads(ready.read_bytes())
        self.operator = tuple(where["operator"])
        self.sntp = tuple(where["sntp"])
        self._environment["LAMPPOST_URL"] = f"http://{self.operator[0]}:{self.operator[1]}"
        if self.proxy is None:
            self.proxy = Proxy(tuple(where["device"]))

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the server: SIGTERM lets it finish, SIGKILL is the crash of a host."""
        if self._api:
            self._api.close()
            self._api = None
        if self._server is not None:
            self._server.send_signal(how)
            self._server.wait(_READY_S)
            self._server = None

    def release(
        self,
        version: str,
        changes: Mapping[str, Callable[[str], str]] | None = None,
        *,
        publish: bool = True,
        out: str = "",
        options: Sequence[object] = (),
    ) -> dict[str, Any]:
        """Build a release and, unless told otherwise, sign and upload it; return what was built.

        `changes`: file below firmware/ -> function from its text ("" if new) to its new text;
        `options`: further ones of `lamppost ota build`.
        """
        folder = self._work / out
        arguments: list[object] = ["ota", "build", "--version", version, "--out", folder]
        arguments += ["--board", self.board] if self.board != "esp32" else []
        arguments += options
        if changes:
            arguments += ["--overlay", _overlay(folder / f"overlay-{version}", changes)]
        built: dict[str, Any] = self.lamppost(*arguments)
        if publish:
            built |= self.lamppost("ota", "publish", built["bundle"])
        self.bundles[version] = built
        return built

    @property
    def access(self) -> dict[str, str]:
        """The environment in which `lamppost` reaches this server as its first operator."""
        names = ("LAMPPOST_HOME", "LAMPPOST_URL", "LAMPPOST_TOKEN")
        return {name: self._environment[name] for name in names if name in self._environment}

    @property
    def proxy_port(self) -> int:
        """The port at which nodes reach the server."""
        return self.proxy.port if self.proxy else 0

    @property
    def received(self) -> int:
        """Bytes that have passed towards the nodes."""
        return self.proxy.down if self.proxy else 0

    @property
    def server_log(self) -> str:
        """What the server has logged."""
        return (self._work / "server.log").read_text(errors="replace")

    def wait(
        self,
        predicate: Callable[[], T | None],
        deadline_s: float,
        what: str,
        told: Callable[[], str] = str,
    ) -> T:
        """Return the first true value of `predicate`; DeadlineError with what `told` tells."""
        for _ in _until(deadline_s):
            if value := predicate():
                return value
        raise DeadlineError(f"waited {deadline_s:g} s for {what}; {told()}")

    def close(self) -> None:
        """End network and server; the files stay."""
        if self.proxy:
            self.proxy.close()
        self.stop()

    def _server_ended(self) -> bool:
        return self._server is not None and self._server.poll() is not None


def _overlay(overlay: Path, changes: Mapping[str, Callable[[str], str]]) -> Path:
    firmware = Path(__file__).parent.parent / "firmware"
    for name, change in changes.items():
        source = firmware / name
        before = source.read_text() if source.exists() else ""
        after = change(before)
        if after == before:
            raise SimError(f"the change of {name} in {overlay.name} changes nothing")
        (overlay / name).parent.mkdir(parents=True, exist_ok=True)
        (overlay / name).write_text(after)
    return overlay


def _command() -> str:
    return str(Path(sys.executable).with_name("lamppost"))


def _until(deadline_s: float) -> Iterator[None]:
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        yield
        time.sleep(_LOOK_S)
    yield
