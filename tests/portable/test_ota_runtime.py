"""The list of blocks of a MicroPython, on both interpreters."""

import io

from ota.core import errors, limits, runtime

DIGEST = "0123456789abcdef" * 4
HEAD = b'{"version": "1.28.0", "size": 70000, "later": [1]}\n'
LINE = b'["%s", 9, "later"]\n' % DIGEST.encode()


def blocks(data):
    return list(runtime.blocks(io.BytesIO(data)))


def refused(error, data):
    try:
        blocks(data)
    except error:
        return
    raise AssertionError(data)


def test_blocks_are_whole_but_for_the_last():
    assert runtime.header(HEAD) == ("1.28.0", 70000)
    found = blocks(HEAD + LINE * 3)
    assert found == [(32768, DIGEST, 9), (32768, DIGEST, 9), (4464, DIGEST, 9)]
    whole = HEAD.replace(b"70000", b"65536")
    assert [size for size, _, _ in blocks(whole + LINE * 2)] == [32768, 32768]


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
        refused(errors.RepositoryError, HEAD.replace(old, new) + LINE * 3)
    refused(errors.RepositoryError, b"")


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
        refused(errors.RepositoryError, HEAD + LINE + LINE.replace(old, new) + LINE)
    refused(errors.RepositoryError, HEAD + LINE * 2)
    refused(errors.RepositoryError, HEAD + LINE * 4)
    refused(errors.RepositoryError, HEAD + LINE * 3 + b"\n")
