"""Files of the release manager: whole on the disk, or not there."""

import errno
import os

import pytest

from ota.build import bundle, keys
from ota.build.errors import BuildError, SigningKeyError


@pytest.fixture
def full_disk(monkeypatch):
    def fsync(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)


def test_half_a_key_does_not_stand_in_the_way_of_a_whole_one(tmp_path, full_disk, monkeypatch):
    path = tmp_path / "root.pem"
    with pytest.raises(SigningKeyError, match="No space"):
        keys.generate(path, None)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    assert keys.generate(path, None).public_key.keyid == keys.load(path, None).public_key.keyid


def test_a_file_that_does_not_reach_the_disk_leaves_the_old_one(tmp_path, full_disk):
    path = tmp_path / "targets.json"
    path.write_bytes(b"old")
    with pytest.raises(BuildError, match="No space"):
        bundle.write(path, b"new")
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"old"
