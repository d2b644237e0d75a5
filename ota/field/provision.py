"""What makes a node one of a fleet: its place and network, whom it trusts, its claim token.

Order: the configuration is complete and valid; the node answers and is ours; the trust anchors
agree; the server knows it; a fresh claim; the files go over, all or none. Until the last step
nothing on the node has changed, and the whole can be repeated at any time.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from firmware.core import config as rules
from firmware.core.errors import ConfigError
from ota.build.errors import FieldError
from ota.field import image, inputs, session
from ota.field.cable import Cable
from ota.field.faults import CableError
from ota.field.server import Server, ServerError
from ota.field.session import About, NodeError, Progress

_ETC = "/etc/"
_ERRAND = "/data/errand"  # firmware/tasks/measuring.py: what its next start is for
_PROVISIONING = {"names": list, "port": int, "sntp_port": int, "ca": str}
_CLAIM = {"token": str, "expires": int}
_LATEST_S = 253_402_300_799  # the end of the year 9999
_DEVICE = {"site": str, "board": str, "name": str}
_TUF = ("root", "timestamp", "snapshot", "targets")


@dataclass(frozen=True)
class Wishes:
    """What the technician says beside the configuration's file; None: as the file says.

    position: latitude, longitude, perhaps height in m; server: host and, unless 0, port;
    root: file of the TUF root metadata; hours: the claim's life; keys: of the console's lock,
    points in hex by name, {} for none.
    """

    name: str | None = None
    site: str | None = None
    position: Sequence[float] | None = None
    ssid: str | None = None
    password: str | None = None
    server: tuple[str, int] | None = None
    root: Path | None = None
    hours: int = 24
    keys: Mapping[str, str] | None = None


@dataclass
class Result:
    """What was done. enrolled: True, or what the node said instead; None when nobody waited."""

    id: str
    name: str
    site: str
    board: str
    version: str
    registered: bool
    until: int
    notes: list[str] = field(default_factory=list)
    enrolled: bool | str | None = None


def configuration(
    document: Mapping[str, Any], wishes: Wishes, known: Mapping[str, Any]
) -> tuple[bytes, list[str]]:
    """Return a node's config.json, complete, and what in it this release does not know.

    document: the file that the technician gave; known: the server's word on provisioning.
    FieldError names the field that is wrong, by the firmware's own rules.
    """
    made = dict(document)
    _said(made, wishes)
    made["wifi"] = dict(_section(made, "wifi"))
    if wishes.ssid is not None:
        made["wifi"] = {"ssid": wishes.ssid}
    if wishes.password is not None:
        made["wifi"]["password"] = wishes.password
    names = [str(name) for name in known["names"]]
    if not names:
        raise ServerError("the server names nothing that its certificate is for")
    server = dict(_section(made, "server"))
    if wishes.server is not None:
        address, port = wishes.server
        server = {"address": address, "port": port or known["port"]}
    server = {"address": names[0], "port": known["port"]} | server
    server.setdefault("name", server["address"] if server["address"] in names else names[0])
    if server["name"] not in names:
        raise FieldError(
            f"configuration: server.name: the server's certificate is for {', '.join(names)},"
            f" not for {server['name']}"
        )
    made["server"] = server
    made.setdefault("time_servers", [{"host": server["address"], "port": known["sntp_port"]}])
    try:
        text = json.dumps(made, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        packed = text.encode()
        ignored = rules.parse(packed)["ignored"]
    except (ValueError, RecursionError) as error:  # a number or a text that no JSON has
        raise FieldError(f"configuration: {error}") from error
    except ConfigError as error:
        raise FieldError(f"configuration: {str(error).removeprefix(': ')}") from error
    if not made.get("site"):
        raise FieldError("configuration: site is missing: give --site")
    return packed, list(ignored)


def provision(
    cable: Cable, server: Server, document: Mapping[str, Any], wishes: Wishes, progress: Progress
) -> Result:
    """Provision the node at the cable and start it anew.

    FieldError, ServerError: it has what it had. NodeError, CableError: likewise, or that and new
    files whole in part; the same can be tried again.
    """
    known = server.call("GET", "/provisioning", form=_PROVISIONING)
    packed, ignored = configuration(document, wishes, known)
    config = json.loads(packed)
    found = session.about(cable)
    try:
        session.require_ours(cable, found)
        if found.locked and wishes.keys is None and "console" not in config:
            raise NodeError(
                f"{cable.port}: the node's console is locked (keys: {', '.join(found.locked)}),"
                " and the configuration says nothing of that: give --lock CARD, or --unlocked"
            )
        anchors = _anchors(known)
        root, notes = _root(wishes.root, found, known)
        notes += [f"{name} is unknown to this release, ignored" for name in ignored]
        registered = _register(server, found, config, notes)
        claim, until = _claim(server, found, wishes.hours)
        files = anchors | root | {"claim": claim, "config.json": packed}
        stale = [_ETC + name for name in image.ANCHOR_NAMES if name not in anchors]
        stale += _foreign(root, found)
        written = {_ETC + name: data for name, data in files.items()}
        if _ETC + "identity" in found.files:  # a node with one would measure first
            written[_ERRAND] = b"enrolment"
        session.put(cable, found, written, stale, progress)
    finally:
        session.let_run(cable)
    return Result(
        found.id,
        config["name"],
        config["site"],
        found.board,
        found.version,
        registered,
        until,
        notes,
    )


def watch(cable: Cable, wait_s: float) -> bool | str:
    """Watch the node enrol: True, or the last that it said about it in this time."""
    said = "it has said nothing of it yet"
    try:
        for line in cable.console(wait_s):
            _, _, text = line.partition("enrol: ")
            if text.startswith("certificate "):
                return True
            said = text or said
            if text.startswith("refused "):
                break
    except CableError as error:
        return str(error)
    return said


def _said(made: dict[str, Any], wishes: Wishes) -> None:
    """Have what the technician said take the place of what stands in the file."""
    for key in ("name", "site", "position"):
        value = getattr(wishes, key)
        if value is not None:
            made[key] = list(value) if key == "position" else value
    if wishes.keys is not None:
        made.pop("console", None)
    if wishes.keys:
        made["console"] = {"keys": dict(wishes.keys)}


def _section(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = document.get(key, {})
    if not isinstance(found, dict):
        raise FieldError(f"configuration: {key}: must be an object")
    return found


def _anchors(known: Mapping[str, Any]) -> dict[str, bytes]:
    try:
        certificates = x509.load_pem_x509_certificates(known["ca"].encode())
    except (ValueError, x509.InvalidVersion) as error:
        raise ServerError(f"the server's CA certificate is no PEM: {error}") from error
    return image.anchor_files([each.public_bytes(Encoding.DER) for each in certificates])


def _root(
    path: Path | None, found: About, known: Mapping[str, Any]
) -> tuple[dict[str, bytes], list[str]]:
    """Return root.json, unless the node keeps its own, and notes.

    It never comes from the server: whoever holds that would choose whose releases a node takes.
    """
    if path is None:
        if not found.roots[0]:
            raise FieldError(
                "the node has no TUF root metadata: give --root, the release manager's root.json"
            )
        ours = set(found.roots[0]) | set(found.roots[1])
        data: dict[str, bytes] = {}
    else:
        data = {"root.json": inputs.root(path)}
        ours = _keys(data["root.json"])
    theirs = _keys(str(known.get("root")).encode(errors="replace"))
    if theirs and not ours & theirs:
        note = (
            "the server's TUF root shares no key with this node's: unless all were rotated, the"
            " node takes none of its releases; ask the release manager which root.json is right"
        )
        return data, [note]
    return data, []


def _keys(root: bytes) -> set[str]:
    try:
        return set(json.loads(root)["signed"]["roles"]["root"]["keyids"])
    except (KeyError, TypeError, ValueError):
        return set()


def _claim(server: Server, found: About, hours: int) -> tuple[bytes, int]:
    lasts = {"ttl_s": hours * 3600}
    answer = server.call("POST", f"/devices/{found.id}/claims", lasts, form=_CLAIM)
    token, until = answer["token"].encode(errors="surrogatepass"), answer["expires"]
    if not inputs.is_claim(token) or not 0 <= until <= _LATEST_S:
        raise ServerError(
            "the server's claim token is none that a node could use: check --url or LAMPPOST_URL;"
            " nothing was changed"
        )
    return token, until


def _foreign(root: Mapping[str, bytes], found: About) -> list[str]:
    """Name what the node remembers of another fleet's repository: it would refuse this one's."""
    if not root or not found.roots[1] or _keys(root["root.json"]) & set(found.roots[1]):
        return []
    return [f"/data/tuf/{name}.json" for name in _TUF]


def _register(server: Server, found: About, config: Mapping[str, Any], notes: list[str]) -> bool:
    """Have the server know the node; True when it is new there."""
    try:
        known = server.call("GET", f"/devices/{found.id}", form=_DEVICE)
    except ServerError as error:
        if error.status != 404:
            raise
        body = {"id": found.id, "board": found.board}
        server.call("POST", "/devices", body | {key: config[key] for key in ("site", "name")})
        return True
    if known["site"] != config["site"]:
        raise FieldError(
            f"the server has {found.id} at site {known['site']}, the configuration says"
            f" {config['site']}: give --site {known['site']}"
        )
    if known["board"] != found.board:
        raise FieldError(
            f"the server has {found.id} as {known['board']}, the release on it is for"
            f" {found.board}: flash an image of the right board"
        )
    if known["name"] != config["name"]:
        notes.append(f"the server calls it {known['name']!r}, its configuration says otherwise")
    return False
