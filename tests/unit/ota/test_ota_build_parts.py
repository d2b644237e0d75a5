"""Schemes that a release has only when it is built with them."""

import pytest

from ota.build.sources import OPTIONAL, collect

ALL = {path for paths in OPTIONAL.values() for path in paths}


def paths(*parts):
    return {source.path for source in collect(wanted=parts)}


def test_none_is_there_by_default():
    found = paths()
    assert not found & ALL
    assert {"ota/core/p256.py", "ota/core/rsa.py", "ota/core/delegations.py"} <= found


@pytest.mark.parametrize("part", OPTIONAL)
def test_each_comes_with_what_it_takes_and_nothing_else(part):
    assert paths(part) - paths() == set(OPTIONAL[part])


def test_all_together_are_every_file():
    assert paths(*OPTIONAL) - paths() == ALL
