"""What the host deflates, the node's own DeflateIO inflates with a window of 4 KB."""

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from ota.build.entries import deflate

INFLATE = """
import deflate, hashlib, binascii, sys
file = open(sys.argv[1], "rb")
stream = deflate.DeflateIO(file, deflate.ZLIB, 12)
digest = hashlib.sha256()
buffer = bytearray(1024)
while True:
    n = stream.readinto(buffer)
    if not n:
        break
    digest.update(memoryview(buffer)[:n])
print(binascii.hexlify(digest.digest()).decode())
"""


def test_the_vm_inflates_what_the_host_deflates(tmp_path):
    vm = os.environ.get("LAMPPOST_MICROPYTHON") or str(
        Path(sys.executable).with_name("micropython")
    )
    (tmp_path / "inflate.py").write_text(INFLATE)
    noise = os.urandom(9000)
    for plain in (b"", b"x", bytes(50_000), noise + noise, b"lamp" * 3000 + noise):
        packed = deflate(plain)
        assert packed[0] >> 4 == 12 - 8  # RFC 1950 section 2.2: CINFO is log2(window) - 8
        (tmp_path / "packed").write_bytes(packed)
        result = subprocess.run(
            [vm, "-X", "heapsize=92wK", str(tmp_path / "inflate.py"), str(tmp_path / "packed")],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert result.stdout.strip() == sha256(plain).hexdigest(), result.stderr
