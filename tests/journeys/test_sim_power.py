"""The power fails at a chosen flash operation, and flash is what the moment left of it."""

import itertools
import re

import pytest
from emulated import files, started

from sim.board import WATCHDOG

PARTITION = (
    "from esp32 import Partition\n"
    "part = Partition.find(Partition.TYPE_DATA, label='data')[0]\n"
    "print('info', part.info(), part.ioctl(4, 0), part.ioctl(5, 0))\n"
)
BLOCK = 100
AT = BLOCK * 4096


@pytest.fixture
def node(tmp_path):
    chip = started(tmp_path / "flash.bin", PARTITION)
    chip.wait_text(">>> ", 10)
    yield chip
    chip.close()


def block(node):
    return node.flash.read("data")[AT : AT + 4096]


def run(node, line):
    mark = node.console.length
    node.send(line.encode() + b"; print('do' + 'ne')\r")
    return mark


def test_the_partition_table_is_read_from_flash(node):
    assert "info (1, 129, 2228224, 1966080, 'data', False) 480 4096" in node.console.text


def test_erase_sets_ones_and_a_program_only_clears_bits(node):
    before, wear = node.flash.counts, node.flash.wear
    mark = run(node, f"part.writeblocks({BLOCK}, b'\\x0f' * 4096)")
    node.wait_text("done", 5, since=mark)
    assert block(node) == b"\x0f" * 4096
    mark = run(node, f"part.writeblocks({BLOCK}, b'\\x3c' * 8, 32)")
    node.wait_text("done", 5, since=mark)
    assert block(node) == b"\x0f" * 32 + b"\x0c" * 8 + b"\x0f" * 4056
    mark = run(node, f"part.ioctl(6, {BLOCK})")
    node.wait_text("done", 5, since=mark)
    assert block(node) == b"\xff" * 4096
    counts = node.flash.counts
    assert (counts.erases - before.erases, counts.writes - before.writes) == (2, 2)
    worn = [i for i, (a, b) in enumerate(zip(wear, node.flash.wear, strict=True)) if a != b]
    assert worn == [0x220 + BLOCK]


@pytest.mark.parametrize(
    ("op", "where", "left"),
    [
        ("erase", "before", b"\xaa" * 4096),
        ("erase", "within", b"\xff" * 2048 + b"\xaa" * 2048),
        ("erase", "after", b"\xff" * 4096),
        ("write", "before", b"\xff" * 4096),
        ("write", "within", b"\x55" * 2048 + b"\xff" * 2048),
        ("write", "after", b"\x55" * 4096),
        ("change", "within", b"\xff" * 2048 + b"\xaa" * 2048),
        ("read", "before", b"\xaa" * 4096),
    ],
)
def test_a_cut_leaves_what_the_moment_left(node, op, where, left):
    node.flash.write("data", AT, b"\xaa" * 4096)
    node.cut_power_at(1, op, where)
    if op == "read":
        run(node, f"part.readblocks({BLOCK}, bytearray(16))")
    else:
        run(node, f"part.writeblocks({BLOCK}, b'\\x55' * 4096)")
    node.wait(lambda: node.state == "off", 5)
    assert block(node) == left
    assert node.cuts == 1
    assert not node.flash.armed
    node.power_on()
    node.wait(lambda: node.resets == ["power_on", "power_on"], 5)


def test_the_nth_operation_is_counted_from_now(node):
    node.cut_power_at(3, "erase", "after")
    run(node, f"[part.ioctl(6, {BLOCK} + i) for i in range(5)]")
    node.flash.write("data", AT, b"\xaa" * 5 * 4096)
    node.wait(lambda: node.state == "off", 5)
    erased = node.flash.wear[0x220 + BLOCK : 0x220 + BLOCK + 5]
    assert erased == [1, 1, 1, 0, 0]
    with pytest.raises(ValueError, match="at least 1"):
        node.cut_power_at(0)


WRITER = (
    "import os\n"
    "try: n = int(open('/kept').read())\n"
    "except (OSError, ValueError): n = 0\n"
    "print('kept', n)\n"
    "for n in range(n + 1, n + 4):\n"
    "    with open('/kept.new', 'w') as file: file.write(str(n) + ' ' * 3000)\n"
    "    os.rename('/kept.new', '/kept')\n"
    "    print('wrote', n)\n"
)


def test_a_file_renamed_over_another_survives_a_cut_at_every_operation(tmp_path):
    """Cut at the 1st, 2nd, 3rd… change: the file is the old one or the new one, never none."""
    chip = started(tmp_path / "flash.bin", WRITER)
    with chip:
        chip.wait_text("wrote 3", 10)
        for n, where in itertools.product(range(1, 12, 2), ("before", "within", "after")):
            wrote = last(chip, "wrote")
            chip.power_off()
            chip.cut_power_at(n, "change", where)
            mark = chip.console.length
            chip.power_on()
            chip.wait(lambda: chip.state in ("off", "prompt"), 10)
            kept = int(files(chip)["kept"])
            begun = last(chip, "kept", mark)
            assert begun == wrote
            assert kept in (last(chip, "wrote", mark, begun), last(chip, "wrote", mark, begun) + 1)
            chip.flash.disarm()
            chip.power_on()
            chip.wait(lambda: chip.state == "prompt", 10)
        assert chip.cuts > 5


def last(node, word, mark=0, default=0):
    numbers = re.findall(word + r" (\d+)", node.console.since(mark))
    return int(numbers[-1]) if numbers else default


def test_a_chip_without_power_is_not_started_by_what_comes_late(node):
    with node.loop.lock:  # all before the VM's end can be seen
        node.unplug()
        node._stop((WATCHDOG, 0.0))
    node.wait(lambda: node.pid is None, 10)
    assert node.state == "off"
