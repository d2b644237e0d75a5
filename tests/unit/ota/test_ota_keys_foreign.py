"""Keys that are no files: any signer of securesystemslib by its URI, imported only when used."""

import json
import subprocess
import sys

import ceremony
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from securesystemslib.signer import SIGNER_FOR_URI_SCHEME, CryptoSigner, Signer, SSlibKey
from tuf.api.metadata import Metadata, Root

from ota.build import cards, keys, repository
from ota.build.errors import SigningKeyError


class Vault(Signer):
    """A key management of the tests: holds private keys by name, wants a PIN, can be away."""

    held: dict[str, CryptoSigner] = {}  # noqa: RUF012 - one vault a process, as it is in life
    away = False

    def __init__(self, name, key, ask):
        self.name, self.key, self.ask = name, key, ask

    @classmethod
    def from_priv_key_uri(cls, priv_key_uri, public_key, secrets_handler=None):
        return cls(priv_key_uri.partition(":")[2], public_key, secrets_handler)

    @property
    def public_key(self):
        return self.key

    def sign(self, payload):
        if self.away:
            raise TimeoutError("the vault does not answer\nlong trace")
        if self.ask("PIN") != "123456 secret":
            raise ValueError("wrong PIN")
        return self.held[self.name].sign(payload)


@pytest.fixture
def vault(monkeypatch):
    monkeypatch.setitem(SIGNER_FOR_URI_SCHEME, "testkms", Vault)
    monkeypatch.setattr(Vault, "held", {})
    monkeypatch.setattr(Vault, "away", False)
    return Vault


def pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def run(*arguments, **options):
    return ceremony.run(*arguments, **{"LAMPPOST_KEY_PASSPHRASE": "123456 secret"} | options)


def card_of(vault, folder, name):
    private = ec.generate_private_key(ec.SECP256R1())
    vault.held[name] = CryptoSigner(private)
    public = folder / f"{name}.pem"
    public.write_bytes(pem(private))
    where = ("--uri", f"testkms:{name}", "--public", public, "--name", name)
    run("keygen", folder / f"{name}-card", *where)
    return folder / f"{name}-card.pub.json"


def test_a_root_is_signed_where_its_keys_are_kept(vault, tmp_path):
    home = tmp_path / "home"
    cards_ = [card_of(vault, tmp_path, name) for name in ("city", "harbour")]
    run("init", "--home", home, "--root-key", cards_[0], "--root-key", cards_[1])
    run("sign", "--home", home, "--key", cards_[0])
    run("sign", "--home", home, "--key", cards_[1])
    root = Metadata[Root].from_bytes((home / "keys/root.json").read_bytes())
    root.signed.verify_delegate("root", root.signed_bytes, root.signatures)
    assert len(root.signatures) == 2
    assert not list(tmp_path.glob("*card.pem"))


def test_a_uri_is_enough_where_its_card_lies_in_home(vault, tmp_path):
    home = tmp_path / "home"
    card = card_of(vault, tmp_path, "city")
    run("init", "--home", home, "--root-key", card)
    (home / "keys/city.pub.json").write_bytes(card.read_bytes())
    said = run("sign", "--home", home, "--key", "testkms:town", status=2)
    assert "no card of that key" in said
    run("sign", "--home", home, "--key", "testkms:city")
    assert (home / "keys/root.json").exists()


def test_what_its_keeper_says_is_one_line(vault, tmp_path):
    home = tmp_path / "home"
    card = card_of(vault, tmp_path, "city")
    run("init", "--home", home, "--root-key", card)
    before = (home / "keys/root.draft.json").read_bytes()
    assert "wrong PIN" in run(
        "sign", "--home", home, "--key", card, status=2, LAMPPOST_KEY_PASSPHRASE="000000 no"
    )
    vault.away = True
    said = run("sign", "--home", home, "--key", card, status=2)
    assert "the vault does not answer" in said
    assert (home / "keys/root.draft.json").read_bytes() == before


@pytest.mark.parametrize(
    ("uri", "extra"),
    [
        ("hsm:2?label=anna", "securesystemslib[hsm]"),
        ("awskms:alias/lamppost", "securesystemslib[awskms]"),
        ("gcpkms:projects/x", "securesystemslib[gcpkms]"),
        ("azurekms://city.vault.azure.net/keys/root/1", "securesystemslib[azurekms]"),
        ("hv:root/1", "securesystemslib[vault]"),
    ],
)
def test_a_library_that_is_missing_is_named_with_its_package(tmp_path, uri, extra):
    said = run("keygen", tmp_path / "x", "--uri", uri, status=2)
    assert f"pip install '{extra}'" in said
    assert not (tmp_path / "x.pub.json").exists()
    key = cards.public_key(pem(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(SigningKeyError, match="pip install"):
        cards.signed(cards.signer_at(cards.Card("x", key, uri), lambda _: "pin"), b"x", uri)


def test_a_scheme_that_nobody_knows_is_refused(tmp_path):
    assert "no signer for that" in run("keygen", tmp_path / "x", "--uri", "nokms:1", status=2)
    said = run("keygen", tmp_path / "x", "--uri", "tkey:", status=2)
    assert "--public" in said


def test_a_key_that_nodes_do_not_verify_is_refused(tmp_path):
    for key in (ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP384R1())):
        with pytest.raises(SigningKeyError, match="nodes verify ecdsa-sha2-nistp256 and"):
            cards.public_key(pem(key))


def test_an_rsa_key_is_made_on_request_and_signs(tmp_path):
    run("keygen", tmp_path / "big", "--type", "rsa3072", "--unencrypted")
    card = cards.read(tmp_path / "big.pub.json")
    assert card.key.scheme == "rsassa-pss-sha256"
    signer = keys.load(tmp_path / "big.pem", None)
    assert isinstance(signer.public_key, SSlibKey)
    private = load_pem_private_key((tmp_path / "big.pem").read_bytes(), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    assert private.key_size == 3072
    card.key.verify_signature(signer.sign(b"x"), b"x")
    assert signer.public_key.keyid == card.key.keyid


def test_a_card_is_told_from_what_is_none(tmp_path):
    run("keygen", tmp_path / "anna", "--unencrypted")
    path = tmp_path / "anna.pub.json"
    value = json.loads(path.read_text())
    assert set(value) == {"name", "keyid", "scheme", "public"}
    for changes in (
        {"name": "a\nb"},
        {"name": "\U0001f600"},
        {"scheme": "ed25519"},
        {"public": "-----BEGIN"},
        {"public": 7},
    ):
        path.write_text(json.dumps(value | changes))
        with pytest.raises(SigningKeyError):
            cards.read(path)


def test_no_signers_library_is_imported_before_it_is_used():
    code = (
        "import sys; import ota.build.cli;"
        "print([n for n in ('pkcs11', 'boto3', 'google.cloud.kms', 'azure.identity', 'hvac',"
        " 'cyclonedx') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_home_paths_of_each_role(tmp_path):
    home = repository.Home(tmp_path)
    assert home.folder_of("root") == home.folder_of("targets") == tmp_path / "keys"
    assert home.folder_of("timestamp") == tmp_path / "server/tuf/keys"
