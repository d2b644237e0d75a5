"""What of the rescue goes into an image: all that it imports, in its bounds, and whole."""

import ast
import json
from binascii import crc32

import pytest

from ota.build import filesystem
from ota.build.boards import VFS_BYTES
from ota.build.sources import package_folder
from ota.core import limits
from ota.field import image, rescue

# What it asks for and does well without: written in, or of other repositories.
MISSING = {
    "ota.core.limits",
    "ota.core.ed25519",
    "ota.core.pkcs1",
    "ota.core.sha512",
    "ota.device.delegated",
}


def loaded():
    files = image.boot_files()
    return sum(len(code) for code in rescue.modules().values()) + len(files["lib/rescue.mpy"])


def test_all_that_a_rescue_loads_is_at_most_24_kb():
    assert rescue.LIMIT_BYTES == 24 * 1024
    assert loaded() <= rescue.LIMIT_BYTES


def test_root_files_beside_the_largest_things_of_etc_leave_room_to_renew_them():
    etc = {
        "etc/config.json": bytes(4096),
        "etc/identity": bytes(2048),
        "etc/root.json": bytes(limits.ROOT_BYTES),
        "etc/release": bytes(128),
        "etc/claim": bytes(100),
        "etc/ca.der": bytes(2048),
        "etc/ca1.der": bytes(2048),
    }
    used = filesystem.used(image.boot_files() | etc, VFS_BYTES)
    assert used <= VFS_BYTES // 4096 - 4


def imported(source):
    """Return the modules of ours that a file imports, wherever it does."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return {name for name in found if name.startswith(("ota.", "firmware."))}


def test_it_has_every_module_that_it_imports():
    root = package_folder("firmware").parent
    own = root / "firmware" / "root"
    paths = [own / "rescue.py", own / "reinstall.py"]
    paths += [root / path for path in rescue.MODULES if "/" in path]
    there = {path.removesuffix(".py").replace("/", ".") for path in rescue.MODULES}
    wanted = set().union(*(imported(path.read_bytes()) for path in paths))
    modules = {name for name in wanted if (root / (name.replace(".", "/") + ".py")).exists()}
    assert modules - there == MISSING


def test_a_pack_says_where_what_lies():
    contents = {"a.mpy": b"one", "b/c.mpy": b"", "b/d.mpy": b"three"}
    packed = rescue.pack(contents)
    index, _, rest = packed.partition(b"\n")
    assert {
        path: (rest[at : at + size], crc32(rest[at : at + size]) == crc)
        for path, (at, size, crc) in json.loads(index).items()
    } == {path: (content, True) for path, content in contents.items()}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('raise BadFormat("date expected: %s" % text)', "raise BadFormat"),
        ('raise errors.BadResponse("head too long")', "raise errors.BadResponse"),
        ('raise Expired("x")', "raise Expired('x')"),
        ("raise response.refusal()", "raise response.refusal()"),
        ("raise", "raise"),
    ],
)
def test_errors_of_form_lose_their_texts_and_no_others(before, after):
    assert ast.unparse(rescue._Terse().visit(ast.parse(before))) == after
