"""Which delegated role may speak for a path: patterns, hashes, and what is no such role."""

from ota.core import delegations, errors
from outcomes import refused


def role(**changes):
    made = {"name": "esp32", "keyids": [], "threshold": 1, "terminating": False}
    made.update(changes)
    return made


def test_patterns_match_folder_by_folder():
    for pattern, path, expected in (
        ("esp32/*.jsonl", "esp32/1.0.0.jsonl", True),
        ("esp32/*", "esp32/1.0.0.jsonl", True),
        ("esp32/*", "esp32c3/1.0.0.jsonl", False),
        ("esp32*/*", "esp32c3/1.0.0.jsonl", True),
        ("*", "esp32/1.0.0.jsonl", False),
        ("*/*", "a/b/c", False),
        ("esp32/?.0.0.jsonl", "esp32/1.0.0.jsonl", True),
        ("esp32/?.0.0.jsonl", "esp32/11.0.0.jsonl", False),
        ("?", "/", False),
        ("ESP32/*", "esp32/1.0.0.jsonl", False),
        ("a*b*c", "axxbyyc", True),
        ("a*b*c", "axxbyycd", False),
        ("a*bc", "abcbc", True),
        ("a*b", "ab", True),
        ("a*b*", "axb", True),
        ("a*", "aX", True),
        ("a*", "b", False),
        ("aX", "a", False),
        ("*a", "ba", True),
        ("**", "", True),
        ("", "", True),
        ("", "a", False),
        ("a", "", False),
        ("[ab]", "a", False),
        ("[ab]", "[ab]", True),
    ):
        found = delegations.matches(role(paths=[pattern]), path)
        assert found is expected, (pattern, path)


def test_names_of_roles_may_fill_their_space():
    assert delegations.matches(role(name="x" * 64, paths=["*"]), "x")


class Told:
    """Stands for tuf.Trusted: files are the signed objects, and taken at their word."""

    def __init__(self, delegations):
        self.targets = {"targets": {}, "delegations": delegations}

    def delegated(self, file, name, delegator):
        assert list(delegator["roles"]) == [name]
        yield
        return file


def walk(delegations, files, path="esp32/a"):
    """Return (what was found, the roles visited in order)."""
    search = delegations_search(delegations, path)
    found, visited = None, []
    while search.role:
        visited.append(search.role)
        steps = search.update(files[search.role])
        next(steps)
        try:
            next(steps)
        except StopIteration as end:
            found = end.value
    assert search.role is None
    return found, visited


def delegations_search(value, path="esp32/a"):
    return delegations.Search(Told(value), path)


def to(*names):
    return {"keys": {}, "roles": [role(name=name, paths=["esp32/*"]) for name in names]}


def test_a_role_is_visited_once_however_it_is_reached():
    listed = {"targets": {"esp32/a": {"length": 5, "hashes": {"sha256": "0" * 64}}}}
    nothing = {"targets": {}}
    circle = {"a": {"targets": {}, "delegations": to("b")}}
    circle["b"] = {"targets": {}, "delegations": to("a", "b", "c")}
    assert walk(to("a"), dict(circle, c=nothing)) == (None, ["a", "b", "c"])
    assert walk(to("a"), dict(circle, c=listed)) == ((5, "0" * 64), ["a", "b", "c"])
    assert walk(to("a", "a", "b"), {"a": nothing, "b": listed})[1] == ["a", "b"]


def test_delegations_without_a_list_of_roles_delegate_nothing():
    """Such as succinct hash bins, which a node does not speak."""
    assert delegations_search({"keys": {}, "succinct_roles": {}}).role is None
    for bad in (5, {}, "esp32", None):
        text = refused(errors.BadFormat, delegations_search, {"keys": {}, "roles": bad})
        assert text == "delegations: roles"


def test_any_of_several_patterns_will_do():
    assert delegations.matches(role(paths=["x/*", "esp32/*"]), "esp32/a")
    assert not delegations.matches(role(paths=[]), "esp32/a")


def test_a_pattern_of_stars_costs_no_eternity():
    assert not delegations.matches(role(paths=["*a" * 40 + "b"]), "a" * 200)


def test_hash_prefixes():
    # SHA-256 of "esp32/a" begins 1ecb...
    from binascii import hexlify  # noqa: PLC0415
    from hashlib import sha256  # noqa: PLC0415

    digest = hexlify(sha256(b"esp32/a").digest()).decode()
    other = "0" if digest[0] != "0" else "1"
    assert delegations.matches(role(path_hash_prefixes=[digest[:4]]), "esp32/a")
    assert delegations.matches(role(path_hash_prefixes=[other, digest]), "esp32/a")
    assert not delegations.matches(role(path_hash_prefixes=[other]), "esp32/a")


def test_what_is_no_delegation():
    for bad in (
        role(),
        role(paths="*"),
        role(paths=[1]),
        role(paths=["*"], path_hash_prefixes=["0"]),
        role(path_hash_prefixes=[0]),
    ):
        text = refused(errors.BadFormat, delegations.matches, bad, "x")
        assert text == "delegations: paths of esp32"
    for bad in (
        None,
        [],
        role(name="", paths=["*"]),
        role(name=5, paths=["*"]),
        role(name="x" * 65, paths=["*"]),
        role(name="root", paths=["*"]),
        role(name="timestamp", paths=["*"]),
        role(name="snapshot", paths=["*"]),
        role(name="targets", paths=["*"]),
    ):
        text = refused(errors.BadFormat, delegations.matches, bad, "x")
        assert text == "delegations: name of a role"
