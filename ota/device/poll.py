"""Asks the server what there is to do: hawkBit's Direct Device Integration, tenant `default`.

Links in answers are read for their ids only; where to ask next is composed here, so that no
answer leads the node to another place.
"""

import json
from collections import namedtuple

from ota.core import limits
from ota.core.errors import BadResponse

_IDS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"
_ID_CHARS = 24  # of a boot record


# What a poll found. sleep_s: until the next poll; action, version: an update wanted now, "" if
# none; cancellation, cancels: id of a cancelAction and of the action that it takes back, "" if
# none; config: whether the server asks for configData; headers: of the poll's answer (date).
Offer = namedtuple(  # noqa: PYI024 - no typing on the node
    "Offer",
    ("sleep_s", "action", "version", "cancellation", "cancels", "config", "headers"),
)


def base(device: str) -> str:
    """Return the path of a controller."""
    return "/default/controller/v1/" + device


async def poll(client, device: str) -> Offer:  # noqa: ANN001 - an http.Client
    """Do a base poll and, if there is something to do, ask what. NetworkError, ServerError."""
    action = version = cancels = ""
    answer, headers = await _get(client, base(device), limits.ANSWER_BYTES)
    sleep_s = _sleep_s(answer)
    links = _member(answer, "_links")
    cancellation = _id(links, "cancelAction")
    offered = _id(links, "deploymentBase")
    if cancellation:
        path = "%s/cancelAction/%s" % (base(device), cancellation)
        answer, _ = await _get(client, path, limits.ANSWER_BYTES)
        cancels = _good(_member(answer, "cancelAction").get("stopId"))
    elif offered:
        path = "%s/deploymentBase/%s" % (base(device), offered)
        answer, _ = await _get(client, path, limits.DEPLOYMENT_BYTES)
        deployment = _member(answer, "deployment")
        if "skip" not in (deployment.get("download"), deployment.get("update")):
            version = _version(deployment)
            action = offered
    config = "configData" in links
    return Offer(sleep_s, action, version, cancellation, cancels, config, headers)


async def tell(client, device: str, data: dict[str, str]) -> None:  # noqa: ANN001
    """Send configData: all that the node says of itself, in place of what it said before."""
    body = json.dumps({"mode": "replace", "data": data}).encode()
    response = await client.request("PUT", base(device) + "/configData", body, "application/json")
    if response.status >= 400:
        raise response.refusal()


async def _get(client, path: str, limit: int):  # noqa: ANN001, ANN202
    response = await client.request("GET", path, limit=limit)
    if response.status != 200:
        raise response.refusal()
    answer = response.json()
    if type(answer) is not dict:
        raise BadResponse("no JSON object")
    return answer, response.headers


def _member(parent: dict, name: str) -> dict:
    found = parent.get(name)
    return found if type(found) is dict else {}


def _sleep_s(answer: dict) -> int:
    """Read HH:MM:SS, within reason."""
    text = _member(_member(answer, "config"), "polling").get("sleep")
    seconds = 0
    if type(text) is str and len(text) == 8 and not text.strip("0123456789:"):
        for part in text.split(":"):
            seconds = seconds * 60 + int(part or "0")
    return min(max(seconds or limits.SLEEP_S, limits.SLEEP_LEAST_S), limits.SLEEP_MOST_S)


def _id(links: dict, name: str) -> str:
    """Return the id at the end of a link's path, "" when there is no such link."""
    href = _member(links, name).get("href")
    if name not in links:
        return ""
    return _good(href.split("?")[0].split("/")[-1] if type(href) is str else None)


def _good(found: object) -> str:
    if type(found) is not str or not 0 < len(found) <= _ID_CHARS or found.strip(_IDS):
        raise BadResponse("no id of an action")
    return found


def _version(deployment: dict) -> str:
    """Return the version of the chunk named lamppost."""
    chunks = deployment.get("chunks")
    for chunk in chunks if type(chunks) is list else ():
        if type(chunk) is dict and chunk.get("name") == "lamppost":
            version = chunk.get("version")
            if type(version) is str and 0 < len(version) <= limits.VERSION_CHARS:
                return version
    raise BadResponse("no chunk of ours")
