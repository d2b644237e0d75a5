"""Two server processes on one PostgreSQL database; one is killed in the middle of a rollout."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter

import pytest

from sim import flashfiles
from sim.city import City
from sim.office import SERVER_NAME

NODES = 4
GATE = '"pm25": (0, 1000)'


class Second:
    """Another `lamppost serve` of the same city: same home, same database, ports of its own."""

    def __init__(self, city, folder, database_url):
        ready = folder / "second.json"
        self._log = (folder / "second.log").open("wb")
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "fleet", "serve", "--database-url", database_url),
                *("--name", SERVER_NAME, "--listen", "127.0.0.1:0", "--operator", "127.0.0.1:0"),
                *("--sntp", "127.0.0.1:0", "--poll-interval", "1", "--tick", "0.2"),
                *("--ready-file", str(ready)),
            ],
            env=os.environ | city.access,
            stdout=self._log,
            stderr=self._log,
        )
        city.wait(ready.exists, 30, "the second server")
        self.device = tuple(json.loads(ready.read_bytes())["device"])

    def kill(self):
        """End it as a host's crash would."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)
        self._log.close()


@pytest.fixture
def city(postgresql, tmp_path):
    """Give a city on PostgreSQL with its URL; its nodes are on and have reported."""
    url = postgresql.create(f"city_{os.getpid()}")
    with City(tmp_path / "home", database_url=url) as made:
        made.open("1.0.0")
        made.populate(NODES, "1.0.0")
        yield made, url


@pytest.mark.postgres
@pytest.mark.timeout(180)
def test_a_server_killed_in_the_middle_of_a_rollout_is_not_missed(city, tmp_path):
    city, url = city
    second = Second(city, tmp_path, url)
    behind = list(city.districts.values())[: NODES // 2]
    for district in behind:
        district.proxy.target = second.device
    for node in city.nodes.values():
        node.power_on()
    for node in city.nodes.values():
        node.wait_text("acknowledged", 60)
    city.release("1.1.0", {"core/ranges.py": lambda text: text.replace(GATE, '"pm25": (0, 900)')})
    plan = {"waves": [{"count": 1}, {"percent": 50}, {"percent": 100}], "soak_s": 1}
    ids = [node.id for node in city.nodes.values()]
    made = city.api("POST", "/rollouts", json={"version": "1.1.0", "devices": ids, **plan})
    path = f"/rollouts/{made['id']}"

    city.wait(lambda: city.api("GET", path)["wave"] > 1, 60, "the second wave")
    second.kill()
    for district in behind:  # what a load balancer does when a server is gone
        district.proxy.target = city.proxy.target
    city.wait(lambda: city.api("GET", path)["state"] == "finished", 90, "the end of the rollout")

    shown = city.api("GET", path)
    assert [wave["state"] for wave in shown["waves"]] == ["passed"] * 3
    assert sorted(action["device"] for action in shown["actions"]) == sorted(ids)
    assert {action["state"] for action in shown["actions"]} == {"confirmed"}
    for action in shown["actions"]:
        words = Counter(report["state"] for report in action["reports"])
        assert words["staged"] == words["booted"] == words["confirmed"] == 1, action
    for node in city.nodes.values():
        node.wait_text("acknowledged", 60, node.console.length)
        node.power_off()
        assert flashfiles.version(node.flash.path) == "1.1.0"
        produced, unsent = flashfiles.outbox(node.flash.path)
        rows = city.readings(node)
        stored = {(row["box"], row["seq"]) for row in rows}
        assert stored | unsent == produced
        assert len(rows) == len({(row["box"], row["seq"], row["stream"]) for row in rows})
