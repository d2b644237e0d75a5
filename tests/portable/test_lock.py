"""The console's lock: lines, challenges, and which answers open it."""

from binascii import hexlify
from hashlib import sha256

from firmware.tasks import lock, unlocking
from ota.core import p256key
from outcomes import finish

ID = "240ac4fffe000001"
ANNA, BEN, OTHER = 7, 8, 9  # private keys


def point(private):
    return hexlify(p256key.public(private)).decode()


class Node:
    """A node with a lock, what is typed to it, and the nonces that it takes."""

    id = ID

    def __init__(self, keys=None):
        self.nonces = 0
        self.errand = ""
        self.clock = self
        keys = {"anna": point(ANNA), "ben": point(BEN)} if keys is None else keys
        self.lock = lock.Lock(keys)

    def random(self, count):
        self.nonces += 1
        return bytes((self.nonces,)) * count

    def uptime_s(self):
        return self.now_s

    def said(self, words, now_s):
        """Type a line; return what is said to it, by the lock or by the judgement of an answer."""
        self.now_s = now_s
        for each in words:
            assert self.lock.hear(each, self) == ""
        said = self.lock.hear(13, self)
        if not (self.lock.desk and self.lock.desk.answer):
            return said
        desk, self.lock.desk = self.lock.desk, None
        name = finish(desk.verify())
        return "opened by " + name if name else "refused"

    def challenge(self, now_s):
        word, id_, nonce = self.said(b"unlock", now_s).split(" ")
        assert (word, id_, len(nonce)) == ("challenge", ID, 32)
        return nonce.encode()


def signed(private, nonce, id_=ID, text=unlocking.TEXT):
    signature = p256key.sign(private, sha256(text % (id_.encode(), nonce)).digest())
    return b" ".join((b"answer", point(private)[2:10].encode(), hexlify(signature)))


def test_a_right_answer_names_its_key():
    for private, name in ((ANNA, "anna"), (BEN, "ben")):
        node = Node()
        assert node.said(signed(private, node.challenge(5)), 64) == "opened by " + name


def test_each_answer_is_for_one_challenge_of_one_node_within_a_minute():
    node = Node()
    now_s = 0
    first = node.challenge(now_s)
    for wrong in (
        lambda nonce: signed(ANNA, nonce, "240ac4fffe000002"),
        lambda nonce: signed(ANNA, nonce, text=b"%s%s"),
        lambda _: signed(ANNA, first),
        lambda nonce: signed(OTHER, nonce),
        lambda nonce: signed(ANNA, nonce)[:-2] + b"01",
        lambda nonce: nonce and b"answer %s x" % point(ANNA)[2:10].encode(),
        lambda _: b"answer  ",
    ):
        now_s += 100
        nonce = node.challenge(now_s)
        assert node.said(wrong(nonce), now_s) == "refused"
        now_s += 100
        assert node.said(signed(ANNA, nonce), now_s).startswith("locked to")  # its one answer was
    late = signed(ANNA, node.challenge(now_s))
    assert node.said(late, now_s + 60).startswith("locked to")
    other_mark = (
        b"answer " + point(ANNA)[2:10].encode() + signed(OTHER, node.challenge(now_s + 100))[15:]
    )
    assert node.said(other_mark, now_s + 100) == "refused"


def test_who_asks_again_is_told_the_same_until_it_is_answered_or_a_minute_is_over():
    node = Node()
    nonce = node.challenge(0)
    assert node.challenge(59) == nonce
    assert node.said(signed(ANNA, nonce), 59) == "opened by anna"
    assert node.challenge(61) != nonce
    assert len({nonce, node.challenge(61 + 60), node.challenge(61 + 120)}) == 3


def test_only_an_answer_by_the_name_of_a_known_key_is_judged():
    node = Node()
    nonce = node.challenge(0)
    words = b"answer 01234567 3006020101020101"
    for each in words:
        node.lock.hear(each, node)
    assert node.lock.hear(13, node) == "refused"
    node.lock.look(0)
    assert node.lock.desk is None
    assert node.challenge(1) != nonce


def test_beside_an_update_it_gives_no_challenge():
    node = Node()
    node.errand = "an update"
    assert node.said(b"unlock", 1) == "busy with an update"
    assert node.said(b"", 2) == "locked to anna, ben"
    node.errand = ""
    assert node.challenge(2)


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
    node = Node({})
    assert node.said(b"", 0) == "locked to nobody"
    assert node.said(signed(ANNA, node.challenge(0)), 0) == "refused"
