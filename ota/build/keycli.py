"""`lamppost ota keygen | init | sign | rotate | add-key | remove-key | status`."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from ota.build import cards, ceremony, draft, keys, options, repository, signing, state
from ota.build.errors import SigningKeyError

_CARDS = {
    "multiple": True,
    "metavar": "CARD",
    "type": click.Path(dir_okay=False, path_type=Path),
}
_THRESHOLD = click.option(
    "--threshold",
    type=click.IntRange(1, 9),
    help="How many of the role's keys must sign from then on. [default: as it is]",
)
_ROLE = click.Choice(repository.ROLES)
_OFFLINE = click.Choice(repository.OFFLINE)


@click.command()
@click.argument("path", metavar="NAME", type=click.Path(path_type=Path))
@click.option("--name", help="Who holds it, as root.json will say. [default: NAME without folder]")
@click.option(
    "--uri",
    help="The key is there already: hsm:2?label=anna (PKCS#11), awskms:…, gcpkms:…, azurekms:…,"
    " hv:… Only its card is written.",
)
@click.option(
    "--public",
    type=click.Path(dir_okay=False, path_type=Path),
    help="With --uri: its public key as a PEM file, so that the key's keeper need not be asked.",
)
@options.KIND
@options.UNENCRYPTED
@options.JSON
def keygen(
    path: Path,
    name: str | None,
    uri: str | None,
    public: Path | None,
    kind: str,
    unencrypted: bool,
    as_json: bool,
) -> None:
    """Make a signing key: NAME.pem, which stays with its holder, and NAME.pub.json, its card.

    Every holder does this on a machine of their own, keeps NAME.pem (encrypted under a passphrase
    that is asked for, or taken from LAMPPOST_KEY_PASSPHRASE) with a backup, and gives the card to
    the release manager. Read the key id to each other over the phone: it tells a swapped card.

    \b
    A key on a PKCS#11 device or in a cloud's key management keeps its private half there:
      lamppost ota keygen anna --uri 'hsm:2?label=anna'
      lamppost ota keygen city --uri awskms:alias/lamppost --public city.pem

    On the server, `lamppost ota keygen HOME/server/tuf/keys/timestamp-2 --unencrypted` makes a new
    online key whose private half never travels; its card goes to `lamppost ota rotate`.
    """  # noqa: D301 - \b keeps click from joining lines
    holder = cards.checked_name(name or path.name)
    pem = path.with_name(path.name + ".pem")
    if uri is None:
        passphrase = None if unencrypted else options.new_passphrase(f"Passphrase for {pem.name}")
        signer = keys.generate(pem, passphrase, kind)
        card = cards.Card(holder, cards.public_key(signer.public_key.keyval["public"].encode()))
    elif public is not None:
        card = cards.Card(holder, cards.public_key(_bytes(public)), uri)
    else:
        found, key = cards.fetch(uri, options.secret)
        card = cards.Card(holder, key, found)
    cards.write(cards.beside(pem), card)
    result = {
        "name": holder,
        "keyid": card.key.keyid,
        "card": str(cards.beside(pem)),
        "private": str(pem) if uri is None else card.uri,
    }
    _show(
        as_json,
        result,
        [
            f"private   {result['private']}: stays with {holder}, with a backup",
            f"card      {result['card']}: for the release manager",
            f"key id    {card.key.keyid}",
        ],
    )


@click.command()
@options.HOME
@click.option("--root-key", "root", **_CARDS, help="Card of a root key's holder; repeat it.")  # type: ignore[arg-type]
@click.option("--targets-key", "targets", **_CARDS, help="Likewise, of the targets role.")  # type: ignore[arg-type]
@click.option(
    "--root-threshold",
    type=click.IntRange(1, 9),
    help="How many holders must sign a root. [default: the majority: 2 of 3]",
)
@click.option(
    "--targets-threshold",
    type=click.IntRange(1, 9),
    help="How many holders must sign a release. [default: the majority]",
)
@options.UNENCRYPTED
@options.JSON
def init(
    home: Path | None,
    root: tuple[Path, ...],
    targets: tuple[Path, ...],
    root_threshold: int | None,
    targets_threshold: int | None,
    unencrypted: bool,
    as_json: bool,
) -> None:
    """Make signing keys and an empty TUF repository in HOME, once.

    Root and targets keys go to HOME/keys, encrypted under a passphrase that is asked for or taken
    from LAMPPOST_KEY_PASSPHRASE; snapshot and timestamp keys and the first metadata go to
    HOME/server/tuf. Nodes get HOME/keys/root.json at provisioning (lamppost node image --root).
    Keys are ECDSA P-256, in files for their owner only (0600).

    \b
    A city gives the root to three people, so that no one alone can take the fleet and one lost
    key loses nothing. Each of them, on a machine of their own:
      lamppost ota keygen anna
    Then, with their cards (two of the three must sign from then on):
      lamppost ota init --home HOME --root-key anna.pub.json \\
          --root-key ben.pub.json --root-key carla.pub.json
      lamppost ota status --home HOME      says who has to sign, and how

    A role without cards gets one key, made here. The root that comes of it is on every node for
    ever; whose signature counts later is changed with rotate, add-key and remove-key.
    """  # noqa: D301 - \b keeps click from joining lines
    place = options.place(home)
    if not root and not targets:
        _simple(place, unencrypted, as_json)
        return
    repository.refuse_second(place)
    lacking = not root or not targets
    passphrase = options.new_passphrase() if lacking and not unencrypted else None
    thresholds = {"root": root_threshold or 0, "targets": targets_threshold or 0}
    made = ceremony.begin(
        place, options.read_cards(root), options.read_cards(targets), thresholds, passphrase
    )
    _drafted(place, made, as_json)


def _simple(place: repository.Home, unencrypted: bool, as_json: bool) -> None:
    repository.refuse_second(place)
    signers = repository.init(place, None if unencrypted else options.new_passphrase())
    result = {
        "home": str(place.folder),
        "root": str(place.keys / "root.json"),
        "encrypted": not unencrypted,
        "keys": {role: signer.public_key.keyid for role, signer in signers.items()},
    }
    _show(
        as_json,
        result,
        [
            f"keys        {place.keys} (root, targets): offline, backed up",
            f"repository  {place.metadata}",
            f"for nodes   {place.keys / 'root.json'}",
        ],
    )


@click.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.argument("copies", nargs=-1, type=click.Path(dir_okay=False, path_type=Path))
@options.HOME
@options.KEY
@click.option(
    "--root",
    "root_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="For a bundle, where there is no HOME: the root.json that names the targets keys.",
)
@click.option(
    "--renew", is_flag=True, help="First begin a root with the same keys and a later expiry."
)
@options.JSON
def sign(
    file: Path | None,
    copies: tuple[Path, ...],
    home: Path | None,
    names: tuple[str, ...],
    root_path: Path | None,
    renew: bool,
    as_json: bool,
) -> None:
    """Sign FILE, a draft of a root or a bundle, with the keys that are at hand.

    \b
    The file passes from holder to holder until enough have signed. Each of them:
      lamppost ota sign root.draft.json --key anna.pem
      lamppost ota sign lamppost-esp32-1.1.0.signed.zip --key anna.pem --root root.json

    What the next root changes is shown before a key is used: read it. FILE is HOME's draft unless
    named. Where HOME is, a draft that enough have signed takes effect at once: HOME/keys/root.json
    becomes the next root, and root-N.json is written, which goes to the server by `lamppost ota
    publish`. Nodes walk on to it by themselves.

    COPIES: the same file as signed elsewhere at the same time; their signatures are gathered.
    """  # noqa: D301 - \b keeps click from joining lines
    place = None if home is None else repository.Home(home)
    if renew:
        ceremony.renew(options.place(home))
    path = file or options.place(home).draft
    ring = options.keyring(place)
    if signing.is_bundle(path):
        _signed_bundle(signing.bundle(path, copies, place, root_path, ring, names), as_json)
        return
    made = draft.load(path)
    for copy in copies:
        made.gather(draft.load(copy))
    if not as_json:
        click.echo("\n".join(state.draft_words(state.describe(made, path))))
    added = signing.draft_with(made, ring, names)
    if not added and not copies and not made.complete():
        raise SigningKeyError(
            f"no key here signs root {made.version}: name one with --key"
            if not names
            else "these keys have signed already"
        )
    draft.save(path, made)
    if place is not None and made.complete():
        carried = ceremony.adopt(place, made)
        path.unlink(missing_ok=True)
        _adopted(place, made, carried, as_json)
        return
    _drafted_at(path, made, as_json, brief=True)


@click.command()
@click.argument("roles", nargs=-1, required=True, type=_ROLE, metavar="ROLE...")
@options.HOME
@click.option("--key", "found", **_CARDS, help="Card of a new key; made in HOME without.")  # type: ignore[arg-type]
@_THRESHOLD
@options.KIND
@options.UNENCRYPTED
@options.JSON
def rotate(
    roles: tuple[str, ...],
    home: Path | None,
    found: tuple[Path, ...],
    threshold: int | None,
    kind: str,
    unencrypted: bool,
    as_json: bool,
) -> None:
    """Give ROLE (root, targets, snapshot, timestamp) new keys in place of all it has.

    \b
    The server was broken into: its keys may be in other hands.
      lamppost ota rotate snapshot timestamp --home HOME
      lamppost ota sign --home HOME                        (and so on, until enough have)
      copy the new HOME/server/tuf/keys/*.pem to the rebuilt server
      lamppost ota publish HOME/keys/root-2.json --url URL
    A targets key was lost, or is in other hands:
      lamppost ota rotate targets --home HOME              then sign and publish as above
    All root keys are to be others (enough of the old holders sign one last time):
      lamppost ota rotate root --key dora.pub.json --key emil.pub.json --key fay.pub.json

    Nothing is in force before the draft is signed and published. Several changes make one draft;
    each drops the signatures it had. Delete HOME/keys/root.draft.json to think again.
    """  # noqa: D301 - \b keeps click from joining lines
    place = options.place(home)
    makes = not found and any(role in repository.OFFLINE for role in roles)
    passphrase = options.new_passphrase() if makes and not unencrypted else None
    new = options.read_cards(found)
    _drafted(place, ceremony.rotate(place, roles, new, threshold, passphrase, kind), as_json)


@click.command("add-key")
@click.argument("role", type=_OFFLINE)
@click.argument("card", type=click.Path(dir_okay=False, path_type=Path))
@options.HOME
@_THRESHOLD
@options.JSON
def add_key(
    role: str, card: Path, home: Path | None, threshold: int | None, as_json: bool
) -> None:
    """Let the holder of CARD sign for ROLE (root or targets) from the next root on.

    \b
      lamppost ota add-key root dora.pub.json --home HOME --threshold 2
      lamppost ota status --home HOME      says who has to sign, and how
    """  # noqa: D301 - \b keeps click from joining lines
    place = options.place(home)
    _drafted(place, ceremony.add_key(place, role, cards.read(card), threshold), as_json)


@click.command("remove-key")
@click.argument("role", type=_OFFLINE)
@click.argument("who")
@options.HOME
@_THRESHOLD
@options.JSON
def remove_key(
    role: str, who: str, home: Path | None, threshold: int | None, as_json: bool
) -> None:
    """Take the right to sign for ROLE from WHO: a holder's name or the beginning of a key id.

    \b
      lamppost ota remove-key root ben --home HOME

    For a key that is lost or in other hands: add the new one and remove the old in one draft.
    """  # noqa: D301 - \b keeps click from joining lines
    place = options.place(home)
    _drafted(place, ceremony.remove_key(place, role, who, threshold), as_json)


@click.command()
@options.HOME
@options.JSON
def status(home: Path | None, as_json: bool) -> None:
    """Say how the repository in HOME stands: who signed, what expires when, what to do next.

    `lamppost release keys` says the same of the server.
    """
    found = state.of(options.place(home), datetime.now(UTC))
    _show(as_json, found, state.words(found))


def _drafted(place: repository.Home, made: draft.Draft, as_json: bool) -> None:
    _drafted_at(place.draft, made, as_json)


def _drafted_at(path: Path, made: draft.Draft, as_json: bool, *, brief: bool = False) -> None:
    found = state.describe(made, path)
    told = ["", *state.need_words(found)] if brief else state.draft_words(found)
    lines = [*told, *(f"next       {step}" for step in state.steps(found))]
    _show(as_json, {"draft": found, "next": state.steps(found)}, lines)


def _adopted(place: repository.Home, made: draft.Draft, carried: Path, as_json: bool) -> None:
    first = made.before is None
    result = {
        "root": made.version,
        "file": str(carried),
        "for_nodes": str(place.keys / "root.json"),
        "server": str(place.metadata) if first else None,
    }
    step = (
        f"copy {place.folder / 'server'} to the server"
        if first
        else f"lamppost ota publish {carried} --url URL"
    )
    _show(
        as_json,
        result,
        [
            f"root {made.version} is signed by enough keys and in force here",
            f"for nodes  {result['for_nodes']} (new ones; the others walk on to it)",
            f"next       {step}",
        ],
    )


def _signed_bundle(result: dict[str, Any], as_json: bool) -> None:
    left = (
        f"; {result['missing']} more of {', '.join(result['open'])}" if result["missing"] else ""
    )
    signed = ", ".join(result["signed"]) or "nobody"
    step = "carry it to them" if result["missing"] else "lamppost ota publish BUNDLE --signed"
    _show(
        as_json,
        result,
        [
            f"release    {result['version']} for {result['board']}: {result['file']}",
            f"targets    needs {result['threshold']}, signed by {signed}{left}",
            f"next       {step}",
        ],
    )


def _show(as_json: bool, value: Any, lines: list[str]) -> None:
    click.echo(json.dumps(value) if as_json else "\n".join(lines))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SigningKeyError(f"{path}: {error.strerror}") from error


COMMANDS = (keygen, init, sign, rotate, add_key, remove_key, status)
