"""Semantic versions, on both interpreters."""

from ota.core.errors import BadFormat
from ota.core.versions import key
from outcomes import refused


def test_precedence_of_the_specification():
    ordered = (
        "0.0.0",
        "0.9.10",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
        "1.0.1-0",
        "1.0.1",
        "1.2.0",
        "1.10.0",
        "2.0.0",
    )
    for i, low in enumerate(ordered):
        assert key(low) == key(low)
        for high in ordered[i + 1 :]:
            assert key(low) < key(high), (low, high)


def test_build_metadata_has_no_precedence():
    assert key("1.0.0+20130313144700") == key("1.0.0") == key("1.0.0+x-1.0")
    assert key("1.0.0-rc.1+x") == key("1.0.0-rc.1")


def test_the_longest_versions():
    assert key("123456789.0.0")[0] == 123456789
    assert key("1.2.3-" + "a" * 26) < key("1.2.3")
    assert key("1.2.3-123456789") < key("1.2.3-1234567890a")


def test_a_refusal_quotes_the_version():
    for bad in (
        "1",
        "1.2",
        "1.2.x",
        "1.2.3-",
        "1.2.3-01",
        "1.2.3-a_b",
        "1.2.3+",
        "1.2.3-1234567890",
    ):
        assert refused(BadFormat, key, bad) == "version: '%s' is not semantic" % bad
    for bad in ("", None, 1, "1.2.3-" + "a" * 27):
        assert refused(BadFormat, key, bad) == "version: 1 to 32 characters expected"


def test_what_is_no_version():
    for bad in (
        "",
        "1",
        "1.2",
        "1.2.3.4",
        "01.2.3",
        "1.02.3",
        "1.2.03",
        "v1.2.3",
        "1.2.3-",
        "1.2.3+",
        "1.2.3-a..b",
        "1.2.3-01",
        "1.2.3-a_b",
        "1.2.3+a+b",
        "-1.2.3",
        "1.2.-3",
        "1. 2.3",
        "1.2.3\n",
        "1.2.3-\u00e4",
        "1.2.\u00b2",
        "1/../2.3",
        "1.2.1234567890",
        "1.2.3-" + "a" * 40,
        None,
        1,
        b"1.2.3",
        ["1.2.3"],
    ):
        refused(BadFormat, key, bad)
