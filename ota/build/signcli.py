"""`lamppost ota sign | rotate | add-key | remove-key`: changing whose signature counts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from tuf.api.metadata import Root

from ota.build import cards, ceremony, draft, options, repository, signing, state, telling
from ota.build.errors import SigningKeyError


def _threshold(default: str) -> Callable[..., Any]:
    return click.option(
        "--threshold",
        type=click.IntRange(1, 9),
        help=f"How many of the role's keys must sign from then on. [default: {default}]",
    )


_ROLE = click.Choice(repository.ROLES)
_OFFLINE = click.Choice(repository.OFFLINE)


@click.command(short_help="Sign a draft of a root, or a bundle.")
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.argument("copies", nargs=-1, type=click.Path(dir_okay=False, path_type=Path))
@options.HOME
@options.KEY
@click.option(
    "--root",
    "root_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The root.json in force, as you keep it: a draft must follow it, and it says who signs a"
    " bundle. [default: HOME/keys/root.json]",
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
      lamppost ota sign root.draft.json --key anna.pem --root root.json
      lamppost ota sign lamppost-esp32-1.1.0.signed.zip --key anna.pem --root root.json

    Whose keys count under the next root is shown before a key is used: read it, and compare key
    ids. FILE is HOME's draft unless named. Where HOME is, a draft that enough have signed takes
    effect at once: HOME/keys/root.json becomes the next root, and root-N.json is written, which
    goes to the server by `lamppost ota publish`. Nodes walk on to it by themselves.

    COPIES: the same file as signed elsewhere at the same time; their signatures are gathered.
    """  # noqa: D301 - \b keeps click from joining lines
    place = None if home is None else repository.Home(home)
    if renew:
        ceremony.renew(options.place(home))
    path = file or options.place(home).draft
    ring = options.keyring(place)
    if signing.is_bundle(path):
        telling.signed_bundle(signing.bundle(path, copies, place, root_path, ring, names), as_json)
        return
    made = draft.load(path)
    if root_path is not None:
        made.require_follows(repository.read(root_path, Root))
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
        telling.adopted(place, made, carried, as_json)
        return
    telling.drafted_at(path, made, as_json, brief=True)


@click.command(short_help="Give roles new keys.")
@click.argument("roles", nargs=-1, required=True, type=_ROLE, metavar="ROLE...")
@options.HOME
@click.option("--key", "found", **options.CARDS, help="Card of a new key; made in HOME without.")
@_threshold("as it is; of another number of keys the majority")
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
    telling.drafted(
        place, ceremony.rotate(place, roles, new, threshold, passphrase, kind), as_json
    )


@click.command("add-key", short_help="Let a further key sign for a role.")
@click.argument("role", type=_OFFLINE)
@click.argument("card", type=click.Path(dir_okay=False, path_type=Path))
@options.HOME
@_threshold("as it is")
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
    telling.drafted(place, ceremony.add_key(place, role, cards.read(card), threshold), as_json)


@click.command("remove-key", short_help="Take a key from a role.")
@click.argument("role", type=_OFFLINE)
@click.argument("who")
@options.HOME
@_threshold("as it is")
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
    telling.drafted(place, ceremony.remove_key(place, role, who, threshold), as_json)


COMMANDS = (sign, rotate, add_key, remove_key)
