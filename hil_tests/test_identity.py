"""A node's identity, on a rig: renewed as it measures, replaced by a technician's new claim.

The tests of this file go on from one another: it is one node's life. Making a key and signing
with it takes more heap than is free beside measuring on a board.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hil_tests import budget
from sim import flashfiles
from sim.city import City

pytestmark = pytest.mark.timeout(3600)

LAMPPOST = Path(sys.executable).parent / "lamppost"
SHORT_DAYS = "0.02"  # and from an hour ago: two thirds of its life are over when it is issued
RENEWED = "enrol: renewing the certificate"


def looking_often(text):
    """Have the node look at its certificate every minute: it does once an hour."""
    assert "_LOOK_S = 3600" in text
    return text.replace("_LOOK_S = 3600", "_LOOK_S = 60")


@pytest.fixture(scope="module")
def city(rig, tmp_path_factory):
    """Give a city whose certificates are due for renewal at once."""
    folder = tmp_path_factory.mktemp("city")
    with City(folder / "home", window_s=rig.window_s, poll_s=3, board=rig.board) as made:
        made.found()
        made.serve("--certificate-days", SHORT_DAYS)
        made.release("1.0.0", {"tasks/identity.py": looking_often})
        yield made
    rig.nodes.clear()


@pytest.fixture(scope="module")
def node(rig, city, tmp_path_factory):
    """Give a node that has just been switched on; `config`: the file with its configuration."""
    made = rig.node(city, "hil-identity", "1.0.0", tmp_path_factory.mktemp("node"))
    made.config = tmp_path_factory.mktemp("desk") / "config.json"
    made.config.write_bytes(flashfiles.read(made.flash_path, "vfs")["etc/config.json"])
    made.power_on()
    yield made
    made.close()


def issued(city, node):
    """Return by which acts the server has given the node certificates, oldest first."""
    acts = ("identity.enrol", "identity.renew")
    return [
        each["act"]
        for each in sorted(city.lamppost("audit", "list"), key=lambda each: each["id"])
        if each["subject"] == node.id and each["act"] in acts and each["outcome"] == "done"
    ]


def test_it_renews_its_certificate_as_it_measures(rig, city, node, told):
    node.wait_text("enrol: certificate", 60 * rig.patience)
    told["TLS open"] = budget.with_tls_at_rest(rig, node)
    mark = node.console.length
    node.wait_text(RENEWED, 150 * rig.patience, mark)
    node.wait_text("enrol: certificate", 60 * rig.patience, mark)
    told["TLS open after a renewal"] = found = budget.with_tls_at_rest(rig, node)
    assert issued(city, node)[:2] == ["identity.enrol", "identity.renew"]
    budget.within_budget(found)


def test_a_new_claim_gives_it_a_new_identity(rig, city, node, told):
    before = issued(city, node)
    done = subprocess.run(
        [
            *(LAMPPOST, "node", "provision", "--port", node.port, "--config", node.config),
            *("--wait", str(int(60 * rig.patience)), "--json"),
        ],
        env=city.access,
        capture_output=True,
        text=True,
        timeout=200 * rig.patience,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["enrolled"] is True
    told["TLS open with a new identity"] = found = budget.with_tls_at_rest(rig, node)
    assert "identity.enrol" in issued(city, node)[len(before) :]
    budget.within_budget(found)
