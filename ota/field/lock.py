"""The console's lock from the laptop's side: a technician's key answers the node's challenge.

A locked node gives no prompt; to what is typed it says "lock: locked to NAMES". What opens it
stands in firmware/tasks/lock.py, and why so in firmware/decisions/0008.
"""

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)
from securesystemslib.signer import Key, Signer

from ota.build import cards, options
from ota.build.errors import FieldError, SigningKeyError, printable

VARIABLE = "LAMPPOST_TECHNICIAN_KEY"
TEXT = b"lamppost console 1\n%s\n%s\n"  # what is signed: the node's id, its nonce
_LINE = re.compile(rb"\] (?:info |error) lock: ([^\r\n]*)[\r\n]")
_NAMES = re.compile(r"locked to (.*)")
_CHALLENGE = re.compile(r"challenge ([0-9a-f]{16}) ([0-9a-f]{32,128})")
_VERDICT = re.compile(r"(?:opened by|refused).*")
_PROMPT = b">>> "
_AGAIN_S = 1.5  # the node speaks once a second, and lets the rest pass
_CHALLENGE_S = 15.0
_VERDICT_S = 30.0  # measuring ends, its window goes to flash; one verification
_PROMPT_S = 10.0
_HEARD_BYTES = 1 << 14


class LockedError(FieldError):
    """The node's console is locked, and was not opened."""


@dataclass(frozen=True)
class Line:
    """The port of a locked node: its name, what writes to it, what reads what has come."""

    port: str
    write: Callable[[bytes], object]
    more: Callable[[], bytes]


@dataclass(frozen=True)
class Technician:
    """A technician's key as it was named: it is read, and its passphrase asked, when needed."""

    name: str

    def signer(self) -> Signer:
        """Return what signs; SigningKeyError when it is none, or a key that no console takes."""
        signer = options.keyring(None).open(self.name)
        point(signer.public_key)
        return signer


def _technician(_: object, __: object, name: str | None) -> Technician | None:
    return Technician(name) if name else None


KEY: Callable[..., Any] = click.option(
    "--key",
    envvar=VARIABLE,
    metavar="KEY",
    callback=_technician,
    help="Opens a node whose console is locked: a technician's key from `lamppost ota keygen`, its"
    f" PEM file or its card; also {VARIABLE}.",
)


def point(key: Key) -> str:
    """Return a key as a node's configuration has it: the point, uncompressed, in hex."""
    public = load_pem_public_key(str(key.keyval["public"]).encode())
    if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name != "secp256r1":
        raise SigningKeyError("a console opens to ECDSA P-256 keys only: `lamppost ota keygen`")
    return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint).hex()


def holders(words: tuple[str, ...]) -> dict[str, str]:
    """Return name and point of each key: a card's file, or NAME=HEX."""
    found: dict[str, str] = {}
    for word in words:
        name, _, digits = word.partition("=")
        if not digits or os.path.exists(word):  # noqa: PTH110 - Path's fails for 256 characters
            card = cards.read(Path(word))
            name, digits = card.name, point(card.key)
        try:
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bytes.fromhex(digits))
        except ValueError as error:
            raise FieldError(f"{word}: no point of P-256 in hex: {error}") from error
        if name in found:
            raise FieldError(f"two keys are called {name}: name them NAME=HEX")
        found[name] = digits.lower()
    return found


def names(heard: bytes) -> str | None:
    """Return whom a node's console is locked to, when it has said so; None otherwise."""
    return next((found[1] for text in said(heard) if (found := _NAMES.fullmatch(text))), None)


def said(heard: bytes) -> list[str]:
    """Return what a node's lock has said in whole lines, printable."""
    return [printable(text.decode(errors="replace")) for text in _LINE.findall(heard)]


def unlock(line: Line, whose: str, technician: Technician | None) -> str:
    """Open a console that is locked to `whose`; return the name of the key that did.

    The firmware then stops, as by Ctrl-C, and its prompt is there. LockedError says why not.
    """
    if technician is None:
        raise LockedError(
            f"{line.port}: the node's console is locked (keys: {whose}): give --key FILE or set"
            f" {VARIABLE}"
        )
    signer = technician.signer()
    id_, nonce = _await(line, b"\runlock\r", _CHALLENGE, _CHALLENGE_S)[-1].groups()
    text = TEXT % (id_.encode(), nonce.encode())
    signature = str(cards.signed(signer, text, technician.name).signature)
    answer = f"\ranswer {point(signer.public_key)[2:10]} {signature}\r"
    verdict = _await(line, answer.encode(), _VERDICT, _VERDICT_S, once=True)[0][0]
    if not verdict.startswith("opened"):
        raise LockedError(f"{line.port}: the node refuses this key; its console opens to {whose}")
    until, heard = time.monotonic() + _PROMPT_S, b""
    while _PROMPT not in heard and time.monotonic() < until:
        heard += line.more()
    return verdict.removeprefix("opened by ")


def _await(
    line: Line, words: bytes, wanted: re.Pattern[str], wait_s: float, *, once: bool = False
) -> list[re.Match[str]]:
    """Type words, over and over unless `once`, until the lock says what is wanted."""
    until, due = time.monotonic() + wait_s, 0.0
    heard = b""
    while True:
        now = time.monotonic()
        if now > until:
            last = (said(heard) or ["nothing"])[-1]
            raise LockedError(
                f"{line.port}: the node's lock gives no such answer; it said {last!r}: try again"
            )
        if now >= due:
            line.write(words)
            due = until + 1 if once else now + _AGAIN_S
        heard = (heard + line.more())[-_HEARD_BYTES:]
        if found := [each for each in map(wanted.fullmatch, said(heard)) if each]:
            return found
