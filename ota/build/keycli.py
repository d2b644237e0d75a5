"""`lamppost ota keygen | init | status`: keys, the repository they make, how it stands."""

from datetime import UTC, datetime
from pathlib import Path

import click

from ota.build import cards, ceremony, keys, options, repository, state, telling
from ota.build.errors import SigningKeyError


@click.command(short_help="Make a signing key and its card.")
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
    telling.show(
        as_json,
        result,
        [
            f"private   {result['private']}: stays with {holder}, with a backup",
            f"card      {result['card']}: for the release manager",
            f"key id    {card.key.keyid}",
        ],
    )


@click.command(short_help="Make the TUF repository, once.")
@options.HOME
@click.option(
    "--root-key", "root", **options.CARDS, help="Card of a root key's holder; repeat it."
)
@click.option("--targets-key", "targets", **options.CARDS, help="Likewise, of the targets role.")
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
    telling.drafted(place, made, as_json)


def _simple(place: repository.Home, unencrypted: bool, as_json: bool) -> None:
    repository.refuse_second(place)
    signers = repository.init(place, None if unencrypted else options.new_passphrase())
    result = {
        "home": str(place.folder),
        "root": str(place.keys / "root.json"),
        "encrypted": not unencrypted,
        "keys": {role: signer.public_key.keyid for role, signer in signers.items()},
    }
    telling.show(
        as_json,
        result,
        [
            f"keys        {place.keys} (root, targets): offline, backed up",
            f"repository  {place.metadata}",
            f"for nodes   {place.keys / 'root.json'}",
        ],
    )


@click.command(short_help="Who signed, what expires when, what to do next.")
@options.HOME
@options.JSON
def status(home: Path | None, as_json: bool) -> None:
    """Say how the repository in HOME stands: who signed, what expires when, what to do next.

    `lamppost release keys` says the same of the server.
    """
    found = state.of(options.place(home), datetime.now(UTC))
    telling.show(as_json, found, state.words(found))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SigningKeyError(f"{path}: {error.strerror}") from error


COMMANDS = (keygen, init, status)
