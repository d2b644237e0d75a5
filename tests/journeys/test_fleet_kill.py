"""`kill -9` of the server at any moment: no acknowledged window is lost, none is stored twice."""

import signal
import threading
import time

import httpx2

KILLS = 2
ACKNOWLEDGED_BETWEEN = 12
WINDOWS_PER_PACK = 3


class Reporter(threading.Thread):
    """A node's uplink: sends packs in order and sends a pack again until it is acknowledged."""

    def __init__(self, node):
        super().__init__()
        self.node = node
        self.acknowledged = 0  # windows below this number are
        self.failures = 0
        self.done = threading.Event()

    def run(self):
        while not self.done.is_set():
            seqs = range(self.acknowledged, self.acknowledged + WINDOWS_PER_PACK)
            try:
                answer = self.node.send([self.node.record(seq) for seq in seqs])
            except httpx2.TransportError:
                self.failures += 1
                self.done.wait(0.02)
                continue
            assert answer.status_code == 200, answer.text
            body = answer.json()
            assert body["stored"] + body["duplicates"] == WINDOWS_PER_PACK
            self.acknowledged += WINDOWS_PER_PACK

    def wait_for(self, count):
        deadline = time.monotonic() + 30
        while self.acknowledged < count:
            assert self.is_alive()
            assert time.monotonic() < deadline
            time.sleep(0.001)


def test_no_acknowledged_window_is_lost_and_none_is_stored_twice(fresh_server):
    node = fresh_server.node()
    reporter = Reporter(node)
    reporter.start()
    try:
        for _ in range(KILLS):
            reporter.wait_for(reporter.acknowledged + ACKNOWLEDGED_BETWEEN)
            assert fresh_server.stop(signal.SIGKILL) == -signal.SIGKILL
            acknowledged = reporter.acknowledged
            fresh_server.start()
            assert stored(fresh_server, node)[:acknowledged] == list(range(acknowledged))
        reporter.wait_for(reporter.acknowledged + ACKNOWLEDGED_BETWEEN)
    finally:
        reporter.done.set()
        reporter.join()
    assert reporter.failures >= KILLS
    everything = list(range(reporter.acknowledged))
    assert stored(fresh_server, node) == everything
    assert fresh_server.stop(signal.SIGTERM) == 0
    fresh_server.start()
    assert node.client.get(node.ddi).status_code == 200
    assert stored(fresh_server, node) == everything
    assert fresh_server.stop(signal.SIGINT) == 0
    assert "Traceback" not in fresh_server.log()


def stored(server, node):
    rows = server.admin.get(f"/devices/{node.device_id}/observations").json()["observations"]
    return [row["seq"] for row in rows]
