"""Which delegated role may speak for a path: patterns, hashes, and what is no such role."""

from ota.core import delegations, errors


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
        None,
        [],
        role(),
        role(paths="*"),
        role(paths=[1]),
        role(paths=["*"], path_hash_prefixes=["0"]),
        role(path_hash_prefixes=[0]),
        role(name="", paths=["*"]),
        role(name=5, paths=["*"]),
        role(name="x" * 65, paths=["*"]),
        role(name="root", paths=["*"]),
        role(name="timestamp", paths=["*"]),
        role(name="snapshot", paths=["*"]),
        role(name="targets", paths=["*"]),
    ):
        try:
            delegations.matches(bad, "x")
        except errors.BadFormat:
            continue
        raise AssertionError(bad)
