"""The list of blocks of a MicroPython, on both interpreters."""

import io

from ota.core import errors, limits, runtime
from outcomes import refused

DIGEST = "0123456789abcdef" * 4
HEAD = b'{"version": "1.28.0", "size": 70000, "later": [1]}\n'
LINE = b'["%s", 9, "later"]\n' % DIGEST.encode()


def blocks(data):
    return list(runtime.blocks(io.BytesIO(data)))


def test_blocks_are_whole_but_for_the_last():
    assert runtime.header(HEAD) == ("1.28.0", 70000)
    found = blocks(HEAD + LINE * 3)
    assert found == [(32768, DIGEST, 9), (32768, DIGEST, 9), (4464, DIGEST, 9)]
    whole = HEAD.replace(b"70000", b"65536")
    assert [size for size, _, _ in blocks(whole + LINE * 2)] == [32768, 32768]


def test_the_extremes_of_a_list():
    for size in (1, limits.APP_BYTES):
        assert runtime.header(HEAD.replace(b"70000", b"%d" % size))[1] == size
    small = HEAD.replace(b"70000", b"1")
    for zsize in (1, limits.FILE_BYTES):
        line = LINE.replace(b" 9", b" %d" % zsize)
        assert blocks(small + line) == [(1, DIGEST, zsize)]
    bare = LINE.replace(b', "later"', b"")
    assert blocks(small + bare) == [(1, DIGEST, 9)]
    longest = bare.replace(b" 9", b" " * (129 - len(bare)) + b"9")
    head = small.replace(b"[1]", b"[" + b" " * (128 - len(small)) + b"1]")
    assert len(longest) == len(head) == 128
    assert blocks(head + longest) == [(1, DIGEST, 9)]


def test_a_refused_list_says_why():
    for data, text in (
        (b"[]\n", "runtime: header"),
        (HEAD.replace(b"70000", b"0"), "runtime: 0 bytes"),
        (HEAD[:-1], "runtime: line cut short or too long"),
        (HEAD.replace(b"}", b""), "runtime: line is not JSON"),
        (HEAD + b"{}\n", "runtime: a block has two members"),
        (HEAD + b"[1]\n", "runtime: a block has two members"),
        (HEAD + LINE[1:], "runtime: line is not JSON"),
        (HEAD + LINE.replace(b'["0', b'["'), "runtime: SHA-256 of a block"),
        (HEAD + LINE.replace(b" 9", b" 0"), "runtime: size of a block"),
        (HEAD + LINE * 2, "runtime: line cut short or too long"),
        (HEAD + LINE * 4, "runtime: more blocks than its size has"),
    ):
        assert refused(errors.RepositoryError, blocks, data) == text


class Endless:
    """Gives as much of one line as it is asked for, after what it begins with."""

    def __init__(self, lines):
        self.lines = lines
        self.given = 0

    def readline(self, size):
        if self.lines:
            return self.lines.pop(0)
        self.given += size
        return b"x" * size


def test_lines_without_end_are_not_read():
    whole = [HEAD.replace(b"70000", b"1"), LINE]
    for begin in ([], whole[:1], whole[:]):
        lines = Endless(begin)
        refused(errors.BadFormat, list, runtime.blocks(lines))
        assert lines.given <= 256


def test_lists_that_are_wrong():
    most = b"%d" % (limits.APP_BYTES + 1)
    for old, new in (
        (b'"1.28.0"', b'"1.28"'),
        (b'"1.28.0"', b"28"),
        (b'"size"', b'"sighs"'),
        (b"70000", b"0"),
        (b"70000", b"-5"),
        (b"70000", most),
        (b"70000", b"7e4"),
        (b"70000", b'"70000"'),
        (b"70000", b"true"),
        (b"}\n", b"}"),
        (b"{", b"[{"),
        (b"[1]", b"[" + b"1," * 80 + b"1]"),
    ):
        assert old in HEAD
        refused(errors.RepositoryError, blocks, HEAD.replace(old, new) + LINE * 3)
    refused(errors.RepositoryError, blocks, b"")


def test_blocks_that_are_wrong():
    for old, new in (
        (DIGEST.encode(), DIGEST[1:].encode()),
        (DIGEST.encode(), b"g" + DIGEST[1:].encode()),
        (DIGEST.encode(), b"A" + DIGEST[1:].encode()),
        (b", 9", b""),
        (b", 9", b", 0"),
        (b", 9", b", 9.0"),
        (b", 9", b", true"),
        (b", 9", b", %d" % (limits.FILE_BYTES + 1)),
        (b"]\n", b"]"),
        (b"]\n", b"\n"),
        (b"later", b"l" * 60),
    ):
        assert old in LINE
        refused(errors.RepositoryError, blocks, HEAD + LINE + LINE.replace(old, new) + LINE)
    refused(errors.RepositoryError, blocks, HEAD + LINE * 2)
    refused(errors.RepositoryError, blocks, HEAD + LINE * 4)
    refused(errors.RepositoryError, blocks, HEAD + LINE * 3 + b"\n")
