"""The flash image: partition table, runtime, both file systems, and who may read it."""

import itertools
import json
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from hashlib import md5
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from ota.build import bundle, filesystem, micropython, release, repository
from ota.build.boards import BOARDS, FLASH_BYTES
from ota.build.entries import packed
from ota.build.errors import FieldError
from ota.core import bootrecord
from ota.field import image
from ota.field.cli import node
from ota.field.partitions import FOUR_MB, Layout
from sim.espimage import esp_image, official

ESP32 = BOARDS["esp32"]
CONFIG = {
    "v": 1,
    "name": "elm-street-4",
    "wifi": {"ssid": "city", "password": "lamplight"},
    "server": {"address": "192.0.2.1", "port": 8443, "name": "fleet.example"},
}
READ_ON_VM = """
import os, sys, vfs
sys.path.append("")

class Flash:
    def __init__(self, path, offset, size):
        self.file, self.offset, self.size = open(path, "r+b"), offset, size
    def readblocks(self, block, buffer, offset=0):
        self.file.seek(self.offset + block * 4096 + offset)
        self.file.readinto(buffer)
    def writeblocks(self, block, buffer, offset=0):
        self.file.seek(self.offset + block * 4096 + offset)
        self.file.write(buffer)
    def ioctl(self, op, arg):
        if op == 4:
            return self.size // 4096
        if op == 5:
            return 4096
        if op == 6:
            self.file.seek(self.offset + arg * 4096)
            self.file.write(b"\\xff" * 4096)
        return 0

def walk(folder):
    for name, kind, *_ in os.ilistdir(folder):
        path = folder + "/" + name
        if kind == 0x4000:
            walk(path)
        else:
            with open(path, "rb") as file:
                print(path, len(file.read()))

import json
path = sys.argv[1]
for label, offset, size in json.loads(sys.argv[2]):
    vfs.mount(vfs.VfsLfs2(Flash(path, offset, size)), "/" + label)
    walk("/" + label)
    with open("/" + label + "/written", "w") as file:
        file.write("by the VM")
    vfs.umount("/" + label)
"""


def small_release(board="esp32"):
    entries = tuple(
        packed(path, plain)
        for path, plain in (("firmware/main.mpy", bytes(5000)), ("ota/core/x.mpy", b"x" * 200))
    )
    header = release.Header("1.0.0", board, "0.0.0", "1.27.0", 1_769_817_600, 30)
    return release.Release(header, entries, release._manifest(header, entries))


def test_the_table_is_the_one_that_espressifs_tool_makes():
    stock = Layout(FOUR_MB.partitions[:3])
    table = stock.table()
    assert len(table) == 0xC00
    # The MD5 line that gen_esp32part.py wrote into MicroPython's official 1.27 images.
    assert table[96:128].hex() == "eb" * 2 + "ff" * 14 + "8405a9bb5ce0b84c4f2ca5de9a76b050"
    ours = FOUR_MB.table()
    assert ours[5 * 32 + 16 : 6 * 32] == md5(ours[: 5 * 32]).digest()
    assert set(ours[6 * 32 :]) == {0xFF}


def test_partitions_fill_the_flash_without_overlap():
    ordered = FOUR_MB.partitions
    assert ordered[0].offset == micropython.TABLE_OFFSET + 0x1000
    for before, after in itertools.pairwise(ordered):
        assert before.end == after.offset
    assert ordered[-1].end == FLASH_BYTES


def test_an_image_holds_runtime_table_and_both_file_systems():
    vfs, data = {"boot.py": b"1"}, {"a/x": bytes(9000)}
    flash = image.flash_image(official(), vfs, data)
    assert len(flash) == FLASH_BYTES
    assert flash[:0x1000] == b"\xff" * 0x1000
    assert flash[0x1000:][:200] == esp_image(0, b"bootloader")[:200].ljust(200, b"\xff")
    assert flash[0x8000:0x8C00] == FOUR_MB.table()
    assert b"MicroPython v1.27.0" in flash[0x10000:0x11000]
    assert filesystem.unpack(flash[0x200000:0x220000]) == vfs
    assert filesystem.unpack(flash[0x220000:]) == data
    assert image.flash_image(official(), vfs, data) == flash


def test_without_a_runtime_the_rest_is_the_same():
    flash = image.flash_image(None, {"boot.py": b"1"}, {})
    assert flash[:0x8000] == b"\xff" * 0x8000
    assert flash[0x8000:0x8C00] == FOUR_MB.table()
    assert flash[0x10000:0x200000] == b"\xff" * 0x1F0000


def test_what_does_not_fit_a_partition_names_it():
    with pytest.raises(FieldError, match="partition vfs: 1 files of 140000 bytes do not fit"):
        image.flash_image(None, {"x": bytes(140_000)}, {})


def test_factory_files_fill_both_slots_and_start_in_a():
    made = small_release()
    vfs, data = image.factory_files(made, b"root", image.Site(b"{}", b"claim\n", [b"one", b"two"]))
    assert {"boot.py", "main.py", "lib/startup.mpy", "lib/bootrecord.mpy"} < set(vfs)
    assert vfs["etc/claim"] == b"claim"
    assert (vfs["etc/ca.der"], vfs["etc/ca1.der"]) == (b"one", b"two")
    for slot in "ab":
        assert data[f"{slot}/manifest.jsonl"] == made.manifest
        for entry in made.entries:
            assert data[f"{slot}/{entry.path}"] == entry.plain
    record = bootrecord.newest([data["boot.0"], data["boot.1"]])
    assert (bootrecord.running(record), record["state"]) == ("a", "steady")
    assert bootrecord.decode(data["boot.0"])
    assert bootrecord.decode(data["boot.1"])
    with pytest.raises(FieldError, match="at least one CA"):
        image.factory_files(made, b"root", image.Site(b"{}", b"claim", []))
    with pytest.raises(FieldError, match="5 CA certificates, a node takes 4"):
        image.factory_files(made, b"root", image.Site(b"{}", b"claim", [b"ca"] * 5))
    bare, same = image.factory_files(made, b"root")
    assert set(vfs) - set(bare) == {
        f"etc/{each}" for each in ("config.json", "claim", "ca.der", "ca1.der")
    }
    assert same == data


def vm():
    found = os.environ.get("LAMPPOST_MICROPYTHON")
    return found or str(Path(sys.executable).with_name("micropython"))


def test_micropython_mounts_and_writes_both_file_systems(tmp_path):
    vfs, data = image.factory_files(small_release(), b"root", image.Site(b"{}", b"claim", [b"ca"]))
    flash = tmp_path / "flash.bin"
    flash.write_bytes(image.flash_image(None, vfs, data))
    (tmp_path / "read.py").write_text(READ_ON_VM)
    volumes = [(label, FOUR_MB[label].offset, FOUR_MB[label].size) for label in ("vfs", "data")]
    result = subprocess.run(
        [vm(), "-X", "heapsize=92wK", tmp_path / "read.py", flash, json.dumps(volumes)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr + result.stdout
    expected = {f"/vfs/{path} {len(content)}" for path, content in vfs.items()}
    expected |= {f"/data/{path} {len(content)}" for path, content in data.items()}
    assert set(result.stdout.splitlines()) == expected
    after = filesystem.unpack(flash.read_bytes()[0x220000:])
    assert after == data | {"written": b"by the VM"}


@pytest.fixture
def inputs(tmp_path):
    """Lay out what a technician has: bundle, config, claim, root, CA, runtime."""
    home = repository.Home(tmp_path / "home")
    repository.init(home, None)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Fleet CA")])
    now = datetime.now(UTC)
    ca = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, SHA256())
    )
    (tmp_path / "ca").write_bytes(ca.public_bytes(Encoding.PEM))
    (tmp_path / "bundle").write_bytes(bundle.pack(small_release()))
    (tmp_path / "config").write_text(json.dumps(CONFIG, indent=2))
    (tmp_path / "claim").write_text("s3cret-claim\n")
    (tmp_path / "root").write_bytes((home.keys / "root.json").read_bytes())
    (tmp_path / "runtime").write_bytes(official())
    return tmp_path


def run(inputs, *more):
    names = ("bundle", "config", "claim", "root", "ca", "runtime")
    options = [part for name in names for part in (f"--{name}", str(inputs / name))]
    return CliRunner().invoke(node, ["image", *options, "-o", str(inputs / "flash.bin"), *more])


def test_the_command_writes_an_image_that_only_its_owner_reads(inputs):
    result = run(inputs, "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert (answer["board"], answer["version"], answer["runtime"]) == ("esp32", "1.0.0", "1.27.0")
    assert answer["free_blocks"]["vfs"] > 10
    flash = inputs / "flash.bin"
    assert stat.S_IMODE(flash.stat().st_mode) == 0o600
    vfs = filesystem.unpack(flash.read_bytes()[0x200000:0x220000])
    assert json.loads(vfs["etc/config.json"]) == CONFIG
    assert vfs["etc/claim"] == b"s3cret-claim"
    assert x509.load_der_x509_certificate(vfs["etc/ca.der"])
    assert vfs["etc/root.json"] == (inputs / "root").read_bytes()
    assert "s3cret" not in run(inputs).output


def test_without_a_site_the_image_holds_release_and_root_alone(inputs):
    names = ("bundle", "root", "runtime")
    options = [part for name in names for part in (f"--{name}", str(inputs / name))]
    bare = ["image", *options, "-o", str(inputs / "flash.bin")]
    result = CliRunner().invoke(node, bare)
    assert result.exit_code == 0, result.output
    assert "site     none: `lamppost node provision` gives it one" in result.stdout
    vfs = filesystem.unpack((inputs / "flash.bin").read_bytes()[0x200000:0x220000])
    assert {each for each in vfs if each.startswith("etc/")} == {"etc/release", "etc/root.json"}
    for name in ("config", "claim", "ca"):
        half = CliRunner().invoke(node, [*bare, f"--{name}", str(inputs / name)])
        assert half.exit_code == 2
        assert "--config, --claim and --ca belong together" in half.stderr


def test_an_unknown_stream_is_a_note_not_an_error(inputs):
    stream = {"part": "x", "purpose": "noise map", "retention_days": 30}
    (inputs / "config").write_text(json.dumps(CONFIG | {"streams": {"noise": stream}}))
    result = run(inputs, "--json")
    assert result.exit_code == 0, result.output
    assert "streams.noise is unknown to this release" in result.stderr


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("bundle", b"nonsense", "not a zip file"),
        ("config", b"{", "is no JSON"),
        ("config", json.dumps(CONFIG | {"window_s": "long"}).encode(), "window_s"),
        ("claim", b"", "expected one word"),
        ("claim", b"two words", "expected one word"),
        ("root", b"{}", "root metadata"),
        ("ca", b"nonsense", "neither PEM nor DER"),
        ("ca", b"-----BEGIN CERTIFICATE-----\nAAAA\n", "neither PEM nor DER"),
        ("runtime", official(chip_id=9), "the runtime is for ESP32-S3, board esp32 has ESP32"),
        (
            "runtime",
            official(app=esp_image(0, b"v1.24.1 on 2024-11-29")),
            "the runtime is MicroPython 1.24.1, release 1.0.0 needs 1.27.0 or newer",
        ),
        ("runtime", None, "runtime: No such file"),
    ],
)
def test_bad_input_ends_with_status_2_one_line_and_no_image(inputs, name, content, message):
    if content is None:
        (inputs / name).unlink()
    else:
        (inputs / name).write_bytes(content)
    result = run(inputs)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (inputs / "flash.bin").exists()


def test_a_root_signed_by_others_is_refused(inputs):
    other = repository.Home(inputs / "other")
    repository.init(other, None)
    root = json.loads((inputs / "root").read_bytes())
    root["signatures"] = json.loads((other.keys / "root.json").read_bytes())["signatures"]
    (inputs / "root").write_text(json.dumps(root))
    result = run(inputs)
    assert result.exit_code == 2
    assert "root metadata" in result.stderr
