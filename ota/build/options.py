"""Options and small errands that the commands of `lamppost ota` share."""

import os
import sys
from pathlib import Path
from typing import Any

import click

from ota.build import bundle, cards, keys, repository
from ota.build.errors import RepositoryError, SigningKeyError, UploadError
from ota.build.keyring import Keyring

HOME = click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="LAMPPOST_HOME",
    help="The folder of keys/ and server/; also LAMPPOST_HOME.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for scripts.")
KEY = click.option(
    "--key",
    "names",
    multiple=True,
    metavar="KEY",
    help="Sign with this key: a PEM file, a card (NAME.pub.json) with a URI, or a URI whose card"
    " lies in HOME/keys; may be repeated. [default: every key in HOME/keys that counts]",
)
KIND = click.option(
    "--type",
    "kind",
    type=click.Choice(keys.KINDS),
    default=keys.P256,
    show_default=True,
    help="ECDSA P-256, or RSA-3072: verified faster on a node, three times the bytes.",
)
CARDS: dict[str, Any] = {  # of an option that takes cards
    "multiple": True,
    "metavar": "CARD",
    "type": click.Path(dir_okay=False, path_type=Path),
}
UNENCRYPTED = click.option(
    "--unencrypted",
    is_flag=True,
    help="Write private keys without a passphrase (demonstrations, and the server's own keys).",
)


def place(home: Path | None) -> repository.Home:
    """Return the repository's home; RepositoryError when none was named."""
    if home is None:
        raise RepositoryError("which repository? Give --home or set LAMPPOST_HOME")
    return repository.Home(home)


def new_passphrase(what: str = "Passphrase") -> str:
    """Return a passphrase for a new key: from the environment, else asked for twice."""
    return os.environ.get(keys.PASSPHRASE_VARIABLE) or _prompt(what, confirm=True)


def passphrase_of(key: Path) -> str | None:
    """Return the passphrase of a key file: from the environment, else by asking for it."""
    if not key.exists() or not keys.is_encrypted(bundle.read(key)):
        return None
    return os.environ.get(keys.PASSPHRASE_VARIABLE) or _prompt(f"Passphrase of {key.name}")


def secret(what: str) -> str:
    """Return a PIN or the like, as a key's keeper asks for it."""
    return os.environ.get(keys.PASSPHRASE_VARIABLE) or _prompt(what)


def keyring(home: repository.Home | None) -> Keyring:
    """Return the keys at hand."""
    return Keyring(None if home is None else home.keys, passphrase_of, secret)


def token(file: Path | None) -> str:
    """Return the operator's token; UploadError without one."""
    found = bundle.read(file).decode().strip() if file else os.environ.get("LAMPPOST_TOKEN", "")
    if not found:
        raise UploadError("no token: set LAMPPOST_TOKEN or give --token-file")
    return found


def read_cards(paths: tuple[Path, ...]) -> list[cards.Card]:
    """Return the cards in files."""
    return [cards.read(path) for path in paths]


def _prompt(what: str, *, confirm: bool = False) -> str:
    try:
        return str(click.prompt(what, hide_input=True, confirmation_prompt=confirm, err=True))
    except click.Abort as error:
        if sys.stdin.isatty():
            raise
        raise SigningKeyError(f"no passphrase: set {keys.PASSPHRASE_VARIABLE}") from error
