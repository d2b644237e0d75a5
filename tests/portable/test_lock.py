"""The console's lock: lines, challenges, and which answers open it."""

from binascii import hexlify
from hashlib import sha256

from firmware.tasks import lock
from ota.core import p256key

ID = "240ac4fffe000001"
ANNA, BEN, OTHER = 7, 8, 9  # private keys


def point(private):
    return hexlify(p256key.public(private)).decode()


class Node:
    """A lock, what is typed to it, and the nonces that it takes."""

    def __init__(self):
        self.nonces = 0
        self.lock = lock.Lock(ID, {"anna": point(ANNA), "ben": point(BEN)}, self.random)

    def random(self, count):
        self.nonces += 1
        return bytes((self.nonces,)) * count

    def said(self, words, now_s):
        """Type a line; return what is said to it."""
        for each in words:
            assert not self.lock.take(each)
        assert self.lock.take(13)
        self.lock.said = ""
        for _ in self.lock.hear(now_s):
            pass
        return self.lock.said

    def challenge(self, now_s):
        word, id_, nonce = self.said(b"unlock", now_s).split(" ")
        assert (word, id_, len(nonce)) == ("challenge", ID, 32)
        return nonce.encode()


def signed(private, nonce, id_=ID, text=lock.TEXT):
    signature = p256key.sign(private, sha256(text % (id_.encode(), nonce)).digest())
    return b" ".join((b"answer", point(private)[2:10].encode(), hexlify(signature)))


def test_a_right_answer_names_its_key():
    for private, name in ((ANNA, "anna"), (BEN, "ben")):
        node = Node()
        assert node.said(signed(private, node.challenge(5)), 64) == "opened by " + name
        assert node.lock.opened == name


def test_each_answer_is_for_one_challenge_of_one_node_within_a_minute():
    node = Node()
    now_s = 0
    first = node.challenge(now_s)
    for late_s, wrong in (
        (0, lambda nonce: signed(ANNA, nonce, "240ac4fffe000002")),
        (0, lambda nonce: signed(ANNA, nonce, text=b"%s%s")),
        (0, lambda _: signed(ANNA, first)),
        (0, lambda nonce: signed(OTHER, nonce)),
        (0, lambda nonce: signed(ANNA, nonce)[:-2] + b"01"),
        (0, lambda nonce: nonce and b"answer %s x" % point(ANNA)[2:10].encode()),
        (0, lambda _: b"answer  "),
        (60, lambda nonce: signed(ANNA, nonce)),
    ):
        now_s += 100
        nonce = node.challenge(now_s)
        assert node.said(wrong(nonce), now_s + late_s) == "refused"
        now_s += 100
        assert node.said(signed(ANNA, nonce), now_s).startswith("locked to")  # its one answer was
    other_mark = (
        b"answer " + point(ANNA)[2:10].encode() + signed(OTHER, node.challenge(now_s + 100))[15:]
    )
    assert node.said(other_mark, now_s + 100) == "refused"
    assert not node.lock.opened


def test_wrong_answers_make_the_next_challenge_wait_twice_as_long():
    node = Node()
    now_s = 0
    for wait_s in (2, 4, 8, 16, 32, 64, 64):
        assert node.said(signed(OTHER, node.challenge(now_s)), now_s) == "refused"
        assert node.said(b"unlock", now_s + 1) == "wait %d s" % (wait_s - 1)
        now_s += wait_s


def test_it_speaks_once_a_second_and_long_lines_lose_their_end():
    node = Node()
    assert node.said(b"", 0) == "locked to anna, ben"
    assert node.said(b"import os", 0) == ""
    assert node.said(b"\xff" * 5000, 1) == "locked to anna, ben"
    assert node.said(b"unlock" + b"k" * 5000, 2) == "locked to anna, ben"
    node.challenge(2)
    assert node.said(b"unlock", 2) == ""
    assert node.nonces == 1


def test_a_console_locked_to_nobody_says_so_and_opens_to_nobody():
    node = Node()
    node.lock = lock.Lock(ID, {}, node.random)
    assert node.said(b"", 0) == "locked to nobody"
    assert node.said(signed(ANNA, node.challenge(0)), 0) == "refused"
