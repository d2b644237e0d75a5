"""PURE: what a controller says of itself: configData, merged into what is known; installedBase."""

import json
import re
from dataclasses import dataclass
from typing import Any

from fleet.ddi.errors import BadFeedback

_KEYS = 50
_KEY_CHARS = 64
_VALUE_CHARS = 256
_VERSION = re.compile(r"[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}([-+][0-9A-Za-z.+-]{1,34})?")  # 64 fit


@dataclass(frozen=True)
class ConfigData:
    """A configData request: mode is merge, replace or remove."""

    mode: str
    data: dict[str, str]


def read(body: bytes) -> ConfigData:
    """Read a configData request. Raises BadFeedback."""
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadFeedback("configData is not JSON") from error
    data = request.get("data") if isinstance(request, dict) else None
    mode = request.get("mode", "merge") if isinstance(request, dict) else None
    if not isinstance(data, dict) or mode not in ("merge", "replace", "remove"):
        raise BadFeedback("configData needs data, and merge, replace or remove as mode")
    if len(data) > _KEYS:
        raise BadFeedback(f"configData takes at most {_KEYS} attributes")
    for key, value in data.items():
        if not _good(key, _KEY_CHARS) or not isinstance(value, str) or len(value) > _VALUE_CHARS:
            raise BadFeedback(f"configData takes strings, at most {_VALUE_CHARS} characters each")
        if not (value == "" or value.isprintable()):
            raise BadFeedback("configData takes printable characters only")
    return ConfigData(mode, data)


def merge(said: ConfigData, known: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes after a configData request. Raises BadFeedback."""
    if said.mode == "replace":
        merged: dict[str, Any] = said.data
    elif said.mode == "remove":
        merged = {key: value for key, value in known.items() if key not in said.data}
    else:
        merged = {**known, **said.data}
    if len(merged) > _KEYS:
        raise BadFeedback(f"configData takes at most {_KEYS} attributes")
    return merged


def version(attributes: dict[str, Any]) -> str | None:
    """Return the release that a node says it runs."""
    found = attributes.get("version", "")
    return found if _VERSION.fullmatch(found) else None


def installed(body: bytes) -> tuple[str, str]:
    """Read an installedBase request: name and version of what is installed. Raises BadFeedback."""
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadFeedback("installedBase is not JSON") from error
    name = request.get("name") if isinstance(request, dict) else None
    found = request.get("version") if isinstance(request, dict) else None
    if not isinstance(name, str) or not _good(name, _KEY_CHARS):
        raise BadFeedback(f"installedBase needs a name of at most {_KEY_CHARS} characters")
    if not isinstance(found, str) or not _VERSION.fullmatch(found):
        raise BadFeedback("installedBase needs a version such as 1.2.0")
    return name, found


def _good(key: str, most: int) -> bool:
    return 0 < len(key) <= most and key.isprintable()
