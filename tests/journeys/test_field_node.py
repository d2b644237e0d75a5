"""What a technician learns of a node over its cable: diagnosis, and the self-test."""

import base64
import json

from technician import lamppost

from ota.core import bootrecord
from ota.field import session
from ota.field.cable import Cable
from sim import flashfiles

PASSWORD = "only-for-nodes"
CLAIM = "claim-that-nobody-may-read"
RUNS = "main: release 1.0.0 from /data/a, reset cause hard"


def diagnosed(node, *words, status=0):
    """Return a node's report, and what was found."""
    told = json.loads(lamppost("diagnose", "--port", node.serial, "--json", *words, status=status))
    return told, {each["what"]: each for each in told["findings"]}


def restarted(node, vfs=None, data=None):
    """Start a node with other files on its flash; return the mark before that."""
    node.power_off()
    for partition, files in (("vfs", vfs), ("data", data)):
        if files:
            flashfiles.change(node.flash.path, partition, files)
    mark = node.console.length
    node.power_on()
    return mark


def secrets_of(node):
    """Give every secret on a node's flash, in the forms in which it might get out."""
    identity = flashfiles.read(node.flash.path, "vfs")["etc/identity"]
    key = identity[2 : 2 + int.from_bytes(identity[:2], "big")]
    assert key[5:7] == b"\x04\x20"  # of RFC 5915: the scalar follows
    forms = [PASSWORD, CLAIM]
    for secret in (key, key[7:39], key[7:19], key[27:39], PASSWORD.encode(), CLAIM.encode()):
        forms += [secret.hex(), base64.b64encode(secret).decode().rstrip("=")]
    return forms


def test_diagnose_tells_all_but_the_secrets(node):
    log = f"1790000000 [1.000] error x: {PASSWORD} {CLAIM}\n"
    mark = restarted(node, {"etc/claim": CLAIM.encode()}, {"log": log.encode()})
    node.wait_text("clock: set by", 20, since=mark)
    told, found = diagnosed(node)
    node.wait_text(RUNS, 20, since=mark)
    assert not any(each["severity"] == "fault" for each in found.values())
    assert (told["node"]["id"], told["node"]["name"]) == (node.id, "elm-street-4")
    assert (told["release"]["version"], told["slot"]) == ("1.0.0", "a")
    for slot in told["slots"].values():
        assert slot["sound"]
        assert slot["files"] > 30
    assert told["boot_record"]["state"] == "steady"
    assert told["resets"]["starts"]["power_on"] == 2
    assert told["resets"]["last"] == "power on"
    assert told["parts"]["climate"]["raw"]
    assert set(told["parts"]["air"]["values"]) == {"pm1", "pm25", "pm10"}
    assert told["outbox"]["windows"] >= 1
    assert told["flash"]["data"]["free"] > 24
    assert told["heap_bytes"]["free"] > 8192
    assert node.id in told["certificate"]["subject"]
    assert told["certificate"]["not_after"] > "2026"
    assert told["tuf"]["root"]["version"] == 1
    assert told["wifi"]["connected"]
    assert abs(told["clock"]["ahead_s"]) < 10
    assert told["restarted"]
    text = lamppost("diagnose", "--port", node.serial)
    console = node.console.since(mark)
    for secret in secrets_of(node):
        for output in (json.dumps(told), text, console):
            assert secret not in output
    assert "(hidden) (hidden)" in text
    assert "2 of 2 copies sound" in text


def test_diagnose_names_what_is_wrong_and_what_to_do(node):
    climate = node.wiring.i2c[22, 21][0x76]
    climate.fault = "nack"
    config = json.loads(flashfiles.read(node.flash.path, "vfs")["etc/config.json"])
    config["wifi"]["password"] = "x"
    before = flashfiles.read(node.flash.path, "data")
    record = bootrecord.newest([before["boot.0"], before["boot.1"]])
    _, line, _ = bootrecord.seal(bootrecord.fall(record, "born to fail"))
    mark = restarted(
        node,
        {"etc/config.json": json.dumps(config).encode(), "etc/claim": None},
        {
            "a/firmware/core/errors.mpy": b"bent",
            "boot.0": line,
            "boot.1": b"torn",
            "starts": b'{"watchdog": 9}',
            "tuf/timestamp.json": b"{",
            "outbox/99999999.cafecafe": b"\xff" * 3000,
        },
    )
    node.wait_text("back to slot b: born to fail", 20, since=mark)
    told, found = diagnosed(node, status=1)
    climate.fault = None
    assert told["slot"] == "b"
    assert told["console"] == {"locked": False, "keys": []}
    assert any("the console is open" in what for what in found)
    assert told["slots"]["a"]["damaged"] == ["firmware/core/errors.mpy"]
    assert any("slot a: firmware/core/errors.mpy" in what for what in found)
    assert any("configuration: wifi.password" in what for what in found)
    assert any("part climate (bme280): PartError: no answer" in what for what in found)
    assert any("TUF timestamp cannot be read" in what for what in found)
    assert any("back to slot b: born to fail" in line for line in told["errors"])
    assert any("9 starts by the watchdog" in what for what in found)
    assert all(each["next"] for each in found.values())
    node.wait_text("main: release 1.0.0 from /data/b, reset cause hard", 20, since=mark)
    config["wifi"]["password"] = PASSWORD
    good = {"etc/config.json": json.dumps(config).encode()}
    mark = restarted(node, good, before | {"outbox/99999999.cafecafe": None})
    node.wait_text("clock: set by", 20, since=mark)


def test_the_self_test_passes_and_fails_part_by_part(node):
    told = json.loads(lamppost("selftest", "--port", node.serial, "--json"))
    assert told["passed"]
    parts = {each["part"]: each for each in told["verdicts"]}
    assert set(parts) == {"config", "lamp", "ambient", "air", "climate", "firmware"}
    assert parts["climate"]["values"]["temperature"] < 60
    node.wiring.i2c[22, 21][0x76].fault = "nack"
    flashfiles_mark = node.console.length
    text = lamppost("selftest", "--port", node.serial, status=1)
    node.wiring.i2c[22, 21][0x76].fault = None
    assert "FAIL  climate     PartError: no answer" in text
    assert "pass  air" in text
    node.wait_text(RUNS, 20, since=flashfiles_mark)
    assert node.lamp.dark_s == 0


KEEP = """
from firmware.ports import unix
from firmware.tasks.outbox import Outbox
box = Outbox(unix.Storage(), unix.random)
air = {each: [60, 12.2, 10.1, 14.5] for each in ("pm1", "pm25", "pm10", "humidity")}
entry = {"t": 1780000000, "len": 600, "exp": 60, "streams": air}
for _ in range(%d):
    box.add(entry)
    for at, name, last in box.pending(): pass
    box.acknowledge(at, name, last["seq"])
print("@[1]")
"""


def test_the_wear_of_the_flash_is_estimated_as_it_is(node):
    """The emulated flash counts what LittleFS does not."""
    first, blocks = (part // 4096 for part in node.flash.partitions["data"])
    before = sum(node.flash.wear[first : first + blocks])
    was = diagnosed(node)[0]["flash_wear"]
    with Cable(node.serial) as cable:
        cable.run(KEEP % 500)
        assert list(cable.lines(60)) == ["@[1]", ""]
    told = diagnosed(node)[0]["flash_wear"]
    assert told["windows"] - was["windows"] >= 500
    assert (told["estimated"], told["rated"]) == (True, 100_000)
    worn = sum(node.flash.wear[first : first + blocks]) - before
    each = worn / told["blocks_in_turn"]
    assert each <= told["erases_per_block"] - was["erases_per_block"] + 1 <= 1.5 * each + 2
    assert f"estimated {told['erases_per_block']} of 100000" in lamppost(
        "diagnose", "--port", node.serial
    )


FILL = """
import os
with open("/data/big", "wb") as file:
    for _ in range(os.statvfs("/data")[3]): file.write(bytes(4096))
print("@%s" % os.statvfs("/data")[3])
"""


def test_a_full_file_system_is_told_and_stops_nothing(node):
    """LittleFS counts some blocks twice then: more are used than there are."""
    with Cable(node.serial) as cable:
        cable.run(FILL)
        (said, _) = cable.lines(60)
        assert not 0 <= int(said[1:]) <= 480
    told, found = diagnosed(node)
    assert told["flash"]["data"]["free"] == 0
    assert "remove what" in found["data: 0 of 480 blocks are free, 24 needed"]["next"]
    assert "pass  firmware" in lamppost("selftest", "--port", node.serial)
    mark = node.console.length
    with Cable(node.serial) as cable:
        cable.run("import os\nos.remove('/data/big')")
        list(cable.lines(20))
        session.restart(cable)
    node.wait_text("sample: window", 30, since=mark)


def test_without_a_restart_the_node_waits_at_its_prompt(node):
    mark = node.console.length
    text = lamppost("diagnose", "--no-restart", "--port", node.serial)
    assert "stays at its prompt" in text
    assert RUNS not in node.console.since(mark)
    with Cable(node.serial) as cable:
        cable.catch(10)
        cable.run("import sys\nprint(sys.path[0])", fresh=False)
        assert next(iter(cable.lines(5))) == "/data/a"
