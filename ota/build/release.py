"""A release: compiled files, their manifest and the budget of flash blocks they must keep.

The manifest is JSON Lines (ota/decisions/0001): a header, then `[path, size, sha256, zsize]` a
file, sorted by path. It is the TUF target `<board>/<version>.jsonl`; the files travel beside it,
deflated with a 4 KB window, under the SHA-256 of their plain bytes. The header also names the
SBOM by its SHA-256 (`sbom`), which nodes pass over (ota/decisions/0008).
"""

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ota.build import carried, filesystem, names, provenance, sbom
from ota.build.boards import BLOCK_BYTES, DATA_BYTES
from ota.build.compiler import compile_module
from ota.build.entries import Entry, packed
from ota.build.errors import BuildError
from ota.build.sources import Source
from ota.core import limits
from ota.core import manifest as rules
from ota.core.errors import OtaError

# What the data partition keeps beside the two slots, in blocks of 4 KiB:
OUTBOX_BLOCKS = 168  # readings not yet acknowledged: 160 segments of a block, their folder
STAGING_BLOCKS = (
    32  # a half-fetched file, TUF metadata, boot record, log, and LittleFS's own spare
)
SLOT_BLOCKS = (DATA_BYTES // BLOCK_BYTES - OUTBOX_BLOCKS - STAGING_BLOCKS) // 2


@dataclass(frozen=True)
class Header:
    """The first line of a manifest.

    `floor`: the signed security floor, below which a node that has seen it installs nothing.
    `runtime`: the least MicroPython version. `built`: unix seconds, a lower bound for a node's
    clock. `min_level`: the least night light level in %, below which no command goes.
    `micropython`: the MicroPython that comes with the release, "" when none does.
    """

    version: str
    board: str
    floor: str
    runtime: str
    built: int
    min_level: int
    micropython: str = ""

    def line(self, **more: str) -> bytes:
        """Return it as the JSON line that a manifest begins with."""
        said = {key: value for key, value in vars(self).items() if value != ""}
        return json.dumps(said | more, separators=(",", ":")).encode() + b"\n"


@dataclass(frozen=True)
class Evidence:
    """What a release is made of and where it comes from: CycloneDX and in-toto documents."""

    sbom: bytes = field(repr=False)
    provenance: bytes = field(repr=False)


@dataclass(frozen=True)
class Release:
    """Header, files sorted by path, and the manifest's bytes: what is hashed and signed.

    `evidence` is there when the manifest names it, which every built release does. `runtime`: the
    MicroPython that it brings, if any.
    """

    header: Header
    entries: tuple[Entry, ...]
    manifest: bytes
    evidence: Evidence | None = None
    runtime: carried.Carried | None = None

    @property
    def files(self) -> dict[str, bytes]:
        """Return everything that travels beside the manifest, deflated, by SHA-256."""
        blocks = self.runtime.blocks if self.runtime else {}
        return {entry.sha256: entry.deflated for entry in self.entries} | blocks

    def slot(self, name: str = "") -> dict[str, bytes]:
        """Return path → bytes of a slot that holds this release, under the folder `name`."""
        prefix = f"{name}/" if name else ""
        files = {f"{prefix}{entry.path}": entry.plain for entry in self.entries}
        return files | {f"{prefix}manifest.jsonl": self.manifest}

    def figures(self) -> dict[str, int]:
        """Return files, bytes, deflated bytes and the blocks of a slot against their budget."""
        return {
            "files": len(self.entries),
            "bytes": sum(len(entry.plain) for entry in self.entries),
            "deflated": sum(len(entry.deflated) for entry in self.entries),
            "runtime": sum(map(len, self.runtime.blocks.values())) if self.runtime else 0,
            "manifest": len(self.manifest),
            "blocks": filesystem.blocks(self.slot("a")),
            "blocks_max": SLOT_BLOCKS,
        }


def build(
    header: Header,
    sources: Sequence[Source],
    progress: Callable[[str], None] = lambda _: None,
    origin: provenance.Origin | None = None,
    runtime: carried.Carried | None = None,
) -> Release:
    """Compile `sources` to a release; BuildError when one does not compile or all do not fit.

    `progress` is called with each path before it is compiled. `origin`: for its provenance.
    `runtime`: the MicroPython to bring, as `header` says.
    """
    entries = []
    vocabulary = names.Vocabulary(source.file for source in sources)
    for source in sources:
        if source.module in vocabulary.constants:
            continue  # written into those that use it
        progress(source.path)
        plain = compile_module(source.file, source.path, vocabulary)
        path = source.path.removesuffix(".py") + ".mpy"
        entries.append(packed(path, plain))
    if runtime:
        entries.append(packed(carried.NAME, runtime.listed))
    entries.sort(key=lambda entry: entry.path)
    statement = provenance.statement(header, entries, sources, origin)
    evidence = Evidence(sbom.document(header, entries, statement), statement)
    manifest = _manifest(header, entries, hashlib.sha256(evidence.sbom).hexdigest())
    parse(manifest)
    release = Release(header, tuple(entries), manifest, evidence, runtime)
    check_fits(release)
    return release


def parse(manifest: bytes) -> tuple[Header, list[tuple[str, int, str, int]]]:
    """Read a manifest by the node's own rules: its header and (path, size, sha256, zsize) a file.

    BuildError says what a node would not accept.
    """
    if len(manifest) > limits.MANIFEST_BYTES:
        raise BuildError(
            f"the manifest has {len(manifest)} bytes, a node reads {limits.MANIFEST_BYTES}"
        )
    file = io.BytesIO(manifest)
    try:
        found: dict[str, Any] = dict(rules.header(file.readline()))
        lines = list(rules.entries(file))  # type: ignore[no-untyped-call]  # device code
    except OtaError as error:
        raise BuildError(str(error)) from error
    return Header(**{key: found[key] for key in Header.__dataclass_fields__}), lines


def check_fits(release: Release) -> None:
    """Raise BuildError unless the release fits twice on flash, beside outbox and staging."""
    taken = filesystem.blocks(release.slot("a"))
    if taken > SLOT_BLOCKS:
        raise BuildError(
            f"the release takes {taken} blocks of 4 KiB and a slot has {SLOT_BLOCKS}: two of them,"
            f" {OUTBOX_BLOCKS} for the outbox and {STAGING_BLOCKS} for staging must fit"
            f" {DATA_BYTES // BLOCK_BYTES}"
        )


def sbom_digest(manifest: bytes) -> str | None:
    """Return the SHA-256 (hex) of the SBOM that a manifest names, None when it names none."""
    found = rules.header(manifest[: manifest.find(b"\n") + 1]).get("sbom")
    return found if isinstance(found, str) else None


def _manifest(header: Header, entries: Sequence[Entry], digest: str | None = None) -> bytes:
    first = header.line(**({} if digest is None else {"sbom": digest}))
    lines = [[e.path, len(e.plain), e.sha256, len(e.deflated)] for e in entries]
    rest = (json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
    return first + b"".join(rest)
