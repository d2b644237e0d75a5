"""One attempt of the rescue, Wi-Fi joined: a release into a slot, and its name into the record.

Order: what slots, image and journal tell; time; TUF from the last root that this node verified,
or the factory's, over every N.root.json; the manifest of a release that suits; what is missing of
its files; the slot checked whole; the boot record. Lies in /lib/rescue.pack.
"""

import gc
import json
import os
import socket
import sys
import time

import machine
import startup  # pyright: ignore[reportMissingImports] - in /lib

_NEW = "/data/rescue.new"  # a manifest, until it is known which slot it is for
_FILE_BYTES = 2048
_ANSWER_S = 3
_ANSWER_BYTES = 256
_LATEST_S = 1 << 32  # the year 2106: later is a lie
_NTP_S = 2208988800  # 1970 since 1900
_EPOCH_S = 946684800 if time.gmtime(0)[0] == 2000 else 0

_failed: list = []  # versions whose files were not to be had


async def attempt(server: dict, times: list, tries: int, flaws: int, buffer) -> None:  # noqa: ANN001
    """Put a release into a slot and name that in the boot record.

    server, times: of a config; tries, flaws: attempts before this one, and those that the flash
    ended; buffer: for http.Client. Raises NodeError when the flash refuses, whatever else fails.
    """
    import bootrecord  # pyright: ignore[reportMissingImports] - in /lib
    from ota.core import manifest
    from ota.device import files

    startup.mount()
    record = bootrecord.newest([startup.read("/data/boot.%d" % i) for i in (0, 1)])
    slots = [record["slot"], bootrecord.other(record["slot"])]
    heads = [_told("/data/%s/manifest.jsonl" % slot, manifest.whole) for slot in slots]
    heads.append(_told("/etc/release", json.load) or heads[0] or heads[1])
    heads.append(_told("/data/update", json.load))
    bootrecord = manifest = None  # code is heap
    forget()
    _tell_time(times, heads[2]["built"], tries)
    client = _client(server, tries & 1, buffer)
    try:
        await _install(client, slots, heads, flaws)
    except OSError as error:  # the flash's: the network's are told apart
        raise files.wrapped(error)
    finally:
        await client.close()
    import bootrecord  # pyright: ignore[reportMissingImports] - in /lib

    while True:
        told = record["outcome"], record["reason"]
        record = bootrecord.fall(record, "rescued")
        if told[0]:  # and not told yet
            record["outcome"], record["reason"] = told
        if record["slot"] == slots[0]:
            break
    record["spoilt"] = slots[1]  # damaged as it is: no series of crashes leads there
    startup.keep(bootrecord, bootrecord.planned(record))


def forget() -> None:
    """Let the modules go of what is done, so that the collector can take their bytecode back."""
    for name in list(sys.modules):
        package, _, child = name.rpartition(".")
        if (package == "ota.core" and child != "errors") or child in ("fetch", "stage"):
            del sys.modules[name]
            delattr(sys.modules[package], child)
    sys.modules.pop("bootrecord", None)
    gc.collect()


def _told(path: str, parse):  # noqa: ANN001, ANN202 - takes a file, and returns what is in it
    """Return what a file tells; {} when it is lost, or damaged anywhere."""
    try:
        with open(path, "rb") as file:
            return parse(file)
    except Exception:  # whatever lies there
        return {}


def _tell_time(servers: list, built: int, tries: int) -> None:
    """Set the clock by a time server; without one by what there is: TLS and TUF need a time.

    It is not earlier than the first release. RTC and last time seen may each come of a lie, so
    not every attempt believes them.
    """
    seen = startup.read("/data/seen") or b""
    seen = int(seen) if seen.isdigit() else 0
    found = (max(_now(), seen), seen, built)[tries % 3]
    for server in servers:
        try:
            found = max(_asked(server["host"], server.get("port", 123)), built)
            break
        except Exception as error:  # the network's, or a packet that cannot be believed
            startup.say("rescue: %s: %s" % (server, error))
    at = time.gmtime(min(max(found, built), _LATEST_S) - _EPOCH_S)
    machine.RTC().datetime(at[:3] + at[6:7] + at[3:6] + (0,))


def _asked(host: str, port: int) -> int:
    """Ask a time server (RFC 5905): unix seconds. No more than a lower bound hangs on it."""
    cookie = os.urandom(8)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.settimeout(_ANSWER_S)
        sock.connect(socket.getaddrinfo(host, port)[0][-1])
        sock.send(b"\x23" + bytes(39) + cookie)
        data = sock.recv(_ANSWER_BYTES)
    finally:
        sock.close()
    seconds = int.from_bytes(data[40:44], "big")
    synced = data[0] & 7 == 4 and data[0] < 192 and 0 < data[1] < 16
    if not synced or data[24:32] != cookie or not seconds:
        raise ValueError("no time")
    return seconds - _NTP_S + (0 if seconds >> 31 else 1 << 32)


def _now() -> int:
    return time.time() + _EPOCH_S


def _client(server: dict, bare: int, buffer):  # noqa: ANN001, ANN202 - http.Client
    """Make the HTTP client; bare: without the node's certificate, which no file here asks for."""
    from ota.device import files, http

    anchors = [files.read("/etc/ca%s.der" % each, _FILE_BYTES) for each in ("", 1, 2, 3)]
    pair = None if bare else files.read("/etc/identity", _FILE_BYTES)
    identity = None
    if pair:
        end = 2 + (pair[0] << 8 | pair[1])
        identity = pair[end:], pair[2:end]
    address = server["address"]
    return http.Client(
        address,
        server.get("port", 8443),
        server.get("name", address),
        http.context([each for each in anchors if each], identity),
        None,
        buffer,
    )


async def _install(client, slots: list, heads: list, flaws: int) -> None:  # noqa: ANN001
    """Fill a slot with a release that suits, and put it first in `slots`; heads: of attempt."""
    from ota.core import errors
    from ota.device import fetch, files

    trusted = await fetch.refresh(client, "/data", "/etc/root.json", _now())
    forget()  # what verifies: no more than fetch holds is needed
    version = await _choose(client, fetch, trusted, heads)
    trusted = fetch = None
    forget()
    from ota.device import stage

    # A slot keeps its own files whatever its list; those of another are found by its list only.
    head, other = heads[:2]
    if bool(head and not other) != bool(flaws & 1):  # after a flaw it is the other's turn
        slots.reverse()
        other = head
    folder = "/data/" + slots[0]
    files.make_folders(folder + "/x")
    files.replace(_NEW, folder + "/manifest.new")
    source = "/data/" + slots[1] if other else "/none"
    startup.say("rescue: filling slot " + slots[0])
    try:
        fetched = await stage.fill(client, "/data", folder, source)
    except (errors.RepositoryError, errors.ServerError):
        _failed.append(version)
        raise
    stage.seal(folder)
    startup.say("rescue: %d files, %d bytes fetched" % fetched)
    stage.clean("/data", folder)
    fault = startup.damage(folder)
    if fault:
        raise errors.NodeError(fault)


async def _choose(client, fetch, trusted, heads: list) -> str:  # noqa: ANN001
    """Get the manifest of the release that ran here or, failing that, of the newest that suits.

    Return its version; one whose files were not to be had comes last.
    """
    from ota.core import errors, manifest, versions

    board = heads[2]["board"]
    ran = (heads[0] or heads[1]).get("version")
    floor = "0.0.0"  # the highest seen: by slots, image and journal
    for head in heads:
        try:
            floor = max(floor, head["floor"], key=versions.key)
        except (errors.RepositoryError, LookupError, TypeError):
            pass  # it is lost
    ranked = []
    for name in trusted.targets["targets"]:
        if name.startswith(board + "/"):
            version = name[len(board) + 1 : -6]
            try:
                key = versions.key(version)
            except errors.RepositoryError:
                continue  # another kind of target
            ranked.append((version not in _failed, version == ran, key, version))
    for _, _, _, version in sorted(ranked, reverse=True):
        try:
            name = "%s/%s.jsonl" % (board, version)
            found = await fetch.listed(client, "/data", trusted, name)
            await fetch.target(client, name, found, _NEW)
            with open(_NEW, "rb") as file:
                head = manifest.whole(file)
            runtime = "%d.%d.%d" % tuple(sys.implementation.version[:3])
            manifest.suited(head, board, version, runtime, floor)
            startup.say("rescue: release " + version)
            return version
        except errors.OtaError as error:
            startup.say("rescue: %s: %s" % (version, errors.reason(error)))
    raise errors.Unsuited("no release that suits is listed")
