"""Refreshes the TUF metadata and gets a release's manifest: TUF specification 1.0.3x, section 5.

Metadata lies in DATA/tuf; each file is verified before it takes its predecessor's place. What is
kept there is verified again when it is read, so that damaged flash is as good as none.
"""

from ota.core import limits, tuf
from ota.core.errors import BadHash, BadLength, RepositoryError, ServerError, Unsuited
from ota.device import files
from ota.device.slices import run


async def refresh(client, data: str, factory: str, now: int) -> tuf.Trusted:  # noqa: ANN001
    """Bring the metadata up to date and return it.

    client: http.Client; data: "/data"; factory: path of the factory's root.json; now: unix
    seconds, the start that all expiries are judged against. Raises RepositoryError, NetworkError,
    ServerError; OSError from the flash.
    """
    folder = data + "/tuf"
    new = data + "/new"
    files.make_folders(folder + "/")
    trusted = _root(folder, factory, now)
    for _ in range(limits.ROOTS_PER_REFRESH):
        name = "%d.root.json" % (trusted.root["version"] + 1)
        try:
            await _get(client, name, new, limits.ROOT_BYTES)
        except ServerError as error:
            if error.status in (403, 404):
                break
            raise
        await _use(new, trusted.update_root)
        files.replace(new, folder + "/root.json")

    kept = folder + "/timestamp.json"
    await _use_kept(kept, trusted.update_timestamp)
    await _get(client, "timestamp.json", new, limits.TIMESTAMP_BYTES)
    if await _use(new, trusted.update_timestamp):
        files.replace(new, kept)

    for role, update, cap, *options in (
        ("snapshot", trusted.update_snapshot, limits.SNAPSHOT_BYTES, True),
        ("targets", trusted.update_targets, limits.TARGETS_BYTES),
    ):
        kept = "%s/%s.json" % (folder, role)
        if not await _use_kept(kept, update, *options):
            told = trusted.told(role)
            limit = min(told.get("length", cap), cap)
            await _get(client, "%d.%s.json" % (told["version"], role), new, limit)
            await _use(new, update)
            files.replace(new, kept)
    return trusted


async def release(client, trusted: tuf.Trusted, board: str, version: str, path: str) -> str:  # noqa: ANN001
    """Get the manifest of a release into the file `path`; return its SHA-256 in hex.

    Nothing is fetched when it lies there already. Its form is not looked at here.
    """
    found = trusted.target("%s/%s.jsonl" % (board, version))
    if found is None:
        raise Unsuited("%s for %s is not among the targets" % (version, board))
    length, digest = found
    if length > limits.MANIFEST_BYTES:
        raise BadLength("manifest of %d bytes" % length)
    if not await files.matches(path, length, digest):
        new = path + ".part"
        if not await files.matches(new, length, digest):  # whole, when the power went just then
            url = "/tuf/targets/%s/%s.%s.jsonl" % (board, digest, version)
            with open(new, "wb") as file:
                n = await client.download(url, file.write, length)
            if n != length:
                raise BadLength("manifest: %d bytes, %d expected" % (n, length))
            if not await files.matches(new, length, digest):
                raise BadHash("manifest: other bytes than signed")
        files.replace(new, path)
    return digest


def _root(folder: str, factory: str, now: int) -> tuf.Trusted:
    """Start from the last root that this node verified, else from the factory's."""
    try:
        with open(folder + "/root.json", "rb") as file:
            return tuf.Trusted(file, now)
    except (OSError, RepositoryError):
        with open(factory, "rb") as file:
            return tuf.Trusted(file, now)


async def _get(client, name: str, path: str, limit: int) -> None:  # noqa: ANN001
    with open(path, "wb") as file:
        await client.download("/tuf/metadata/" + name, file.write, limit)


async def _use(path: str, update, *options: object):  # noqa: ANN001, ANN202
    with open(path, "rb") as file:
        return await run(update(file, *options))


async def _use_kept(path: str, update, *options: object) -> bool:  # noqa: ANN001
    """Offer the metadata that this node kept; False when the server's is needed."""
    try:
        await _use(path, update, *options)
        return True
    except (OSError, RepositoryError):
        return False  # none, damaged, expired, of older keys, or no longer the current one
