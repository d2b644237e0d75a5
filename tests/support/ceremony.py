"""Key holders and the `lamppost ota` command, as a ceremony and a release manager use them."""

import json
import shutil

import pytest
from bundles import release
from click.testing import CliRunner
from tuf.api.metadata import Metadata, Root

from ota.build import bundle, repository
from ota.build.cli import ota

PASSPHRASE = "correct horse"


def invoke(*arguments, **environment):
    """Run a command, and return its result as click tells it."""
    clean = {"LAMPPOST_HOME": "", "LAMPPOST_URL": "", "LAMPPOST_TOKEN": ""}
    clean["LAMPPOST_KEY_PASSPHRASE"] = PASSPHRASE
    return CliRunner().invoke(ota, [str(each) for each in arguments], env=clean | environment)


def run(*arguments, status=0, **environment):
    """Return what a command says; its one line of error where another status is expected."""
    result = invoke(*arguments, **environment)
    assert result.exit_code == status, (result.output, result.exception)
    if status:
        assert result.stderr.startswith("Error: "), result.stderr
        assert result.stderr.count("\n") == 1
        return result.stderr
    return result.stdout


def data(*arguments, **environment):
    return json.loads(run(*arguments, "--json", **environment))


def made(version, *, floor="0.0.0", board="esp32", content=b"x"):
    """Return a release of one file."""
    return release(version, board, {"firmware/main.mpy": content}, floor=floor)


def packed(path, version="1.0.0"):
    """Write a release's bundle to `path`, and return that."""
    path.write_bytes(bundle.pack(made(version)))
    return path


class People:
    """Key holders, each with a folder of their own that no other command of a test sees."""

    def __init__(self, folder):
        self.folder = folder

    def card(self, name, *options):
        place = self.folder / name / name
        return data("keygen", place, "--unencrypted", *options)["card"]

    def pem(self, name):
        return self.folder / name / f"{name}.pem"


@pytest.fixture
def people(tmp_path):
    return People(tmp_path / "people")


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def city(home, people, tmp_path):
    """A repository whose root belongs to three people, two of whom must sign."""
    begin(home, people)
    draft = home / "keys/root.draft.json"
    for name in ("anna", "carla"):
        carried = tmp_path / "stick.json"
        shutil.copy(draft, carried)
        run("sign", carried, "--key", people.pem(name))
        shutil.copy(carried, draft)
    run("sign", "--home", home)
    return repository.Home(home)


def begin(home, people):
    """Begin a repository that is to belong to three people; return what there is to sign."""
    holders = [("--root-key", people.card(name)) for name in ("anna", "ben", "carla")]
    return data("init", "--home", home, *[part for pair in holders for part in pair])


def root(home, version=None):
    name = home.keys / "root.json" if version is None else home.metadata / f"{version}.root.json"
    return Metadata[Root].from_bytes(name.read_bytes())


def change(city, *arguments, by):
    """Make a change of the root, have it signed by `by`, and return the next root."""
    before = root(city)
    run(*arguments, "--home", city.folder)
    run("sign", "--home", city.folder, *[part for pem in by for part in ("--key", pem)])
    after = root(city)
    assert after.signed.version == before.signed.version + 1
    before.signed.verify_delegate("root", after.signed_bytes, after.signatures)
    after.signed.verify_delegate("root", after.signed_bytes, after.signatures)
    return after.signed
