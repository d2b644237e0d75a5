"""Manifests, on both interpreters."""

import io

from ota.core import errors, limits, manifest
from outcomes import refused

HEAD = (
    b'{"version": "1.1.0", "board": "esp32", "floor": "1.0.0", "runtime": "1.27.0",'
    b' "built": 1795000000, "min_level": 20, "later": [1]}\n'
)
DIGEST = "0123456789abcdef" * 4


def line(path="firmware/main.mpy", size=10, digest=DIGEST, zsize=8):
    return b'["%s", %d, "%s", %d]\n' % (path.encode(), size, digest.encode(), zsize)


def test_a_header():
    head = manifest.header(HEAD)
    assert (head["version"], head["min_level"], head["later"]) == ("1.1.0", 20, [1])


def test_the_extremes_of_a_header():
    for old, new in (
        (b"1795000000", b"0"),
        (b"1795000000", b"%d" % (1 << 40)),
        (b'": 20', b'": 0'),
        (b'": 20', b'": 100'),
        (b'"esp32"', b'"' + b"x" * (limits.MANIFEST_LINE_BYTES - len(HEAD) + 5) + b'"'),
    ):
        assert manifest.header(HEAD.replace(old, new))
    late = HEAD.replace(b"1795000000", b"%d" % ((1 << 40) + 1))
    assert refused(errors.BadFormat, manifest.header, late) == "manifest: built"


def test_a_refused_header_says_which_key():
    for old, new, text in (
        (b'"1.1.0"', b'"1.1"', "version: '1.1' is not semantic"),
        (b'"1.1.0"', b'"0.9.0"', "manifest: version below its own floor"),
        (b'"esp32"', b'""', "manifest: board"),
        (b"1795000000", b"-1", "manifest: built"),
        (b'": 20', b'": 101', "manifest: min_level"),
        (b"}\n", b"\n", "manifest: line is not JSON"),
        (b"}\n", b"}", "manifest: line cut short or too long"),
        (HEAD, b"[]\n", "manifest: header is not an object"),
    ):
        assert refused(errors.BadFormat, manifest.header, HEAD.replace(old, new)) == text


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
    for error, node, text in (
        (errors.Unsuited, ("esp32c3", "1.1.0", "1.27.0", "1.0.0"), "release for board esp32"),
        (errors.Unsuited, ("esp32", "1.1.1", "1.27.0", "1.0.0"), "release is 1.1.0, not 1.1.1"),
        (
            errors.Unsuited,
            ("esp32", "1.1.0", "1.26.1", "1.0.0"),
            "release needs MicroPython 1.27.0",
        ),
        (
            errors.Rollback,
            ("esp32", "1.1.0", "1.27.0", "1.1.1"),
            "1.1.0 is below the security floor 1.1.1",
        ),
    ):
        assert refused(error, manifest.suited, head, *node) == text


def test_a_release_that_brings_its_micropython_needs_no_more_than_that():
    data = HEAD.replace(b'"1.27.0"', b'"1.28.0", "micropython": "1.28.1"')
    head = manifest.header(data)
    manifest.suited(head, "esp32", "1.1.0", head["micropython"], "1.0.0")
    text = refused(errors.Unsuited, manifest.suited, head, "esp32", "1.1.0", "1.27.0", "1.0.0")
    assert text == "release needs MicroPython 1.28.0"
    assert manifest.header(data.replace(b"1.28.1", b"1.28.0"))["micropython"] == "1.28.0"
    less = data.replace(b"1.28.1", b"1.27.9")
    text = refused(errors.BadFormat, manifest.header, less)
    assert text == "manifest: brings less than it needs"


def test_a_file_line():
    assert manifest.entry(line()) == ("firmware/main.mpy", 10, DIGEST, 8)
    more = b'["ota/core/p256.mpy", 0, "%s", 8, {"later": 1}]\n' % DIGEST.encode()
    assert manifest.entry(more)[0] == "ota/core/p256.mpy"
    longest = "firmware/" + "a" * (limits.PATH_CHARS - 9)
    most = limits.FILE_BYTES
    assert manifest.entry(line(longest, most, zsize=most)) == (longest, most, DIGEST, most)


def test_a_refused_line_says_which_file():
    path = "firmware/main.mpy"
    for bad, text in (
        (b"{}\n", "manifest: a file line has four members"),
        (b'["x", 1, "y"]\n', "manifest: a file line has four members"),
        (line("../boot.py"), "manifest: path '../boot.py'"),
        (line(digest="00"), "manifest: SHA-256 of " + path),
        (line()[:-1], "manifest: line cut short or too long"),
    ):
        assert refused(errors.BadFormat, manifest.entry, bad) == text
    assert refused(errors.BadLength, manifest.entry, line(size=-1)) == "manifest: size of " + path
    text = refused(errors.BadFormat, manifest.entry, line(), "firmware/n")
    assert text == "manifest: firmware/main.mpy is out of order"


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
    text = refused(errors.BadFormat, manifest.whole, io.BytesIO(HEAD))
    assert text == "manifest: no files"
    for again in ("firmware/a.mpy", "firmware/b.mpy"):
        text = refused(errors.BadFormat, manifest.whole, io.BytesIO(data + line(again)))
        assert text == "manifest: %s is out of order" % again
    refused(errors.BadFormat, manifest.whole, io.BytesIO(data[:-5]))
    refused(errors.BadFormat, manifest.whole, io.BytesIO(data + b"\n"))


def test_more_than_a_slot_holds():
    names = ["firmware/%02d.mpy" % i for i in range(limits.MANIFEST_FILES + 1)]
    data = HEAD + b"".join([line(name) for name in names])
    refused(errors.BadLength, manifest.whole, io.BytesIO(data))
    assert manifest.whole(io.BytesIO(HEAD + b"".join([line(name) for name in names[:-1]])))
    files = limits.SLOT_BYTES // limits.FILE_BYTES
    full = HEAD + b"".join([line(name, size=limits.FILE_BYTES) for name in names[:files]])
    assert manifest.whole(io.BytesIO(full))
    more = io.BytesIO(full + line(names[files], size=1))
    assert refused(errors.BadLength, manifest.whole, more) == "manifest: more than a slot holds"


class Endless:
    """Gives as much of one line as it is asked for."""

    def __init__(self, head):
        self.head = head
        self.given = 0

    def readline(self, size):
        if self.head:
            head, self.head = self.head, b""
            return head
        self.given += size
        return b"x" * size


def test_lines_as_long_as_the_cap_and_lines_without_end():
    filler = b" " * (limits.MANIFEST_LINE_BYTES - len(HEAD))
    head = HEAD.replace(b'"later"', filler + b'"later"')
    first = line().replace(b" 8]", b" " * (limits.MANIFEST_LINE_BYTES - len(line())) + b" 8]")
    assert len(head) == len(first) == limits.MANIFEST_LINE_BYTES
    assert manifest.whole(io.BytesIO(head + first))
    for begin in (b"", HEAD):
        file = Endless(begin)
        text = refused(errors.BadFormat, manifest.whole, file)
        assert text == "manifest: line cut short or too long"
        assert file.given <= 2 * limits.MANIFEST_LINE_BYTES
