"""The pure parts of the server: feedback, SNTP, requests, addresses, refusals."""

import json
import struct

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from fleetserver import csr

from fleet import limits
from fleet.audit.service import Refusals
from fleet.db import parse_url
from fleet.ddi import attributes, documents, feedback
from fleet.ddi.errors import BadFeedback
from fleet.errors import OperatorError
from fleet.identity.csr import read as read_csr
from fleet.identity.errors import BadCsr, ForeignCsr
from fleet.rollouts.words import FINAL, UNDER_WAY, UNHAPPY
from fleet.settings import Address
from fleet.sntp.service import answer, timestamp

ID = "aabbccfffeddeeff"


def said(execution, finished, *details):
    status = {"execution": execution, "result": {"finished": finished}, "details": list(details)}
    return feedback.read(json.dumps({"id": "1", "status": status}).encode())


@pytest.mark.parametrize(
    ("execution", "finished", "details", "state"),
    [
        ("proceeding", "none", ["state=staged"], "staged"),
        ("proceeding", "none", ["whatever"], None),
        ("proceeding", "none", ["state=confirmed"], None),
        ("proceeding", "success", [], None),
        ("download", "none", [], "downloading"),
        ("closed", "success", [], "confirmed"),
        ("closed", "success", ["state=rolled_back"], "confirmed"),
        ("closed", "failure", ["state=rolled_back"], "rolled_back"),
        ("closed", "failure", ["state=expired"], "expired"),
        ("closed", "failure", ["state=confirmed"], "failed"),
        ("closed", "none", [], "failed"),
        ("rejected", "none", [], "failed"),
    ],
)
def test_the_result_decides_and_the_details_explain(execution, finished, details, state):
    assert said(execution, finished, *details).state == state


def test_reasons_are_kept_short_and_printable():
    told = said("closed", "failure", "state=failed", "reason=\x1b[31mred\x00" + "x" * 500)
    assert told.reason.startswith("?[31mred?xxx")
    assert len(told.reason) < limits.DETAIL_CHARS
    assert said("closed", "failure", "no space left").reason == "no space left"
    assert said("closed", "failure", "\ud800").reason == "?"
    assert len(json.loads(said("closed", "failure", *["x"] * 50).details)) == limits.DETAILS


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[",
        b"[]",
        b"{}",
        b'{"status": 1}',
        b'{"status": {"execution": "closed"}}',
        b'{"status": {"execution": [], "result": {"finished": "none"}}}',
        b'{"status": {"execution": "closed", "result": {"finished": {}}}}',
        b'{"status": {"execution": "closed", "result": {"finished": "none"}, "details": [1]}}',
        b"[" * 50_000,
    ],
)
def test_what_is_no_feedback_is_refused(body):
    with pytest.raises(BadFeedback):
        feedback.read(body)


def test_words_stored_once_are_words_for_ever():
    assert UNDER_WAY == ("requested", "downloading", "verified", "staged", "booted")
    assert FINAL == ("confirmed", "rolled_back", "failed", "expired", "cancelled", "unreached")
    assert UNHAPPY == ("rolled_back", "failed", "expired")


def test_a_client_without_our_words_has_begun_when_it_proceeds():
    assert feedback.after(said("proceeding", "none", "installing"), "requested") == "downloading"
    assert feedback.after(said("scheduled", "none"), "requested") == "requested"
    assert (
        feedback.after(said("proceeding", "none", "state=requested"), "requested") == "requested"
    )
    assert feedback.after(said("proceeding", "none", "rebooting"), "staged") == "staged"


def test_attributes_are_merged_replaced_removed():
    known = {"a": "1", "b": "2"}

    def after(mode, data):
        body = json.dumps({"mode": mode, "data": data}).encode()
        return attributes.merge(attributes.read(body), known)

    assert after("merge", {"b": "3", "c": "4"}) == {"a": "1", "b": "3", "c": "4"}
    assert after("replace", {"c": "4"}) == {"c": "4"}
    assert after("remove", {"a": ""}) == {"b": "2"}
    for mode, data in (("merge", {"x": 1}), ("merge", {"x": "\x00"}), ("merge", {"": "x"}),
                       ("odd", {}), ("merge", []), ("merge", {"x": "y" * 300}),
                       ("merge", {str(n): "" for n in range(60)})):  # fmt: skip
        with pytest.raises(BadFeedback):
            after(mode, data)
    assert attributes.version({"version": "1.2.3"}) == "1.2.3"
    assert attributes.version({"version": "one"}) is None


def test_sleep_is_hours_minutes_seconds():
    assert documents.sleep(300) == "00:05:00"
    assert documents.sleep(86399) == "23:59:59"


def test_sntp_answers_a_client_and_nobody_else():
    request = bytes([0x23, 0, 6]) + bytes(37) + b"ORIGINAL"
    reply = answer(request, 1_760_000_000.25, 1_760_000_000.5)
    assert len(reply) == len(request)
    assert (reply[0] >> 6, reply[0] >> 3 & 7, reply[0] & 7, reply[1]) == (0, 4, 4, 2)
    assert reply[24:32] == b"ORIGINAL"
    assert reply[32:40] == struct.pack(">II", 1_760_000_000 + 2_208_988_800, 2**30)
    assert reply[40:48] == struct.pack(">II", 1_760_000_000 + 2_208_988_800, 2**31)
    for mode in (0, 1, 2, 4, 5, 6, 7):
        assert answer(bytes([0x20 | mode]) + request[1:], 0, 0) is None
    assert answer(request[:47], 0, 0) is None
    assert answer(b"", 0, 0) is None
    assert timestamp(2**32 - 2_208_988_800)[:4] == bytes(4)  # the era of 2036


def test_a_request_names_one_node_and_proves_its_key():
    key = ec.generate_private_key(ec.SECP256R1())
    assert read_csr(csr(key, ID), ID) == key.public_key()
    assert read_csr(csr(key, ID, alternative=f"urn:dev:mac:{ID}"), ID) == key.public_key()
    with pytest.raises(ForeignCsr):
        read_csr(csr(key, ID), ID[::-1])
    with pytest.raises(BadCsr):
        read_csr(b"-----BEGIN CERTIFICATE REQUEST-----", ID)


@pytest.mark.parametrize("text", ["", "8443", ":8443", "host:", "host:x", "host:70000", "h:-1"])
def test_addresses_that_are_none(text):
    with pytest.raises(ValueError, match=r"HOST:PORT|above"):
        Address.parse(text)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("nonsense", "malformed"),
        ("", "malformed"),
        ("mysql://localhost/fleet", "sqlite or postgresql"),
        ("postgresql+psycopg://localhost/fleet", "sqlite or postgresql"),
        ("postgresql://127.0.0.1", "names no database"),
        ("sqlite://", "names no database"),
        ("postgresql://127.0.0.1:port/fleet", "malformed"),
    ],
)
def test_database_urls_that_are_none(url, reason):
    with pytest.raises(OperatorError, match=reason):
        parse_url(url)


def test_addresses():
    assert Address.parse("127.0.0.1:0") == Address("127.0.0.1", 0)
    assert Address.parse("[::1]:8443") == Address("::1", 8443)


def test_the_audit_cannot_be_flooded_by_strangers():
    refusals = Refusals()
    admitted = [refusals.admit(6000) for _ in range(limits.REFUSALS_PER_MINUTE + 7)]
    assert admitted == [True] * limits.REFUSALS_PER_MINUTE + [False] * 7
    assert refusals.admit(6060)
    assert refusals.take_suppressed() == 7
    assert refusals.take_suppressed() == 0
