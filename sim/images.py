"""Flash images of many nodes: what every node has is compiled and packed once."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from firmware.core import config as rules
from firmware.core.errors import ConfigError
from ota.build import filesystem
from ota.build.errors import FieldError
from ota.build.release import Release
from ota.field import image
from ota.field.partitions import FOUR_MB
from sim.errors import SimError


class Images:
    """The images of one release; `root`: TUF metadata; `anchors`: CA certificates as DER."""

    def __init__(self, release: Release, root: bytes, anchors: Sequence[bytes]) -> None:
        self._anchors = anchors
        try:
            self._vfs, data = image.factory_files(release, root)
            self._flash = image.flash_image(None, {}, data)
        except FieldError as error:
            raise SimError(error.message) from error

    def write(self, path: Path, config: Mapping[str, Any], claim: str) -> None:
        """Write one node's flash; SimError names a field of `config` that is wrong."""
        packed = json.dumps(config, separators=(",", ":"), ensure_ascii=False).encode()
        try:
            rules.parse(packed)
        except ConfigError as error:
            raise SimError(f"configuration of {path.stem}: {error}") from error
        own = image.site_files(image.Site(packed, claim.encode(), self._anchors))
        partition = FOUR_MB["vfs"]
        path.touch(mode=0o600)  # it holds the claim
        with path.open("r+b") as file:
            file.write(self._flash)
            file.seek(partition.offset)
            file.write(filesystem.pack(self._vfs | own, partition.size))
