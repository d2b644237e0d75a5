"""Refreshes the TUF metadata and gets a target: TUF specification 1.0.3x, section 5.

Metadata lies in DATA/tuf; each file is verified before it takes its predecessor's place. What is
kept there is verified again when it is read, so that damaged flash is as good as none: the root
when something does not pass under it, all else at once. DATA/tuf/time is the latest start of a
refresh that ended well: no clock takes a later one behind it (decisions/0011).
"""

from ota.core import limits, metadata, tuf
from ota.core.errors import BadHash, BadLength, RepositoryError, ServerError, Unsuited
from ota.device import files
from ota.device.slices import run


async def refresh(client, data: str, factory: str, now: int) -> tuf.Trusted:  # noqa: ANN001
    """Bring the metadata up to date and return it.

    client: http.Client; data: "/data"; factory: path of the factory's root.json; now: unix
    seconds, the start that all expiries are judged against, or the last one if that was later.
    Raises RepositoryError, NetworkError, ServerError; OSError from the flash.
    """
    kept = data + "/tuf/root.json"
    files.make_folders(kept)
    text = files.read(data + "/tuf/time", 16) or b""
    last = int(text) if text.isdigit() and len(text) < 11 else 0
    while True:
        try:
            trusted = await _refresh(client, data, factory, max(now, last))
            break
        except RepositoryError:
            if await _sound(kept):
                raise
            files.remove(kept)  # and once more, from the factory's
    if now > last:
        files.write(data + "/tuf/time", b"%d" % now)
    return trusted


async def _refresh(client, data: str, factory: str, now: int) -> tuf.Trusted:  # noqa: ANN001
    folder = data + "/tuf"
    new = data + "/new"
    trusted = await _root(folder, factory, now)
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
    offered = await _use_kept(kept, trusted.update_timestamp)
    await _get(client, "timestamp.json", new, limits.TIMESTAMP_BYTES)
    if not (offered and _same(new, kept)) and await _use(new, trusted.update_timestamp):
        files.replace(new, kept)

    told = trusted.told("snapshot")
    update = trusted.update_snapshot
    await role(client, data, "snapshot", told, limits.SNAPSHOT_BYTES, update, True)
    told = trusted.told("targets")
    await role(client, data, "targets", told, limits.TARGETS_BYTES, trusted.update_targets)
    return trusted


async def role(client, data: str, name: str, told: dict, cap: int, update, *options: object):  # noqa: ANN001, ANN201
    """Have update take a role's metadata, the kept one if it is still good, else the server's.

    name: as in a URL; told: what the role above tells of it; options: for the kept one only.
    Returns what update returns.
    """
    kept = "%s/tuf/%s.json" % (data, name)
    good = await _use_kept(kept, update, *options)
    if good is not False:
        return good
    new = data + "/new"
    url = "%d.%s.json" % (told["version"], name)
    await _get(client, url, new, min(told.get("length", cap), cap))
    found = await _use(new, update)
    files.replace(new, kept)
    return found


async def listed(client, data: str, trusted, name: str) -> tuple[int, str]:  # noqa: ANN001
    """Return (length, hash in hex) of a release's manifest, which is the target `name`.

    client, data: as for `refresh`, which returned `trusted`.
    """
    found = await find(client, data, trusted, name)
    if found is None:
        board, _, version = name[:-6].partition("/")
        raise Unsuited("%s for %s is not among the targets" % (version, board))
    if found[0] > limits.MANIFEST_BYTES:
        raise BadLength("manifest of %d bytes" % found[0])
    return found


async def find(client, data: str, trusted, name: str) -> tuple[int, str] | None:  # noqa: ANN001
    """Return (length, hash in hex) of a target; None when no role with a say lists it."""
    found = trusted.target(name)
    if found is None and "delegations" in trusted.targets:
        from ota.device import delegated

        found = await delegated.find(client, data, trusted, name)
    return found


async def target(client, name: str, found: tuple[int, str], path: str) -> None:  # noqa: ANN001
    """Get a target into the file `path`; nothing is fetched when it lies there already."""
    length, digest = found
    new = path + ".part"
    if await _there(path, found):
        return
    if not await _there(new, found):  # whole, when the power went just then
        with open(new, "wb") as file:
            n = await client.download(place(name, digest), file.write, length)
        if n != length:
            raise BadLength("%s: %d bytes, %d expected" % (name, n, length))
        if not await _there(new, found):
            raise BadHash("%s: other bytes than signed" % name)
    files.replace(new, path)


def place(name: str, digest: str) -> str:
    """Return the path of a target on the server (consistent snapshots)."""
    folder, slash, last = name.rpartition("/")
    return "/tuf/targets/%s%s%s.%s" % (folder, slash, digest, last)


async def _there(path: str, found: tuple[int, str]) -> bool:
    """Say whether a file is there with that length and hash."""
    return await files.matches(path, found[0], found[1], metadata.hasher(found[1]))


async def _root(folder: str, factory: str, now: int) -> tuf.Trusted:
    """Start from the last root that this node verified, else from the factory's."""
    try:
        with open(folder + "/root.json", "rb") as file:
            return tuf.Trusted(file, now)
    except (OSError, RepositoryError):
        await _use(factory, tuf.check_root)
        with open(factory, "rb") as file:
            return tuf.Trusted(file, now)


async def _sound(path: str) -> bool:
    """Say whether a kept root is none, or what its keys signed."""
    try:
        await _use(path, tuf.check_root)
    except OSError:
        pass
    except RepositoryError:
        return False
    return True


def _same(path: str, other: str) -> bool:
    """Compare two files of metadata, each small."""
    with open(path, "rb") as file, open(other, "rb") as second:
        return file.read() == second.read()


async def _get(client, name: str, path: str, limit: int) -> None:  # noqa: ANN001
    with open(path, "wb") as file:
        await client.download("/tuf/metadata/" + name, file.write, limit)


async def _use(path: str, update, *options: object):  # noqa: ANN001, ANN202
    with open(path, "rb") as file:
        return await run(update(file, *options))


async def _use_kept(path: str, update, *options: object):  # noqa: ANN001, ANN202
    """Offer the metadata that this node kept; return what update does, False if it refuses."""
    try:
        return await _use(path, update, *options)
    except (OSError, RepositoryError):
        return False  # none, damaged, expired, of older keys, or no longer the current one
