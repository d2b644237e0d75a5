"""The operators' side of the operator API."""

import os
import ssl
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any, Self

import click
import httpx2

from fleet.cli.common import CommandError

_TIMEOUT_S = 60.0


class Client:
    """Talks to the operator API. Raises CommandError with the server's own reason."""

    def __init__(self, url: str, token: str, ca: Path | None) -> None:
        verify: ssl.SSLContext | bool = True
        try:
            if ca is not None:
                verify = ssl.create_default_context(cafile=str(ca))
            self._client = httpx2.Client(
                base_url=url.rstrip("/") + "/api/v1",
                headers={"Authorization": f"Bearer {token}"},
                timeout=_TIMEOUT_S,
                verify=verify,
            )
        except (OSError, httpx2.InvalidURL, ValueError) as error:
            raise CommandError(f"{url}: {error}") from error
        self._url = url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: dict[str, Any] | None = None,
        content: bytes | None = None,
        content_type: str | None = None,
    ) -> Any:
        """Return the JSON answer of one request."""
        given = {key: value for key, value in (params or {}).items() if value is not None}
        headers = {} if content_type is None else {"Content-Type": content_type}
        return self._answer(
            method, path, json=json, params=given, content=content, headers=headers
        )[1]

    def fetch(self, path: str) -> bytes:
        """Return the JSON document at *path* byte for byte, as its hash and signature need it."""
        return self._answer("GET", path)[0]

    def _answer(self, method: str, path: str, **options: Any) -> tuple[bytes, Any]:
        try:
            response = self._client.request(method, path, **options)
        except (OSError, httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise CommandError(f"{self._url} cannot be reached: {error}") from error
        try:
            answer = response.json()
        except ValueError:
            raise CommandError(
                f"{self._url} is no fleet server (it answers {response.status_code}): "
                "check LAMPPOST_URL (or --url)"
            ) from None
        if response.status_code == 404 and _no_such_path(answer):
            raise CommandError(
                f"{self._url} has no such path: check LAMPPOST_URL (or --url). It is the address "
                "of the operator port alone, such as http://127.0.0.1:8080"
            )
        if response.status_code >= 300:
            raise CommandError(_reason(response.status_code, answer))
        return response.content, answer

    def pages(self, path: str, key: str, params: dict[str, Any]) -> Iterator[Any]:
        """Yield the items of all pages."""
        after: Any = None
        while True:
            answer = self.call("GET", path, params={**params, "after": after})
            yield from answer[key]
            after = answer["next"]
            if after is None:
                return


def _no_such_path(answer: Any) -> bool:
    """Tell a router's refusal, of ours or of another server, from that of a thing not there."""
    return not isinstance(answer, dict) or answer.get("detail", "Not Found") == "Not Found"


def _reason(status: int, problem: Any) -> str:
    if not isinstance(problem, dict):
        return f"the server refused with {status}"
    detail = str(problem.get("detail") or problem.get("title") or status)
    named = problem.get("devices") or [
        f"{item.get('at')}: {item.get('reason')}" for item in problem.get("errors", [])
    ]
    return f"{detail} ({', '.join(map(str, named))})" if named else detail


def with_client(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command a Client as its first argument, from options or environment."""

    @click.option(
        "--url",
        envvar="LAMPPOST_URL",
        default="http://127.0.0.1:8080",
        show_default=True,
        help="The fleet server's operator port; also LAMPPOST_URL.",
    )
    @click.option(
        "--token-file",
        type=click.Path(dir_okay=False, path_type=Path),
        help="File with the token; or the token itself in LAMPPOST_TOKEN.",
    )
    @click.option(
        "--ca",
        envvar="LAMPPOST_CA",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="PEM of the CA behind an https server (HOME/server/pki/ca.pem); also LAMPPOST_CA.",
    )
    @wraps(function)
    def wrapped(
        *args: Any, url: str, token_file: Path | None, ca: Path | None, **kwargs: Any
    ) -> Any:
        with Client(url, read_token(token_file), ca) as client:
            return function(client, *args, **kwargs)

    return wrapped


def read_token(path: Path | None) -> str:
    """Return the token in a file, by default that of LAMPPOST_TOKEN; CommandError without one."""
    if path is None:
        token = os.environ.get("LAMPPOST_TOKEN", "")
        if not token:
            raise CommandError(
                "no token: set LAMPPOST_TOKEN or --token-file (`lamppost token create` makes one)"
            )
    else:
        try:
            token = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"token file {path} cannot be read: {error}") from error
    token = token.strip()
    if not token.isascii() or not token.isprintable() or " " in token:
        raise CommandError("the token is garbled")
    return token
