"""Which private keys are at hand: those named, or those that lie in HOME/keys with their cards."""

from collections.abc import Callable, Container, Iterator, Sequence
from pathlib import Path

from securesystemslib.signer import Signer

from ota.build import cards, keys
from ota.build.errors import SigningKeyError

Passphrase = Callable[[Path], str | None]  # a PEM file -> its passphrase, None when it has none


class Keyring:
    """Finds signers. `folder`: HOME/keys, None where there is no home.

    `passphrase` and `ask` get the secrets: of a PEM file, and of anything else.
    """

    def __init__(self, folder: Path | None, passphrase: Passphrase, ask: cards.Ask) -> None:
        self._folder = folder
        self._passphrase = passphrase
        self._ask = ask

    def named(self, names: Sequence[str], wanted: Container[str], what: str) -> list[Signer]:
        """Return the signers of PEM files, cards or URIs; each must be a key that is `wanted`."""
        found = []
        for name in names:
            signer = self.open(name)
            if signer.public_key.keyid not in wanted:
                raise SigningKeyError(f"{name} is no key that signs {what}")
            found.append(signer)
        return found

    def at_hand(self, wanted: Container[str], roles: Sequence[str] = ()) -> Iterator[Signer]:
        """Yield the signers in HOME/keys that are `wanted`, by their cards.

        A PEM without a card is taken for the role in its name, if that is one of `roles`.
        """
        folder = self._folder
        if folder is None:
            return
        for path in sorted(folder.glob(f"*{cards.SUFFIX}")):
            card = cards.read(path)
            pem = path.with_name(path.name.removesuffix(cards.SUFFIX) + ".pem")
            if card.key.keyid not in wanted:
                continue
            if card.uri is not None:
                yield cards.signer_at(card, self._ask)
            elif pem.exists():
                yield self._of_card(pem, card)
        for role in roles:
            pem = folder / f"{role}.pem"
            if pem.exists() and not cards.beside(pem).exists():
                signer = keys.load(pem, self._passphrase(pem))
                if signer.public_key.keyid in wanted:
                    yield signer

    def open(self, name: str) -> Signer:
        """Return the signer of a PEM file, a card or a URI."""
        path = Path(name)
        if not path.exists() and ":" in name:
            return cards.signer_at(self._card_of(name), self._ask)
        if not name.endswith(".json"):
            return keys.load(path, self._passphrase(path))
        card = cards.read(path)
        if card.uri is not None:
            return cards.signer_at(card, self._ask)
        return self._of_card(path.with_name(path.name.removesuffix(cards.SUFFIX) + ".pem"), card)

    def _of_card(self, pem: Path, card: cards.Card) -> Signer:
        signer = keys.load(pem, self._passphrase(pem))
        if signer.public_key.keyid != card.key.keyid:
            raise SigningKeyError(f"{pem} is not the key of {cards.beside(pem)}")
        return signer

    def _card_of(self, uri: str) -> cards.Card:
        for path in sorted(self._folder.glob(f"*{cards.SUFFIX}")) if self._folder else ():
            card = cards.read(path)
            if card.uri == uri:
                return card
        raise SigningKeyError(
            f"{uri}: no card of that key in {self._folder or 'HOME/keys'};"
            f" `lamppost ota keygen NAME --uri {uri}` makes one"
        )
