"""A fleet server's operator API, spoken to without a process for every word."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import httpx2

from sim.errors import SimError

_TIMEOUT_S = 60.0


class ApiError(SimError):
    """The server refused; `status` is HTTP's, 0 when it cannot be reached or is none of ours."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Api:
    """The operator API at `url`; `ca`: the PEM of the authority behind an https server."""

    def __init__(self, url: str, token: str, ca: Path | None = None) -> None:
        self._url = url.rstrip("/")
        try:
            self._client = httpx2.Client(
                base_url=f"{self._url}/api/v1",
                headers={"Authorization": f"Bearer {token}"},
                timeout=_TIMEOUT_S,
                verify=True if ca is None else str(ca),
            )
        except (OSError, ValueError, httpx2.InvalidURL) as error:
            raise ApiError(0, f"{url}: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: dict[str, Any] | None = None,
    ) -> Any:
        """Return the JSON answer; `path` is below /api/v1. ApiError says why there is none."""
        try:
            response = self._client.request(method, path, json=json, params=params)
        except (OSError, httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise ApiError(0, f"{self._url} cannot be reached: {error}") from error
        try:
            answer = response.json()
        except ValueError as error:
            raise ApiError(0, f"{self._url} is no fleet server") from error
        if response.is_success:
            return answer
        detail = answer.get("detail", "") if isinstance(answer, dict) else ""
        raise ApiError(
            response.status_code, f"{method} {path}: {response.status_code} {detail}".strip()
        )

    def pages(self, path: str, key: str) -> Iterator[Any]:
        """Yield the items `key` of all pages of `path`."""
        after: Any = None
        while True:
            answer = self.call("GET", path, params={} if after is None else {"after": after})
            yield from answer[key]
            after = answer["next"]
            if after is None:
                return

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()
