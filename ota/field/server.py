"""The fleet server's operator API as a technician's commands use it."""

import os
import ssl
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import click
import httpx2

from ota.build.errors import FieldError

_TIMEOUT_S = 60.0
_BELOW = "/api/v1"
_ANY: Mapping[str, type] = {}


class ServerError(FieldError):
    """The server cannot be reached, or refused; `status` is HTTP's, 0 without an answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Server:
    """The operator API at `url`, spoken to with `token`; a context manager.

    ca: PEM of the authority behind an https server, where it is the city's own.
    """

    def __init__(self, url: str, token: str, ca: Path | None) -> None:
        self._url = url.rstrip("/")
        trusted: ssl.SSLContext | bool = True
        try:
            if ca is not None:
                trusted = ssl.create_default_context(cafile=str(ca))
        except OSError as error:
            raise ServerError(f"CA {ca}: {error.strerror or error}") from error
        try:
            self._client = httpx2.Client(
                base_url=self._url + _BELOW,
                headers={"Authorization": f"Bearer {token}"},
                timeout=_TIMEOUT_S,
                verify=trusted,
            )
        except (ValueError, httpx2.InvalidURL) as error:
            raise ServerError(f"{url}: {error}") from error

    def call(
        self, method: str, path: str, body: Any = None, form: Mapping[str, type] = _ANY
    ) -> dict[str, Any]:
        """Return the JSON object that answers one request; ServerError says why there is none.

        form: members that it must have, and of what types.
        """
        try:
            response = self._client.request(method, path, json=body)
        except (OSError, httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise ServerError(
                f"{self._url} cannot be reached: {error}; nothing was changed, try again"
            ) from error
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise ServerError(
                f"{self._url} is no fleet server (it answers {response.status_code}): check --url"
                " or LAMPPOST_URL"
            )
        if response.status_code >= 300:
            raise ServerError(_reason(response.status_code, answer), response.status_code)
        for name, kind in form.items():
            if type(answer.get(name)) is not kind:
                raise ServerError(
                    f"{self._url} answers without {name}: it is no fleet server, or an older one;"
                    " check --url or LAMPPOST_URL"
                )
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()


def _reason(status: int, problem: dict[str, Any]) -> str:
    detail = str(problem.get("detail") or problem.get("title") or status)
    named = [f"{each.get('at')}: {each.get('reason')}" for each in problem.get("errors", ())]
    if named:
        detail += f" ({', '.join(named)})"
    if status == 401:
        detail += "; an administrator makes a new one: `lamppost token create --role …`"
    return f"the server refused: {detail}"


def options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options `url`, `token_file` and `ca`."""
    for option in (
        click.option(
            "--ca",
            envvar="LAMPPOST_CA",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="PEM of the CA behind an https server; also LAMPPOST_CA.",
        ),
        click.option(
            "--token-file",
            type=click.Path(dir_okay=False, path_type=Path),
            help="File with your token; or the token in LAMPPOST_TOKEN; else it is asked for.",
        ),
        click.option(
            "--url", envvar="LAMPPOST_URL", help="The server's operator port; also LAMPPOST_URL."
        ),
    ):
        function = option(function)
    return function


def secret(variable: str, path: Path | None, what: str) -> str | None:
    """Return a secret from a file, the environment or a hidden prompt; None without any.

    Only whoever sits at a terminal is asked.
    """
    if path is not None:
        try:
            return path.read_text("utf-8").strip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise FieldError(f"{what} file {path} cannot be read: {error}") from error
    if variable in os.environ:
        return os.environ[variable]
    if not sys.stdin.isatty():
        return None
    return str(click.prompt(what, hide_input=True, default="", show_default=False, err=True))


def token(path: Path | None) -> str:
    """Return the technician's token; FieldError without one, or when it is garbled."""
    found = (secret("LAMPPOST_TOKEN", path, "Token") or "").strip()
    if not found:
        raise FieldError(
            "no token: set LAMPPOST_TOKEN or give --token-file (`lamppost token create` makes one)"
        )
    if not found.isascii() or not found.isprintable() or " " in found:
        raise FieldError("the token is garbled: it is one word, as `lamppost token create` shows")
    return found
