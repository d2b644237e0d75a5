"""Cards: the public half of a signing key, as it goes from its holder to the release manager.

A card is a small JSON file, NAME.pub.json: who holds the key, its scheme, its public PEM, and,
where the private half is no file, the URI at which a signer of securesystemslib finds it:

    hsm:2?label=anna                     PKCS#11, a card or a stick
    awskms:…  gcpkms:…  azurekms:…       the key management of a cloud
    hv:…  tkey:…                         HashiCorp Vault, a TKey

The library of a signer is imported when it signs, not before.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.exceptions import UnsupportedLibraryError
from securesystemslib.signer import SIGNER_FOR_URI_SCHEME, CryptoSigner, Signer, SSlibKey

from ota.build import keys
from ota.build.bundle import write as write_file
from ota.build.errors import SigningKeyError

SUFFIX = ".pub.json"
NAME_FIELD = "x-lamppost-name"  # beside the key in root.json; clients pass over it
_NAME = re.compile(r"[^\W_](?:[\w .@-]{0,30}[\w.@-])?")
_CARD_BYTES = 16384
_EXTRA_OF = {"hv": "vault"}  # where an extra of securesystemslib is named otherwise
_ASKABLE = {"hsm", "awskms", "azurekms", "gcpkms", "hv"}  # tell the public key of a URI

Ask = Callable[[str], str]  # what is wanted, for people -> the secret


@dataclass(frozen=True)
class Card:
    """Who holds a key, the public key, and its URI unless it is a PEM beside the card."""

    name: str
    key: SSlibKey
    uri: str | None = None

    def public(self) -> SSlibKey:
        """Return the key as it stands in root.json, with its holder's name."""
        named = SSlibKey(self.key.keyid, self.key.keytype, self.key.scheme, self.key.keyval)
        named.unrecognized_fields[NAME_FIELD] = self.name
        return named


def name_of(key: Any) -> str:
    """Return who holds a key of root.json, or the beginning of its id."""
    return str(key.unrecognized_fields.get(NAME_FIELD) or key.keyid[:8])


def checked_name(name: str) -> str:
    """Return a holder's name; SigningKeyError when it could not stand in root.json."""
    if not _NAME.fullmatch(name) or max(name) > "\uffff":
        raise SigningKeyError(
            f"{name!r} is no name for a key: letters, digits, space and . @ _ - are, 32 at most"
        )
    return name


def beside(pem: Path) -> Path:
    """Return where the card of a PEM is: anna.pem -> anna.pub.json."""
    return pem.with_name(pem.name.removesuffix(".pem") + SUFFIX)


def write(path: Path, card: Card) -> None:
    """Write a card."""
    value = {
        "name": card.name,
        "keyid": card.key.keyid,
        "scheme": card.key.scheme,
        "public": card.key.keyval["public"],
    }
    if card.uri is not None:
        value["uri"] = card.uri
    write_file(path, json.dumps(value, indent=2).encode() + b"\n")


def read(path: Path) -> Card:
    """Read a card; SigningKeyError when it is none, or of a key that nodes do not verify."""
    try:
        with path.open("rb") as file:
            value = json.loads(file.read(_CARD_BYTES))
        name, uri = checked_name(str(value["name"])), value.get("uri")
        key = public_key(value["public"].encode(), value["scheme"])
    except OSError as error:
        raise SigningKeyError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SigningKeyError(
            f"{path} is no card of a key: `lamppost ota keygen` makes NAME{SUFFIX}"
        ) from error
    return Card(name, key, None if uri is None else str(uri))


def public_key(pem: bytes, scheme: str | None = None) -> SSlibKey:
    """Return the TUF key of a public PEM; SigningKeyError unless nodes verify its scheme."""
    try:
        key = SSlibKey.from_crypto(load_pem_public_key(pem), scheme=scheme)
    except ValueError as error:
        raise SigningKeyError(f"no public key in PEM: {error}") from error
    if key.scheme not in keys.SCHEMES:
        raise SigningKeyError(
            f"{key.scheme}: nodes verify {' and '.join(keys.SCHEMES)}, nothing else"
        )
    return key


def fetch(uri: str, ask: Ask) -> tuple[str, SSlibKey]:
    """Return a key's URI in full and its public half, asked of whatever keeps it.

    SigningKeyError names the package that is missing, or what the keeper said.
    """
    scheme, _, rest = uri.partition(":")
    if scheme not in SIGNER_FOR_URI_SCHEME:
        raise _unknown(uri)
    if scheme not in _ASKABLE:
        raise SigningKeyError(f"{uri}: give the public key too, as a PEM file (--public)")
    place, _, query = rest.partition("?")
    arguments: tuple[Any, ...] = (place,)
    if scheme == "hsm":
        label = dict(part.partition("=")[::2] for part in query.split("&")).get("label")
        arguments = (int(place) if place.isdecimal() else None, label, ask)
    elif scheme == "azurekms":
        vault, _, name = place.strip("/").partition(".vault.azure.net/keys/")
        arguments = (vault, name.partition("/")[0])
    signer: Any = SIGNER_FOR_URI_SCHEME[scheme]
    found, key = _foreign(uri, lambda: signer.import_(*arguments))
    return str(found), public_key(key.keyval["public"].encode(), key.scheme)


def signer_at(card: Card, ask: Ask) -> Signer:
    """Return the signer at a card's URI; SigningKeyError names what is missing."""
    assert card.uri is not None
    uri = card.uri
    if uri.partition(":")[0] not in SIGNER_FOR_URI_SCHEME:
        raise _unknown(uri)
    found: Signer = _foreign(uri, lambda: Signer.from_priv_key_uri(uri, card.public(), ask))
    return found


def signed(signer: Signer, payload: bytes, whose: str) -> Any:
    """Return a signer's signature; SigningKeyError with what its keeper said."""
    if isinstance(signer, CryptoSigner):
        return signer.sign(payload)
    return _foreign(whose, lambda: signer.sign(payload))


def _foreign(uri: str, act: Callable[[], Any]) -> Any:
    try:
        return act()
    except SigningKeyError:
        raise
    except (UnsupportedLibraryError, ImportError) as error:
        scheme = uri.partition(":")[0]
        raise SigningKeyError(
            f"{uri}: {error}: pip install 'securesystemslib[{_EXTRA_OF.get(scheme, scheme)}]'"
        ) from error
    except Exception as error:  # a signer may raise whatever its library raises
        said = str(error).partition("\n")[0] or type(error).__name__
        raise SigningKeyError(f"{uri}: {said}") from error


def _unknown(uri: str) -> SigningKeyError:
    known = ", ".join(f"{name}:" for name in sorted(SIGNER_FOR_URI_SCHEME) if name != "gnupg")
    return SigningKeyError(f"{uri}: no signer for that; known are {known}")
