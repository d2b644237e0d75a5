"""What stands where the outbox wants to be costs no window and no start."""

import os

from firmware.ports import unix
from firmware.tasks.outbox import FOLDER, Outbox
from outboxes import add, waiting, window
from sim import memory


def files():
    """Give a storage of real files, below /tmp."""
    root = "/tmp/lamppost-" + "".join(["%02x" % byte for byte in os.urandom(6)])
    for path in ("", "/data"):
        os.mkdir(root + path)
    return unix.Storage(root)


def test_a_file_in_the_folders_place_is_set_aside():
    for storage in (memory.Storage(), files()):
        storage.write(FOLDER, b"no folder")
        box = Outbox(storage, os.urandom)
        box.add(window(5))
        assert waiting(Outbox(storage, os.urandom)) == [(box.box, 1, 5)]
        assert storage.read(FOLDER + ".odd", 20) == b"no folder"


def test_folders_among_the_segments_are_left_alone():
    storage = files()
    for name in ("", "/00000001.0000abcd", "/00000009.0000abcd", "/00000002.0000abcd.new"):
        storage.make_folder(FOLDER + name)
    box = Outbox(storage, os.urandom)
    add(box, range(30))
    expected = [(box.box, t + 1, t) for t in range(30)]
    assert waiting(box) == expected
    assert waiting(Outbox(storage, os.urandom)) == expected
    for position, name, entry in list(box.pending()):
        box.acknowledge(position, name, entry["seq"])
    assert waiting(Outbox(storage, os.urandom)) == []
