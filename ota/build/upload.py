"""The way of signed bundles and roots to the fleet server's operator port."""

import json
import ssl
from pathlib import Path
from typing import Any

import httpx2

from ota.build.errors import UploadError

_TIMEOUT_S = 60.0


def upload(url: str, token: str, bundle: bytes, ca: Path | None = None) -> dict[str, Any]:
    """POST a bundle to `url`/api/v1/releases and return the server's answer.

    `ca`: PEM of the authority that signed the server's certificate, where it is the city's own.
    UploadError with the server's own reason (RFC 9457 `detail`) when it refuses, or with the
    network's when it cannot be reached.
    """
    return _post(url, token, "releases", bundle, "application/zip", ca)


def upload_root(url: str, token: str, carried: bytes, ca: Path | None = None) -> dict[str, Any]:
    """POST a root as it is carried (root-N.json) to `url`/api/v1/releases/metadata; likewise."""
    return _post(url, token, "releases/metadata", carried, "application/json", ca)


def _post(
    url: str, token: str, path: str, body: bytes, media_type: str, ca: Path | None
) -> dict[str, Any]:
    verify: ssl.SSLContext | bool = True
    try:
        if ca is not None:
            verify = ssl.create_default_context(cafile=str(ca))
        with httpx2.Client(verify=verify, timeout=_TIMEOUT_S) as client:
            response = client.post(
                f"{url.rstrip('/')}/api/v1/{path}",
                content=body,
                headers={"Authorization": f"Bearer {token}", "Content-Type": media_type},
            )
    except (OSError, httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise UploadError(
            f"{url}: {error}; hand it over later: `lamppost ota publish FILE --signed`"
        ) from error
    if response.status_code >= 300:
        raise UploadError(f"the server refused: {response.status_code} {_detail(response)}")
    try:
        answer = response.json()
    except json.JSONDecodeError as error:
        raise UploadError(f"{url} answered {response.status_code} without JSON") from error
    return answer if isinstance(answer, dict) else {"answer": answer}


def _detail(response: httpx2.Response) -> str:
    try:
        problem = response.json()
    except ValueError:
        return response.reason_phrase
    if not isinstance(problem, dict):
        return response.reason_phrase
    return str(problem.get("detail") or problem.get("title") or response.reason_phrase)
