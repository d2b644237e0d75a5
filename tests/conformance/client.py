"""What tuf-client runs: the protocol of tuf-conformance over ota.core and ota.device.

Ours are the arguments, the folders and the addresses; what the suite is about is done by the
modules that a node runs. METADATA_DIR/node takes the place of /data and /etc; what is trusted
there is copied to METADATA_DIR, where the suite looks, after each command.
"""

import asyncio
import os
import sys
import time

sys.path.insert(0, __file__.rsplit("/", 3)[0])

from ota.core import errors, metadata
from ota.device import delegated, fetch, files, http

_FILE_BYTES = 1 << 20  # a node's targets are manifests, and shorter
_PIECE_BYTES = 512


class Addressed:
    """An http.Client whose paths lie where the suite has them; plain TCP."""

    def __init__(self, url: str, targets: str) -> None:
        self._bases = {"metadata": _path(url), "targets": _path(targets)}
        host = url.split("/")[2]
        address, _, port = host.partition(":")
        self._client = http.Client(address, int(port or 80), host, None)

    async def download(self, path: str, sink, limit: int) -> int:
        """GET what a node knows as /tuf/metadata/NAME or /tuf/targets/NAME."""
        kind, name = path.split("/", 3)[2:]
        return await self._client.download(self._bases[kind] + name, sink, limit)


def _path(url: str) -> str:
    """Take the path of a URL, with a slash at its end."""
    return "/" + "/".join(url.rstrip("/").split("/")[3:]) + "/"


def arguments(words: list) -> tuple[dict, list]:
    """Split a command line: option -> its values, and the words that belong to none."""
    options: dict = {}
    rest = []
    at = 0
    while at < len(words):
        if words[at].startswith("--"):
            options.setdefault(words[at], []).append(words[at + 1])
            at += 1
        else:
            rest.append(words[at])
        at += 1
    return options, rest


def init(folder: str, root: str) -> None:
    """Provision: put the factory's root where the node finds it."""
    data = folder + "/node"
    files.make_folders(data + "/tuf/")
    files.make_folders(data + "/files/")
    _copy(root, data + "/root.json")


def show(folder: str) -> None:
    """Copy what the node trusts to where the suite looks: the factory's root while it is all."""
    data = folder + "/node"
    kept = [name for name in os.listdir(data + "/tuf") if name.endswith(".json")]
    for name in os.listdir(folder):
        if name.endswith(".json") and name not in kept:
            os.remove(folder + "/" + name)
    for name in kept:
        _copy(data + "/tuf/" + name, folder + "/" + name)
    if "root.json" not in kept:
        _copy(data + "/root.json", folder + "/root.json")


def _copy(source: str, target: str) -> None:
    with open(source, "rb") as file, open(target + ".new", "wb") as new:
        while piece := file.read(_PIECE_BYTES):
            new.write(piece)
    files.replace(target + ".new", target)


async def run(options: dict, wanted: list) -> None:
    """Refresh, then get the targets in turn; raise what stands in the way."""
    data = options["--metadata-dir"][0] + "/node"
    url = options["--metadata-url"][0]
    client = Addressed(url, options.get("--target-base-url", [url])[0])
    trusted = await fetch.refresh(client, data, data + "/root.json", int(time.time()))
    for name in wanted:
        found = await fetch.find(client, data, trusted, name)
        if found is None:
            raise errors.Unsuited("no target " + name)
        if found[0] > _FILE_BYTES:
            raise errors.BadLength("target of %d bytes" % found[0])
        path = "/" + delegated.quoted(name)
        await fetch.target(client, name, found, data + "/files" + path)
        shown = options["--target-dir"][0] + path
        if not await files.matches(shown, found[0], found[1], metadata.hasher(found[1])):
            _copy(data + "/files" + path, shown)


def main(words: list) -> int:
    """Do what the command line says; return the exit code."""
    options, (command, *rest) = arguments(words)
    folder = options["--metadata-dir"][0]
    if command == "init":
        init(folder, rest[0])
        show(folder)
        return 0
    code = 0
    try:
        asyncio.run(run(options, options["--target-name"] if command == "download" else []))
    except (errors.OtaError, OSError) as error:
        print("refused:", errors.reason(error))  # noqa: T201 - the suite shows it
        code = 1
    show(folder)
    return code


sys.exit(main(sys.argv[1:]))
