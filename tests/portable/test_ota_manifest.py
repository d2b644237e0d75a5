"""Manifests, on both interpreters."""

import io

from ota.core import errors, limits, manifest

HEAD = (
    b'{"version": "1.1.0", "board": "esp32", "floor": "1.0.0", "runtime": "1.27.0",'
    b' "built": 1795000000, "min_level": 20, "later": [1]}\n'
)
DIGEST = "0123456789abcdef" * 4


def line(path="firmware/main.mpy", size=10, digest=DIGEST, zsize=8):
    return b'["%s", %d, "%s", %d]\n' % (path.encode(), size, digest.encode(), zsize)


def refused(error, function, *arguments):
    try:
        function(*arguments)
    except error:
        return
    raise AssertionError(arguments)


def test_a_header():
    head = manifest.header(HEAD)
    assert (head["version"], head["min_level"], head["later"]) == ("1.1.0", 20, [1])


def test_headers_that_are_wrong():
    for old, new in (
        (b'"1.1.0"', b'"1.1"'),
        (b'"1.1.0"', b'"0.9.0"'),  # below its own floor
        (b'"esp32"', b'""'),
        (b'"esp32"', b"5"),
        (b'"floor"', b'"flaw"'),
        (b'"1.27.0"', b"null"),
        (b"1795000000", b"1e9"),
        (b"1795000000", b"-1"),
        (b'": 20', b'": 101'),
        (b'": 20', b'": true'),
        (b'": 20', b'": "20"'),
        (b'": 20', b'": 20.0'),
        (b"}\n", b"\n"),
        (b"}\n", b"}"),
        (b"{", b"[{"),
        (b'"esp32"', b'"' + b"x" * 300 + b'"'),
    ):
        assert old in HEAD
        refused(errors.BadFormat, manifest.header, HEAD.replace(old, new))
    for bad in (b"", b"\n", b"[]\n", b"null\n", b"\xff\n"):
        refused(errors.BadFormat, manifest.header, bad)


def test_who_may_install_it():
    head = manifest.header(HEAD)
    manifest.suited(head, "esp32", "1.1.0", "1.27.0", "1.0.0")
    manifest.suited(head, "esp32", "1.1.0", "1.29.0", "1.1.0")
    refused(errors.Unsuited, manifest.suited, head, "esp32c3", "1.1.0", "1.27.0", "1.0.0")
    refused(errors.Unsuited, manifest.suited, head, "esp32", "1.1.1", "1.27.0", "1.0.0")
    refused(errors.Unsuited, manifest.suited, head, "esp32", "1.1.0", "1.26.1", "1.0.0")
    refused(errors.Rollback, manifest.suited, head, "esp32", "1.1.0", "1.27.0", "1.1.1")


def test_a_file_line():
    assert manifest.entry(line()) == ("firmware/main.mpy", 10, DIGEST, 8)
    more = b'["ota/core/p256.mpy", 0, "%s", 8, {"later": 1}]\n' % DIGEST.encode()
    assert manifest.entry(more)[0] == "ota/core/p256.mpy"


def test_paths_that_leave_the_slot():
    for path in (
        "",
        "/firmware/main.mpy",
        "../boot.py",
        "firmware/../../boot.py",
        "firmware/./main.mpy",
        "firmware//main.mpy",
        "firmware/main.mpy/",
        "firmware/.hidden",
        "firmware\\\\x",
        "firmware/main.mpy\\u0000",
        "manifest.jsonl",
        "boot.py",
        "lib/startup.mpy",
        "ota/build/x.mpy",
        "firmware/Main.mpy",
        "firmware/a b",
        "firmware/\u00e4",
        "firmware/" + "a" * 60,
    ):
        refused(errors.BadFormat, manifest.entry, line(path))


def test_file_lines_that_are_wrong():
    refused(errors.BadFormat, manifest.entry, line(digest=DIGEST[1:]))
    refused(errors.BadFormat, manifest.entry, line(digest=DIGEST.upper()))
    refused(errors.BadFormat, manifest.entry, line(digest=DIGEST[:-1] + "/"))
    refused(errors.BadLength, manifest.entry, line(size=-1))
    refused(errors.BadLength, manifest.entry, line(zsize=limits.FILE_BYTES + 1))
    for old, new in (
        (b" 10,", b" 10.0,"),
        (b" 8]", b"]"),
        (b" 8]", b' "8"]'),
        (b" 10,", b" true,"),
    ):
        assert old in line()
        refused(errors.RepositoryError, manifest.entry, line().replace(old, new))


def test_files_ascend_so_none_comes_twice():
    both = [manifest.entry(line("firmware/a.mpy"))]
    both.append(manifest.entry(line("firmware/b.mpy"), both[0][0]))
    refused(errors.BadFormat, manifest.entry, line("firmware/a.mpy"), "firmware/a.mpy")
    refused(errors.BadFormat, manifest.entry, line("firmware/a.mpy"), "firmware/b.mpy")


def test_a_whole_manifest():
    data = HEAD + line("firmware/a.mpy") + line("firmware/b.mpy")
    assert manifest.whole(io.BytesIO(data))["version"] == "1.1.0"
    refused(errors.BadFormat, manifest.whole, io.BytesIO(HEAD))
    refused(errors.BadFormat, manifest.whole, io.BytesIO(data[:-5]))
    refused(errors.BadFormat, manifest.whole, io.BytesIO(data + b"\n"))


def test_more_than_a_slot_holds():
    names = ["firmware/%02d.mpy" % i for i in range(limits.MANIFEST_FILES + 1)]
    data = HEAD + b"".join([line(name) for name in names])
    refused(errors.BadLength, manifest.whole, io.BytesIO(data))
    big = [line(name, size=limits.FILE_BYTES) for name in names[:7]]
    refused(errors.BadLength, manifest.whole, io.BytesIO(HEAD + b"".join(big)))
