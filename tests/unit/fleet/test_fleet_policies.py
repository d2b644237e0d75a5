"""The Cedar policies, tested as code: who may do what, where."""

import re
from pathlib import Path

import cedarpy
import pytest

from fleet.access import policy
from fleet.access.policy import Operator
from fleet.access.scope import EVERYWHERE, Scope

FOLDER = Path(policy.__file__).parent / "policies"
READ = {"device.read", "device.timeline", "rollout.read", "release.read"}
RUN = {
    "device.add",
    "device.claim",
    "rollout.create",
    "rollout.pause",
    "rollout.resume",
    "rollout.abort",
    "rollout.rollback",
}
ADMIN = {"device.revoke", "device.state"}
AUDIT = {"audit.read"}
FLEET = {"release.upload", "token.read", "token.create", "token.revoke"}
ALL = READ | RUN | ADMIN | AUDIT | FLEET
AT_SITE = {
    "admin": READ | RUN | ADMIN | AUDIT,
    "operator": READ | RUN,
    "auditor": READ | AUDIT,
}


def operator(role, *sites):
    return Operator("0badcafe", "somebody", role, frozenset(sites) if sites else None)


def allowed(who, site):
    return {action for action in ALL if policy.allows(who, action, site)}


def test_the_policies_are_valid_and_speak_of_every_action():
    schema = (FOLDER / "lamppost.cedarschema").read_text()
    policies = (FOLDER / "lamppost.cedar").read_text()
    checked = cedarpy.validate_policies(policies, schema)
    assert checked.validation_passed, checked.errors
    assert set(re.findall(r'"([a-z]+\.[a-z]+)"', schema)) == ALL


@pytest.mark.parametrize("role", AT_SITE)
def test_a_role_everywhere(role):
    assert allowed(operator(role), "harbour") == AT_SITE[role]
    fleet = FLEET if role == "admin" else set()
    assert allowed(operator(role), None) == AT_SITE[role] | fleet


@pytest.mark.parametrize("role", AT_SITE)
def test_a_role_at_its_sites_only(role):
    scoped = operator(role, "harbour", "station")
    assert allowed(scoped, "harbour") == allowed(scoped, "station") == AT_SITE[role]
    assert allowed(scoped, "market") == set()
    assert allowed(scoped, None) == {"release.read"}


def test_odd_site_names_are_names_and_nothing_else():
    for name in ('harbour" || true //', "", 'Site::"harbour"', "harbour\n", "*"):
        assert allowed(operator("admin", "harbour"), name) == set()


def test_scopes_follow_the_policies():
    assert policy.scope(operator("auditor"), "device.read") == EVERYWHERE
    assert policy.scope(operator("operator"), "audit.read") is None
    assert policy.scope(operator("operator", "a", "b"), "audit.read") is None
    mine = policy.scope(operator("operator", "a", "b"), "device.read")
    assert mine == Scope(sites=frozenset({"a", "b"}))
    assert mine.covers("a")
    assert not mine.covers("c")
    assert EVERYWHERE.covers("c")
