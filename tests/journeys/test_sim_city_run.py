"""`lamppost sim run` against a real server: a fleet, its figures, nothing left after Ctrl-C."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from emulated import BIN

from sim.office import Office


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    """Give a fleet server that has a release."""
    made = Office(tmp_path_factory.mktemp("office") / "home")
    made.open("1.0.0")
    yield made
    made.close()


@pytest.fixture
def begin(office, tmp_path):
    """Give a function that starts `lamppost sim run` with nothing of the server's but a token."""
    token = tmp_path / "token"
    token.write_text(office.access["LAMPPOST_TOKEN"])
    running = []

    def start(*words, server=office.access["LAMPPOST_URL"]):
        process = subprocess.Popen(
            [
                *(BIN / "lamppost", "sim", "run", "--server", server, "--token-file", token),
                *("--json", tmp_path / "figures.json", *map(str, words)),
            ],
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith("LAMPPOST_")},
                "TMPDIR": str(tmp_path),
                "PYTHONUNBUFFERED": "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def children(pid):
    """Name the processes that `pid` has started."""
    return {
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    }


def gone(pid):
    """Say whether there is no such process any more, not even a dead one."""
    return not Path(f"/proc/{pid}").exists()


def wait(predicate, deadline_s, what):
    end = time.monotonic() + deadline_s
    while not (found := predicate()):
        assert time.monotonic() < end, f"waited {deadline_s} s for {what}"
        time.sleep(0.05)
    return found


def active(office, seed):
    """Give the active devices of a seed by name."""
    listed = office.api("GET", "/devices")["devices"]
    own = f"260ac4fffe{seed:02x}"
    return {
        each["name"]: each
        for each in listed
        if each["state"] == "active" and each["id"].startswith(own)
    }


def stored(office, device):
    """Give the windows of a device that the server has."""
    rows = office.api("GET", f"/devices/{device['id']}/observations")["observations"]
    return {(row["box"], row["seq"]) for row in rows}


@pytest.mark.timeout(120)
def test_three_nodes_report_until_ctrl_c_and_leave_nothing(office, begin, tmp_path):
    process = begin("--nodes", 3, "--window", "2s", "--poll", "1s", "--seed", 76)
    names = {"old-town-1", "harbour-1", "hillside-1"}
    ours = {}

    def all_report():
        ours.update(active(office, 76))
        return set(ours) == names and all(len(stored(office, d)) >= 2 for d in ours.values())

    wait(all_report, 60, "three nodes to enrol and report")
    vms = children(process.pid)
    assert len(vms) == 3
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert all(gone(pid) for pid in vms)
    assert errors == ""
    assert "ending all nodes" in out
    assert re.search(r"3 of 3 up, 3 enrolled, \d+ windows sent; \d+ MB .* cores;", out)
    figures = json.loads((tmp_path / "figures.json").read_text())
    counts = figures["nodes"], figures["up"], figures["enrolled"]
    assert counts == (3, 3, 3)
    windows = sum(len(stored(office, device)) for device in ours.values())
    assert 3 <= figures["windows_sent"] <= windows
    assert 0 < figures["memory_bytes"] <= figures["memory_peak_bytes"] < 200e6
    assert 0 < figures["enrolled_after_s"] < 60
    assert figures["sent_bytes"] == sum(d["sent_bytes"] for d in figures["districts"].values())
    assert {path.name for path in tmp_path.iterdir()} == {"token", "figures.json"}


@pytest.mark.timeout(120)
def test_it_ends_after_its_time_and_the_same_seed_comes_back(office, begin, tmp_path):
    words = ("--nodes", 1, "--seed", 77, "--window", "2s", "--poll", "1s", "--duration", "4s")
    bundle = office.bundles["1.0.0"]["bundle"]
    for _ in range(2):
        process = begin(*words, "--bundle", bundle)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        figures = json.loads((tmp_path / "figures.json").read_text())
        assert figures["enrolled"] == 1
        assert 4 <= figures["seconds"] < 7
    [device] = active(office, 77).values()
    assert device["version"] == "1.0.0"
    assert len({box for box, _ in stored(office, device)}) == 2  # a new flash, a new outbox


@pytest.mark.timeout(120)
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_ended_while_it_starts_it_leaves_no_processes(begin, how):
    process = begin("--nodes", 2, "--seed", 78)
    vms = wait(lambda: len(found := children(process.pid)) == 2 and found, 60, "two VMs")
    process.send_signal(how)
    process.communicate(timeout=30)
    assert process.returncode == (-how if how == signal.SIGKILL else 0)
    wait(lambda: all(gone(pid) for pid in vms), 10, "the VMs to end with their host")


@pytest.mark.timeout(60)
def test_a_bundle_that_is_none_is_named(begin, tmp_path):
    process = begin("--bundle", tmp_path / "nowhere.zip")
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "nowhere.zip: No such file" in errors


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("words", "server", "reason"),
    [
        (["--nodes", "1"], "http://127.0.0.1:9", "127.0.0.1:9 cannot be reached"),
        (["--nodes", "1"], "http//nonsense", "http//nonsense"),
        (["--nodes", "0"], "http://127.0.0.1:9", "--nodes"),
        (["--json", "/proc/none"], "http://127.0.0.1:9", "/proc/none"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(begin, words, server, reason):
    process = begin(*words, server=server)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert reason in errors.splitlines()[-1]
    assert "Traceback" not in errors
