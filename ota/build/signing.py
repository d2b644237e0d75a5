"""Signing what lies in a file, with the keys that are at hand: a draft, or a bundle's targets."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuf.api.exceptions import RepositoryError as TufError
from tuf.api.metadata import Metadata, Root, Targets

from ota.build import bundle as bundles
from ota.build import draft as drafts
from ota.build import repository
from ota.build.errors import RepositoryError
from ota.build.keyring import Keyring

_ZIP = b"PK"


def is_bundle(path: Path) -> bool:
    """Say whether a file is a zip rather than a draft; BuildError when it cannot be read."""
    return bundles.read(path)[:2] == _ZIP


def draft_with(made: drafts.Draft, ring: Keyring, names: Sequence[str]) -> bool:
    """Sign a draft with the keys named, else with all at hand; False if that added nothing."""
    wanted = made.keys_wanted()
    what = f"root {made.version}"
    roles = repository.OFFLINE
    signers = ring.named(names, wanted, what) if names else list(ring.at_hand(wanted, roles))
    return sum(made.sign(signer) for signer in signers) > 0


def bundle(
    path: Path,
    copies: Sequence[Path],
    home: repository.Home | None,
    root_path: Path | None,
    ring: Keyring,
    names: Sequence[str],
) -> dict[str, Any]:
    """Sign a bundle's targets metadata in place; return release, signers and what is missing.

    The release must be the one that the metadata lists. RepositoryError or SigningKeyError else.
    """
    if root_path is None and home is None:
        raise RepositoryError("which keys count? Give --root root.json, or --home")
    root = repository.read(root_path or home.keys / "root.json", Root).signed  # type: ignore[union-attr]
    release = bundles.load(path)
    targets = _targets(path)
    for copy in copies:
        other = _targets(copy)
        if other.signed_bytes != targets.signed_bytes:
            raise RepositoryError(f"{copy} is no copy of {path}")
        targets.signatures.update(other.signatures)
    _require_listed(targets, release)
    wanted = [keyid for keyid in root.roles["targets"].keyids if keyid not in targets.signatures]
    what = f"releases under root {root.version}"
    named = root.roles["targets"].keyids
    signers = ring.named(names, named, what) if names else ring.at_hand(wanted, ["targets"])
    for signer in signers:
        repository.sign(targets, signer)
    bundles.write(path, bundles.pack(release, repository.encode(targets)))
    if home is not None:
        remember(home, repository.encode(targets))
    return {
        "file": str(path),
        "version": release.header.version,
        "board": release.header.board,
        **missing(root, targets),
    }


def remember(home: repository.Home, data: bytes) -> None:
    """Keep the signatures that the newest targets metadata of HOME has got elsewhere."""
    place = home.keys / "targets.json"
    if not place.exists():
        return
    newest = repository.read(place, Targets)
    given = Metadata[Targets].from_bytes(data)
    if given.signed_bytes == newest.signed_bytes:
        newest.signatures.update(given.signatures)
        bundles.write(place, repository.encode(newest))


def missing(root: Root, targets: Metadata[Targets]) -> dict[str, Any]:
    """Return who has signed targets metadata and how many more must."""
    need = drafts.need("targets", root, "targets", targets)
    return {
        "threshold": need.threshold,
        "signed": list(need.signed),
        "open": list(need.open),
        "missing": need.missing,
    }


def _targets(path: Path) -> Metadata[Targets]:
    data = bundles.targets(bundles.read(path))
    if data is None:
        raise RepositoryError(f"{path} lists no release yet: `lamppost ota publish` does that")
    try:
        return Metadata[Targets].from_bytes(data)
    except TufError as error:
        raise RepositoryError(f"{path}: {error}") from error


def _require_listed(targets: Metadata[Targets], release: Any) -> None:
    name = f"{release.header.board}/{release.header.version}.jsonl"
    try:
        targets.signed.targets[name].verify_length_and_hashes(release.manifest)
    except (KeyError, TufError) as error:
        raise RepositoryError(
            f"its targets.json does not list the release in it: {name}"
        ) from error
