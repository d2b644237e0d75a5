"""A technician put a release on by cable: the server learns it (installedBase), and lets it be."""

import pytest
from controllers import Controller, Operator, offered

from fleet import limits


@pytest.fixture(scope="module")
def operator(server):
    return Operator(server)


def install(node, version, name="lamppost"):
    body = {"name": name, "version": version}
    return node.node.client.put(f"{node.node.ddi}/installedBase", json=body)


def acts(operator, node):
    entries = operator.api.get(f"/devices/{node.id}/timeline").json()["entries"]
    return [each["detail"] for each in entries if each["what"] == "device.installed_offline"]


def installed_base(node):
    links = node.node.client.get(node.node.ddi).json()["_links"]
    return links.get("installedBase", {}).get("href")


def test_it_is_known_audited_and_ends_what_would_lead_back(operator):
    under_way, later, waiting = operator.controllers(3, "1.0.0")
    older = operator.create("1.1.0", [under_way])
    under_way.begin()
    newer = operator.create("1.2.0", [later])
    behind = operator.create(
        "1.1.0",
        [*operator.controllers(1, "1.0.0"), waiting],
        waves=[{"count": 1}, {"percent": 100}],
    )
    for node, version in ((under_way, "1.2.0"), (later, "1.1.0"), (waiting, "1.2.0")):
        assert install(node, version).status_code == 200
        assert operator.api.get(f"/devices/{node.id}").json()["version"] == version
        assert acts(operator, node) == [
            {"name": "lamppost", "version": version, "before": "1.0.0"}
        ]
    for rollout, node in ((older, under_way), (behind, waiting)):
        action = operator.action(rollout, node)
        assert (action["state"], action["reason"]) == ("cancelled", "installed by cable")
        assert node.poll() == {}
    assert "deploymentBase" in later.poll()  # forward it still goes
    later.update()
    assert operator.action(newer, later)["state"] == "confirmed"


def test_a_roll_back_leaves_it_as_it_is(operator):
    stays, goes = operator.controllers(2, "1.0.0")
    rollout = operator.create("1.1.0", [stays, goes], waves=[{"percent": 100}])
    for node in (stays, goes):
        offered(node)
        node.update()
    assert installed_base(stays)
    document = stays.get(installed_base(stays)).json()
    assert document["deployment"]["chunks"][0]["version"] == "1.1.0"
    install(stays, "1.2.0")
    assert installed_base(stays) is None
    assert installed_base(goes)
    back = operator.steer(rollout, "rollback")["rollouts"]
    told = {row["device"] for each in back for row in operator.show(each["id"])["actions"]}
    assert told == {goes.id}


def test_a_node_that_was_silent_is_not_led_back(operator):
    (node,) = operator.controllers(1, "1.0.0")
    rollout = operator.create("1.1.0", [node])
    node.begin()
    operator.silence(node)
    operator.until(rollout, state="finished")
    install(node, "1.2.0")
    assert node.poll() == {}
    assert operator.api.get(f"/devices/{node.id}").json()["version"] == "1.2.0"


WRONG = (
    b"",
    b"[]",
    b"[" * 5000,
    b'{"version": "1.2.0"}',
    b'{"name": "x"}',
    b'{"name": "", "version": "1.2.0"}',
    b'{"name": "x", "version": "one"}',
    b'{"name": "x", "version": 1}',
    b'{"name": "x\\u0000", "version": "1.2.0"}',
    b'{"name": "x", "version": "1.2.0-' + b"a" * 40 + b'"}',
)


def test_what_is_no_installed_base_is_refused(operator):
    (node,) = operator.controllers(1, "1.0.0")
    for body in WRONG:
        answer = node.node.client.put(f"{node.node.ddi}/installedBase", content=body)
        assert answer.status_code == 400, body
    assert operator.api.get(f"/devices/{node.id}").json()["version"] == "1.0.0"
    assert acts(operator, node) == []


def test_a_node_speaks_for_itself_and_not_without_end(operator, server):
    (node,) = operator.controllers(1, "1.0.0")
    other = Controller(server.node(), "1.0.0")
    body = {"name": "lamppost", "version": "1.2.0"}
    assert node.node.client.put(f"{other.node.ddi}/installedBase", json=body).status_code == 403
    for i in range(limits.OFFLINE_INSTALLS):
        assert install(node, f"1.2.{i}").status_code == 200
    answer = install(node, "1.3.0")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3600")
    assert len(acts(operator, node)) == limits.OFFLINE_INSTALLS
    assert node.node.client.get(f"{node.node.ddi}/installedBase/999999").status_code == 404
