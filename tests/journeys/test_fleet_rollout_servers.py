"""Two server processes on one PostgreSQL database, of which one is killed in mid-rollout."""

import dataclasses
import signal
from collections import Counter

import pytest
from controllers import Controller, Operator, offered
from fleetserver import ANY_PORTS, Server

NODES = 12
WAVES = [{"count": 2}, {"percent": 50}, {"percent": 100}]


class Second(Server):
    """Another process of the same fleet: same home, same database, ports of its own."""

    def __init__(self, first):
        self.__dict__.update(first.__dict__)
        self.ports = dict(ANY_PORTS)
        self.process = None
        self._clients = []
        self.__dict__.pop("admin", None)
        self.__dict__.pop("anonymous", None)


@pytest.fixture
def servers(postgresql, tmp_path):
    first = Server(tmp_path / "home", postgresql.create(f"two_{tmp_path.name[:40]}".lower()))
    first.start()
    second = Second(first)
    second.start()
    try:
        yield first, second
    finally:
        second.close()
        first.close()


@pytest.mark.postgres
def test_a_rollout_goes_on_and_nothing_is_offered_twice(servers):
    first, second = servers
    operator = Operator(first)
    nodes = operator.controllers(NODES, "1.0.0")
    # Half of them speak to the other server, at first.
    sides = [
        Controller(dataclasses.replace(node.node, server=second)) if index % 2 else node
        for index, node in enumerate(nodes)
    ]
    rollout = operator.create("1.1.0", nodes, waves=WAVES, max_in_flight=4)
    taken = Counter()
    for index, node in enumerate(sides[:4]):
        offered(node)
        action = node.begin()
        taken[action] += 1
        if index < 2:
            for word in ("downloading", "staged", "booted", "confirmed"):
                assert node.says(action, word) == 200
        if index == 1:
            operator.until(rollout, wave=2)
    # Two are under way, by both servers; one of these dies.
    assert first.process is not None
    assert second.stop(signal.SIGKILL) == -signal.SIGKILL
    for node in nodes[2:4]:
        assert node.poll().keys() == {"deploymentBase"}
        node.update()
    for node in nodes[4:]:
        offered(node)
        taken[node.update()] += 1
    shown = operator.until(rollout, state="finished", counts={"confirmed": NODES})
    assert [wave["state"] for wave in shown["waves"]] == ["passed"] * 3
    assert set(taken.values()) == {1}
    assert len(taken) == len(shown["actions"]) == NODES
    acts = Counter(event["act"] for event in first.audit(f"rollout {rollout}"))
    assert acts == {"rollout.wave": 2, "rollout.finish": 1}
    assert "Traceback" not in first.log()


@pytest.mark.postgres
def test_two_engines_do_each_thing_once(servers):
    """Both processes look five times a second; neither waits for, nor repeats, the other."""
    first, second = servers
    operator = Operator(first)
    nodes = operator.controllers(6)
    rollouts = [
        operator.create("1.1.0", mine, waves=[{"count": 1}, {"percent": 100}])
        for mine in (nodes[:3], nodes[3:])
    ]
    for mine in (nodes[:3], nodes[3:]):
        mine[0].update()
    for rollout in rollouts:
        operator.until(rollout, wave=2)
    operator.silence(*nodes)
    for rollout in rollouts:
        shown = operator.until(rollout, state="finished", counts={"confirmed": 1, "unreached": 2})
        acts = Counter(event["act"] for event in first.audit(f"rollout {rollout}"))
        assert acts == {"rollout.wave": 1, "rollout.finish": 1}
        assert [row["moves"] for row in shown["actions"]] == [0, 0, 0]
    for node in (*nodes[1:3], *nodes[4:]):
        acts = [event["act"] for event in first.audit(node.id)]
        assert acts.count("update.unreached") == 1
    assert second.stop() == 0
    assert "stands still" not in first.log()
