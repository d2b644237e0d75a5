"""Delegated roles, made by the reference library and searched by the node; on flash at the end."""

import asyncio
import datetime as dt

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, TargetFile, Targets
from tufclients import PATH
from tufserver import EXPIRES
from updating import NOW

from ota.core import errors, limits
from ota.core.delegations import ROLES
from ota.device import delegated, fetch

_KEYS = [CryptoSigner.generate_ecdsa() for _ in range(4)]


class Tree:
    """A tree of delegations over the repository: `add` a role, then `publish`."""

    def __init__(self, repository):
        self.repository = repository
        self.roles = {}
        self.signers = {}

    def add(self, name, above="targets", paths=("*/*",), signer=_KEYS[0], **options):
        delegator = self.repository.targets if above == "targets" else self.roles[above]
        if delegator.delegations is None:
            delegator.delegations = Delegations({}, {})
        options.setdefault("terminating", False)
        if "path_hash_prefixes" not in options:
            options["paths"] = list(paths)
        delegator.delegations.roles[name] = DelegatedRole(name, [], 1, **options)
        delegator.add_key(signer.public_key, name)
        self.roles.setdefault(name, Targets(expires=EXPIRES))
        self.signers.setdefault(name, signer)
        return self

    def list(self, name, path=PATH, data=b"data"):
        self.roles[name].targets[path] = TargetFile.from_data(path, data, ["sha256"])
        return self

    def publish(self, *, hashes=True):
        for name, role in self.roles.items():
            role.version += 1
            signed = Metadata(role)
            signed.sign(self.signers[name])
            data = signed.to_bytes()
            url = f"{role.version}.{delegated.quoted(name)}.json"
            self.repository.files[url] = data
            meta = self.repository._meta(role.version, data, hashes)
            self.repository.snapshot.meta[f"{name}.json"] = meta
        self.repository.publish()


@pytest.fixture
def tree(repository):
    return Tree(repository)


def test_a_board_has_a_role_of_its_own(tree, flash):
    tree.add("esp32", paths=["esp32/*"]).add("esp32c3", paths=["esp32c3/*"])
    tree.list("esp32").list("esp32c3", "esp32c3/1.0.0.jsonl", b"other")
    tree.publish()
    found, fetched = flash.find()
    assert found[0] == 4
    assert fetched == ["2.esp32.json"]
    assert flash.roles() == {"esp32.json"}


def test_what_is_kept_is_not_fetched_again(tree, flash):
    tree.add("esp32").list("esp32").publish()
    assert flash.find()[1] == ["2.esp32.json"]
    assert flash.find() == ((4, flash.find()[0][1]), [])
    tree.publish()
    assert flash.find()[1] == ["3.esp32.json"]


def test_damaged_flash_is_as_good_as_none(tree, flash):
    tree.add("esp32").list("esp32").publish()
    flash.find()
    (flash.data / "tuf" / "esp32.json").write_bytes(b"\xff" * 700)
    assert flash.find()[1] == ["2.esp32.json"]


def test_the_release_comes_by_a_delegated_role(tree, flash, repository, tmp_path):
    tree.add("esp32").list("esp32", data=b"manifest").publish()
    digest = tree.roles["esp32"].targets[PATH].hashes["sha256"]
    repository.files[f"targets/esp32/{digest}.1.0.0.jsonl"] = b"manifest"

    trusted = flash.refresh()

    async def main():
        path = str(tmp_path / "manifest")
        found = await fetch.listed(flash.client, str(flash.data), trusted, PATH)
        await fetch.target(flash.client, PATH, found, path)
        return found[1]

    assert asyncio.run(main()) == digest
    assert (tmp_path / "manifest").read_bytes() == b"manifest"


def test_another_boards_role_cannot_speak_for_this_one(tree, flash):
    tree.add("esp32c3", paths=["esp32c3/*"]).list("esp32c3", PATH, b"wrong software").publish()
    assert flash.find() == (None, [])
    assert flash.roles() == set()


def test_the_top_level_comes_first(tree, flash, repository):
    repository.add(PATH, b"top")
    tree.add("esp32").list("esp32").publish()
    assert flash.find()[0][0] == 3


def test_pre_order_and_the_first_that_lists_it(tree, flash):
    tree.add("a").add("b").add("c", "a").add("d", "a").add("e", "b")
    tree.list("d", data=b"by d").list("b", data=b"by the later b").publish()
    found, fetched = flash.find()
    assert (found[0], fetched) == (4, ["2.a.json", "2.c.json", "2.d.json"])


def test_a_terminating_role_ends_the_search_with_its_descendants(tree, flash):
    tree.add("a", terminating=True).add("b").add("c", "a").list("b").publish()
    assert flash.find() == (None, ["2.a.json", "2.c.json"])


def test_a_circle_is_walked_once(tree, flash):
    tree.add("a").add("b", "a").add("a", "b").publish()
    assert flash.find() == (None, ["2.a.json", "2.b.json"])


def test_hash_prefixes_spread_targets_over_bins(tree, flash):
    digits = "0123456789abcdef"
    tree.add("low", path_hash_prefixes=list(digits[:8]))
    tree.add("high", path_hash_prefixes=list(digits[8:]))
    tree.list("low").list("high").publish()
    assert len(flash.find()[1]) == 1


@pytest.mark.parametrize("name", ["../root", "/etc/x", "?", "#", "%2e", "ünï", "a b"])
def test_a_name_is_no_path(tree, flash, name, tmp_path):
    tree.add(name).list(name).publish()
    found, fetched = flash.find()
    assert found
    assert fetched == ["2." + delegated.quoted(name) + ".json"]
    assert flash.roles() == {delegated.quoted(name) + ".json"}
    assert {path.name for path in tmp_path.iterdir()} == {"data", "root.json"}


def test_a_role_that_calls_itself_root_is_refused(tree, flash, repository):
    tree.add("esp32").list("esp32").publish()
    signed = repository.targets.to_dict()
    signed["delegations"]["roles"][0]["name"] = "root"
    flash.find("none")
    with pytest.raises(errors.BadFormat, match="name"):
        _search(signed, flash)


def _search(targets, flash):
    from ota.core.delegations import Search  # noqa: PLC0415

    class Trusted:
        pass

    trusted = Trusted()
    trusted.targets = targets
    Search(trusted, PATH)


# What must not pass.


def test_signed_by_a_key_that_is_not_the_roles(tree, flash):
    tree.add("esp32").list("esp32")
    tree.signers["esp32"] = _KEYS[1]
    tree.publish()
    with pytest.raises(errors.BadSignature, match="esp32"):
        flash.find()
    assert flash.roles() == set()


def test_one_delegators_word_is_not_anothers(tree, flash):
    """Reached from another delegator, a role that is kept is verified again, and refused."""
    tree.add("a", paths=["a/*"]).add("b", paths=["b/*"])
    tree.add("release", "a", paths=["a/*"], signer=_KEYS[1])
    tree.add("release", "b", paths=["b/*"], signer=_KEYS[2])
    tree.list("release", "a/x").list("release", "b/x", b"malicious").publish()
    assert flash.find("a/x")[0][0] == 4
    with pytest.raises(errors.BadSignature, match="release"):
        flash.find("b/x")


def test_a_role_that_the_snapshot_does_not_list(tree, flash, repository):
    tree.add("esp32").list("esp32").publish()
    del repository.snapshot.meta["esp32.json"]
    repository.publish()
    with pytest.raises(errors.BadFormat, match="esp32"):
        flash.find()
    assert flash.served == []


def test_an_expired_role(tree, flash):
    tree.add("esp32").list("esp32")
    tree.roles["esp32"].expires = dt.datetime.fromtimestamp(NOW, dt.UTC)
    tree.publish()
    with pytest.raises(errors.Expired):
        flash.find()
    assert flash.roles() == set()


def test_a_role_rolled_back(tree, flash, repository):
    tree.add("esp32").list("esp32").publish()
    flash.find()
    old = repository.files["2.esp32.json"]
    tree.publish()
    repository.files["3.esp32.json"] = old
    with pytest.raises((errors.BadHash, errors.BadLength, errors.TooLong)):
        flash.find()
    tree.roles["esp32"].version = 1
    tree.publish()
    repository.snapshot.meta["esp32.json"].version = 1
    repository.publish()
    with pytest.raises(errors.Rollback, match="esp32"):
        flash.find()


def test_endless_delegations_end(tree, flash):
    above = "targets"
    for i in range(2 * ROLES):
        tree.add(f"r{i}", above)
        above = f"r{i}"
    tree.list(above).publish(hashes=False)
    found, fetched = flash.find()
    assert found is None
    assert len(fetched) == ROLES == len(flash.roles())


def test_the_flash_keeps_no_more_roles_than_one_search_visits(tree, flash):
    for i in range(3 * ROLES):
        tree.add(f"r{i}", paths=[f"{i}/*"]).list(f"r{i}", f"{i}/x")
    tree.publish(hashes=False)
    for i in range(3 * ROLES):
        assert flash.find(f"{i}/x")[0]
        assert len(flash.roles()) <= ROLES


def test_more_bytes_than_the_cap(tree, flash, repository):
    tree.add("esp32").list("esp32").publish()
    repository.files["2.esp32.json"] += b" " * limits.TARGETS_BYTES
    with pytest.raises(errors.TooLong):
        flash.find()
    assert flash.roles() == set()
