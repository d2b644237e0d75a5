"""Slots whose firmware does what a few lines say, on flashes with the real boot code."""

import hashlib
import json

from emulated import flash

from ota.build.compiler import compile_module
from ota.core import bootrecord
from ota.field.image import boot_files
from sim import flashfiles

IDLE = "print('runs {name}!')\nimport time\nwhile True:\n    time.sleep(1)\n"
CRASH = "print('runs {name}!')\nraise ValueError('born to fail')\n"
HANG = "print('runs {name}!')\nimport machine\nmachine.WDT(timeout=200)\nwhile True:\n    pass\n"
MANIFEST = "ab" * 32


def slot(folder, name, text):
    """Give the files of a slot whose firmware.main does what `text` says."""
    source = folder / f"{name}.py"
    body = "".join(f"    {line}\n" for line in text.format(name=name).splitlines())
    source.write_text("def main():\n" + body)
    files = {
        "firmware/main.mpy": compile_module(source, "firmware/main.py"),
        "firmware/other.mpy": b"never imported, but signed",
    }
    lines = [json.dumps({"version": "1.0.0"})]
    for path, plain in files.items():
        lines.append(json.dumps([path, len(plain), hashlib.sha256(plain).hexdigest(), 1]))
    files["manifest.jsonl"] = "\n".join(lines).encode() + b"\n"
    return {f"{name}/{path}": content for path, content in files.items()}


def copies(record):
    """Give both copies of a boot record, the second one the newest."""
    found = {}
    for _ in range(2):
        index, data, record = bootrecord.seal(record)
        found[f"boot.{index}"] = data
    return found


def staged():
    """Give the record of a node that wants a trial of slot b."""
    return bootrecord.stage(bootrecord.fresh(), "b", MANIFEST, "7", "1.1.0")


def two_slots(folder, path, a=IDLE, b=IDLE, record=None, **changes):
    """Write a flash of two slots and a boot record to `path`; `changes`: files of /data."""
    data = slot(folder, "a", a) | slot(folder, "b", b) | copies(record or staged())
    data |= {name.replace("_", "/"): content for name, content in changes.items()}
    boot = boot_files()
    return flash(
        path, boot["main.py"].decode(), boot=boot["boot.py"].decode(), vfs=boot, data=data
    )


def record_of(node):
    """Read the boot record behind a node's back."""
    files = flashfiles.read(node.flash.path, "data")
    return bootrecord.newest([files.get("boot.0"), files.get("boot.1")])


def starts_of(node):
    """Read the counts of starts behind a node's back."""
    return json.loads(flashfiles.read(node.flash.path, "data").get("starts", b"{}"))


def started(node, deadline_s=20):
    """Switch the node on and wait until firmware runs; give the slot."""
    mark = len(node.console.text)
    node.power_on()
    shown = node.wait_text("!", deadline_s, mark)
    return shown.partition("runs ")[2][:1]
