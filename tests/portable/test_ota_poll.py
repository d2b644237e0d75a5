"""DDI polls and feedback on both interpreters, against answers good and bad."""

import asyncio
import json

from ota.core import errors, limits
from ota.device import http, poll
from outcomes import raised, refused

DEVICE = "aabbccfffeddeeff"
BASE = "/default/controller/v1/" + DEVICE


class Answer(http.Response):
    def __init__(self, status, body):
        super().__init__(status, {"date": "now"}, 0)
        self.body = body if type(body) is bytes else json.dumps(body).encode()

    def refusal(self):
        return errors.ServerError(self.status, 7)


class Client:
    """Answers by path; keeps what was asked."""

    def __init__(self, answers):
        self.answers = answers
        self.asked = []

    async def request(self, method, path, body=b"", content_type=None, limit=2048):
        self.asked.append((method, path, body, content_type, limit))
        status, answer = self.answers[path]
        return Answer(status, answer)


def base(sleep="00:05:00", **links):
    found = {name: {"href": "https://elsewhere.example" + link} for name, link in links.items()}
    return {"config": {"polling": {"sleep": sleep}}, "_links": found}


def deployment(version="1.1.0", name="lamppost", download="forced", update="forced"):
    chunk = {"part": "os", "name": name, "version": version, "artifacts": []}
    return {
        "id": "7",
        "deployment": {"download": download, "update": update, "chunks": [{"name": 1}, 5, chunk]},
    }


def polled(answers):
    client = Client(answers)
    return asyncio.run(poll.poll(client, DEVICE)), client


def test_nothing_to_do():
    offer, client = polled({BASE: (200, base("00:01:30"))})
    assert (offer.sleep_s, offer.action, offer.version) == (90, "", "")
    assert (offer.cancellation, offer.cancels, offer.config) == ("", "", False)
    assert offer.headers == {"date": "now"}
    assert client.asked == [("GET", BASE, b"", None, limits.ANSWER_BYTES)]


def test_an_offer():
    path = BASE + "/deploymentBase/7"
    answers = {
        BASE: (200, base(deploymentBase="/x/deploymentBase/7?c=-12", configData="/y")),
        path: (200, deployment()),
    }
    offer, client = polled(answers)
    assert (offer.action, offer.version, offer.config) == ("7", "1.1.0", True)
    assert [asked[1] for asked in client.asked] == [BASE, path]  # never where a link leads


def test_an_offer_that_is_not_to_be_taken_now():
    for held in ({"download": "skip"}, {"update": "skip"}):
        answers = {
            BASE: (200, base(deploymentBase="/7")),
            BASE + "/deploymentBase/7": (200, deployment(**held)),
        }
        assert polled(answers)[0].action == ""


def test_a_cancellation():
    answers = {
        BASE: (200, base(cancelAction="/c/9", deploymentBase="/7")),
        BASE + "/cancelAction/9": (200, {"id": "9", "cancelAction": {"stopId": "7"}}),
    }
    offer, _ = polled(answers)
    assert (offer.action, offer.cancellation, offer.cancels) == ("", "9", "7")


def test_how_long_to_sleep():
    for text, seconds in (
        ("00:00:01", limits.SLEEP_LEAST_S),
        ("00:10:00", 600),
        ("99:00:00", limits.SLEEP_MOST_S),
        ("00:00:00", limits.SLEEP_S),
        ("::::::::", limits.SLEEP_S),
        ("5 minutes", limits.SLEEP_S),
        (300, limits.SLEEP_S),
        (None, limits.SLEEP_S),
    ):
        assert polled({BASE: (200, base(text))})[0].sleep_s == seconds


def test_answers_that_are_none():
    for body in (b"", b"[]", b"null", b"{", b'"x"', b"\xff"):
        refused(errors.BadResponse, polled, {BASE: (200, body)})
    error = raised(errors.ServerError, polled, {BASE: (503, b"busy")})
    assert (error.status, error.retry_after_s) == (503, 7)
    refused(errors.ServerError, polled, {BASE: (401, b"{}")})


def test_a_small_answer_that_would_fill_the_heap_is_none():
    for piece in (b"[],", b"{},"):
        body = b'{"a":[' + piece * 600 + b"1]}"
        assert len(body) < limits.ANSWER_BYTES
        refused(errors.BadResponse, polled, {BASE: (200, body)})


def test_ids_that_would_lead_elsewhere():
    for href in ("", "/", "/a/..%2f", "/x" * 20 + "/" + "7" * 25, "/a b", "/\u00e4"):
        for kind in ("deploymentBase", "cancelAction"):
            refused(errors.BadResponse, polled, {BASE: (200, base(**{kind: href}))})
    links = {"config": {}, "_links": {"deploymentBase": {"href": 5}}}
    refused(errors.BadResponse, polled, {BASE: (200, links)})


def test_deployments_without_a_chunk_of_ours():
    for bad in (
        {},
        {"deployment": 5},
        {"deployment": {"chunks": 5}},
        deployment(name="rootfs"),
        deployment(version=5),
        deployment(version=""),
        deployment(version="1" * 33),
    ):
        answers = {
            BASE: (200, base(deploymentBase="/7")),
            BASE + "/deploymentBase/7": (200, bad),
        }
        refused(errors.BadResponse, polled, answers)


def test_what_a_node_says_of_itself():
    client = Client({BASE + "/configData": (200, b"")})
    asyncio.run(poll.tell(client, DEVICE, {"version": "1.1.0"}))
    method, _, body, content_type, _ = client.asked[0]
    assert (method, content_type) == ("PUT", "application/json")
    assert json.loads(body) == {"mode": "replace", "data": {"version": "1.1.0"}}
    client.answers[BASE + "/configData"] = (500, b"")
    refused(errors.ServerError, asyncio.run, poll.tell(client, DEVICE, {}))
