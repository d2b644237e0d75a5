"""Sent to a node over its serial port, and run there in the raw REPL: writes files, all or none.

Every file is first written under its name with ".put"; `finish` reads all back, and renames them
only when every one is whole. What a session before this one left is removed.
"""

import json
import os
from binascii import hexlify, unhexlify
from hashlib import sha256

_NEW = ".put"
_PIECE = 256


def answer(*words: object) -> None:
    """Tell the laptop."""
    print("@" + json.dumps(words))


def attempt(act, *what: object) -> None:  # noqa: ANN001 - a callable
    """Act, and say how it went; what was begun is taken back when it fails."""
    try:
        act(*what)
        answer("ok")
    except Exception as error:
        clean()
        full = isinstance(error, OSError) and error.errno == 28
        answer("fault", "the node's flash is full; nothing was changed" if full else repr(error))


def clean() -> None:
    """Make the folder, and remove what was begun in it."""
    try:
        os.mkdir("/etc")
    except OSError:
        pass  # it is there
    for entry in list(os.ilistdir("/etc")):
        if entry[0].endswith(_NEW):
            os.remove("/etc/" + entry[0])


def add(path: str, at: int, piece: str) -> None:
    """Write a piece, in hex, at an offset of a new file."""
    with open(path + _NEW, "ab" if at else "wb") as file:
        if file.seek(0, 2) != at:
            raise ValueError("a piece of %s was lost" % path)
        file.write(unhexlify(piece))


def digest(path: str) -> str:
    """SHA-256 of a file, in hex."""
    found = sha256()
    with open(path, "rb") as file:
        while True:
            piece = file.read(_PIECE)
            if not piece:
                return hexlify(found.digest()).decode()
            found.update(piece)


def finish(sums: list, stale: list) -> None:
    """Check the new files, (path, SHA-256), give them their names, and remove stale ones."""
    for path, wanted in sums:
        if digest(path + _NEW) != wanted:
            raise ValueError("%s did not arrive whole" % path)
    os.sync()
    for path, _ in sums:
        os.rename(path + _NEW, path)
    for path in stale:
        try:
            os.remove(path)
        except OSError:
            pass  # there was none
    os.sync()


attempt(clean)
