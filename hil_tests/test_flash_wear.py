"""How long a node's flash lasts: two weeks of windows written and acknowledged, erases counted.

The outbox is the slot's own, on the LittleFS that the node works with, both slots beside it.
A day is 144 windows (the default of ten minutes), each sent and acknowledged by itself; the last
time seen each hour; one power cut, as where a lamp's circuit is off by day. NOR flash is made for
100,000 erases of a block. Updates are not in it: each writes what it brings once.
"""

import pytest

from hil_tests.rigs.rig import flash_of
from sim import flashfiles

DAYS = 14
WINDOWS_A_DAY = 144
ERASES_MAX = 100_000
YEARS_LEAST = 10

_PROGRAM = b"""
from firmware.ports.unix import Storage, random
from firmware.tasks import outbox
storage = Storage()
streams = {name: [300, 12.34, 1.25, 99.75] for name in (
    "pm1", "pm25", "pm10", "temperature", "humidity", "pressure", "illuminance")}
for window in range(%d):
    if window %% %d == 0:
        storage.write("/data/starts", b"{'power_on': %%d}" %% window)
        box = outbox.Outbox(storage, random)
    at = 1795000000 + window * 600
    seq = box.add({"t": at, "len": 600, "exp": 600, "streams": streams})
    waiting = box.pending()
    position, name, _ = list(waiting)[-1]
    waiting.close()
    box.acknowledge(position, name, seq)
    if window %% 6 == 0:
        storage.write("/data/seen", b"%%d" %% at)
print("weeks are over, seq", seq)
""" % (DAYS * WINDOWS_A_DAY, WINDOWS_A_DAY)


@pytest.mark.timeout(600)
def test_the_most_worn_block_lasts_ten_years(rig, city, told, tmp_path):
    if rig.name != "emulated":
        pytest.skip("erases are counted on the emulated flash alone")
    node = rig.node(city, "hil-wear", "1.0.0", tmp_path)
    flashfiles.change(flash_of(node), "vfs", {"main.py": _PROGRAM})
    try:
        node.power_on()
        node.wait_text("\n>>> ", 180)  # its program has ended
        wear = node.wear
    finally:
        node.close()
    assert f"seq {DAYS * WINDOWS_A_DAY}" in node.console.text
    a_day = max(wear) / DAYS
    years = ERASES_MAX / a_day / 365.25
    worn = [erases for erases in wear if erases]
    told["flash"] = (
        f"{sum(wear) / DAYS:.0f} erases a day over {len(worn)} blocks, {a_day:.1f} of the"
        f" most-worn one: {years:.0f} years to {ERASES_MAX:,}"
    )
    assert years >= YEARS_LEAST
