"""`lamppost rollout` on the command line, for people and for scripts."""

import json
import subprocess

import pytest
from controllers import Operator, offered
from fleetserver import LAMPPOST, lamppost

# The command line does not know the engine.
pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@pytest.fixture
def operator(server):
    return Operator(server)


@pytest.fixture
def environment(operator):
    return {
        "LAMPPOST_URL": operator.server.operator_url,
        "LAMPPOST_TOKEN": operator.server.token(),
    }


def run(environment, *arguments):
    done = lamppost("rollout", *map(str, arguments), **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_rollout_from_the_command_line(operator, environment):
    nodes = operator.controllers(3, "1.0.0")
    ids = [node.id for node in nodes]
    plan = "--waves 1,50%,rest --soak 0 --deadline 2h --success 80% --failure 50 --min-sample 2"
    plan = [*plan.split(), "--in-flight", "7", "--max-restarts", "1"]
    made = json.loads(run(environment, "create", "--version", "1.1.0", *plan, *ids, "--json"))
    assert made["plan"] == {
        "waves": [{"count": 1}, {"percent": 50}, {"percent": 100}],
        "success_percent": 80,
        "failure_percent": 50,
        "min_sample": 2,
        "soak_s": 0,
        "deadline_s": 7200,
        "max_in_flight": 7,
        "max_restarts": 1,
    }
    assert [wave["planned"] for wave in made["waves"]] == [1, 1, 1]
    rollout = made["id"]
    command = [*LAMPPOST, "rollout", "show", str(rollout), "--watch"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as watch:
        assert "paused" in run(environment, "pause", rollout)
        assert "resume" not in run(environment, "resume", rollout)
        for node in nodes:
            offered(node)
            node.update()
        seen, _ = watch.communicate(timeout=30)
    assert watch.returncode == 0
    assert "1.1.0, active" in seen
    assert "finished (3 confirmed)" in seen
    assert all(node.id in seen for node in nodes)
    listed = json.loads(run(environment, "list", "--json"))
    assert next(row for row in listed if row["id"] == rollout)["state"] == "finished"
    back = json.loads(run(environment, "rollback", rollout, "--json"))
    assert [each["version"] for each in back["rollouts"]] == ["1.0.0"]
    assert f"undoes rollout {rollout}" in run(environment, "show", back["rollouts"][0]["id"])
    assert "cancelled" in run(environment, "abort", back["rollouts"][0]["id"])


def test_all_nodes_are_shown_whatever_their_number(operator, environment):
    nodes = operator.controllers(3)
    rollout = operator.create("1.1.0", nodes)
    page = operator.api.get(f"/rollouts/{rollout}", params={"limit": 1}).json()
    assert len(page["actions"]) == 1
    whole = json.loads(run(environment, "show", rollout, "--json"))
    assert {row["device"] for row in whole["actions"]} == {node.id for node in nodes}
    assert whole["next"] is None


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--waves", "half", "0" * 16), "no wave such as"),
        (("--waves", "1,,rest", "0" * 16), "no wave such as"),
        (("--success", "101%", "0" * 16), "no percentage"),
        (("--soak", "soon", "0" * 16), "no duration"),
        ((), "either nodes or --site"),
        (("--site", "harbour", "0" * 16), "either nodes or --site"),
        (("--waves", "50%,20%,rest", "0" * 16), "they grow"),
    ],
)
def test_what_makes_no_sense_is_said(environment, arguments, reason):
    done = lamppost("rollout", "create", "--version", "1.1.0", *arguments, **environment)
    assert done.returncode == 2
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
