"""Answers that the node's HTTP client refuses, each on a connection that it then gives up."""

from scripted import OK, head, hurry, refused

from ota.core import errors


def test_too_much_is_refused_before_it_is_read():
    refused(head(b"Content-Length: 2049", body=b"x" * 2049), errors.TooLong)
    refused(head(b"Content-Length: 11", body=b"x" * 11), errors.TooLong, limit=10)


def test_too_little_is_closed():
    refused([head(b"Content-Length: 10", body=b"123"), "close"], errors.Closed)
    refused([b"HTTP/1.1 200 OK\r\nContent-Le", "close"], errors.Closed)


def test_framing_that_is_not_ours_is_refused():
    chunked = head(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n")
    refused(chunked, errors.BadResponse)
    both = head(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"hello")
    refused(both, errors.BadResponse)
    packed = head(b"Content-Length: 5", b"Content-Encoding: gzip", body=b"hello")
    refused(packed, errors.BadResponse)
    refused([head(body=b"until the end"), "close"], errors.BadResponse)
    for length in (b"-1", b"+5", b"5, 5", b"0x5", b"", b"1e3", b"9999999999"):
        refused(head(b"Content-Length: " + length, body=b"hello"), errors.BadResponse)
    twice = head(b"Content-Length: 5", b"Content-Length: 6", body=b"hello")
    refused(twice, errors.BadResponse)
    refused(head(b"Content-Length : 5", body=b"hello"), errors.BadResponse)
    refused(head(b"Content-Length: 5", b"no colon here", body=b"hello"), errors.BadResponse)
    refused(head(b"Content-Length: 5", b"Date: \xff\xfe", body=b"hello"), errors.BadResponse)


def test_redirects_and_interim_answers_are_refused():
    moved = head(b"Location: http://evil/", b"Content-Length: 0", status=b"302 Found")
    refused(moved, errors.BadResponse)
    refused(head(status=b"304 Not Modified"), errors.BadResponse)
    refused(head(status=b"100 Continue") + OK, errors.BadResponse)


def test_what_is_not_http_is_refused():
    for junk in (b"SSH-2.0-x\r\n\r\n", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 2xx OK\r\n\r\n"):
        refused(junk, errors.BadResponse)


def test_an_endless_head_is_refused():
    refused(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000, errors.BadResponse)
    many = head(*[b"X-%d: %s" % (i, b"y" * 500) for i in range(40)])
    refused(many, errors.BadResponse)


def test_silence_and_a_trickle_end_at_the_deadline(monkeypatch):
    hurry(monkeypatch)
    refused(["stall"], errors.Timeout)
    refused([head(b"Content-Length: 500", body=b"x"), "stall"], errors.Timeout, limit=500)
    refused([b"HTTP/1.1 200 OK\r\n", "stall"], errors.Timeout)
