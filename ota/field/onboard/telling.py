"""What programs for the cable have in common: how they tell, without what is secret, and end.

Put in front of a program that imports from it (ota/field/session.py).
"""

import gc
import json
import sys
import time

import machine

_FILE_BYTES = 8192
_HIDDEN = "(hidden)"
_SECRET_MIN = 4  # shorter ones are no secrets, and would blot out half of all words

_secrets: list = []


def tell(name: str, value: object) -> None:
    """Tell the laptop; what is secret never goes."""
    print("@" + json.dumps([name, clean(value)]))


def clean(value):  # noqa: ANN001, ANN201 - what JSON has
    """Cut what is secret out of every text."""
    if type(value) is str:
        for secret in _secrets:
            value = value.replace(secret, _HIDDEN)
    elif type(value) is dict:
        return {name: clean(value[name]) for name in value}
    elif type(value) in (list, tuple):
        return [clean(each) for each in value]
    return value


def ask(name: str, function, *args: object) -> None:  # noqa: ANN001
    """Tell what a function finds, or why it does not."""
    try:
        found = function(*args)
    except Exception as error:
        found = {"fault": "%s: %s" % (type(error).__name__, error)}
    tell(name, found)
    gc.collect()


def read(path: str, limit: int = _FILE_BYTES) -> bytes | None:
    """Read at most `limit` bytes of a file; None when there is none."""
    try:
        with open(path, "rb") as file:
            return file.read(limit)
    except OSError:
        return None


def text(data: bytes | None) -> str | None:
    """Give bytes as printable ASCII."""
    if data is None:
        return None
    return "".join([chr(each) if 32 <= each < 127 or each == 10 else "?" for each in data])


def restart() -> None:
    """Start anew, by intent where the boot code is ours: no crash is counted for it."""
    try:
        sys.path.append("/lib")
        import bootrecord  # pyright: ignore[reportMissingImports] - in /lib
        import startup  # pyright: ignore[reportMissingImports] - in /lib

        record = bootrecord.newest([read("/data/boot.%d" % each) for each in (0, 1)])
        startup.keep(bootrecord, bootrecord.planned(record))
    except Exception as error:
        tell("unplanned", "%s: %s" % (type(error).__name__, error))
    time.sleep(0.2)  # for the last line to leave
    machine.reset()


def learn_secrets() -> None:
    """Note what must never be told: password and claim, wherever else they may stand."""
    words: list = [text(read("/etc/claim", 256))]
    for path in ("/etc/config.json", "/data/config.json"):
        try:
            word = json.loads(read(path) or b"{}")["wifi"]["password"]
            words += [word, text(word.encode())]
        except (ValueError, KeyError, TypeError, RuntimeError, AttributeError):
            continue
    for word in [(each or "").strip() for each in words]:
        if len(word) >= _SECRET_MIN and word not in _secrets:
            _secrets.append(word)
