"""What a node costs the server: CPU seconds of a poll and of an ingest, over an empty route's."""

import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import fleetserver

REQUESTS = 400
ROUNDS = 3
STREAMS = ("pm25", "temperature")


def rows():
    """Measure polls and ingests of one node on one kept-alive connection, mutual TLS."""
    with tempfile.TemporaryDirectory() as folder, server(Path(folder) / "home") as fleet:
        node = fleet.node()
        with empty(fleet) as (url, pid):
            client = fleet.client(
                base_url=url,
                verify=fleetserver.client_context(fleet, node.key, node.certificate),
            )
            nothing = least(pid, lambda _: client.get("/"))
        poll = least(fleet.process.pid, lambda _: node.client.get(node.ddi))
        ingest = least(
            fleet.process.pid,
            lambda n: node.send([node.record(n, stream) for stream in STREAMS]),
        )
    for name, figure in (
        ("a poll with nothing new", poll),
        (f"an ingest of one window of {len(STREAMS)} streams, committed", ingest),
    ):
        yield {
            "name": name,
            "figure": figure * 1000,
            "unit": "ms of server CPU a request",
            "limit": nothing * 1000,
            "against": "an empty FastAPI route, same TLS",
        }


@contextmanager
def server(home):
    """Give a running fleet server on SQLite."""
    made = fleetserver.Server(home, None)
    made.start()
    try:
        yield made
    finally:
        made.close()


@contextmanager
def empty(fleet):
    """Give URL and process of the empty route."""
    ready = fleet.home / "empty.json"
    script = Path(__file__).with_name("empty_server.py")
    process = subprocess.Popen([sys.executable, script, fleet.home, ready])
    try:
        deadline = time.monotonic() + 30
        while not (ready.exists() and ready.read_text()):
            assert process.poll() is None, "the empty server ended"
            assert time.monotonic() < deadline, "the empty server does not start"
            time.sleep(0.02)
        yield f"https://127.0.0.1:{ready.read_text()}", process.pid
    finally:
        process.terminate()
        process.wait(10)


def least(pid, request):
    """Return the CPU seconds a request costs process `pid`: the least mean of the rounds."""
    found = []
    for turn in range(ROUNDS + 1):  # the first warms up
        before = cpu(pid)
        for n in range(REQUESTS):
            answer = request(turn * REQUESTS + n)
            assert answer.status_code == 200, answer.text
        found.append((cpu(pid) - before) / REQUESTS)
    return min(found[1:])


def cpu(pid):
    """Return the CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
