"""The published schema and the node's validator say the same of any document."""

import copy
import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core import config, senml
from firmware.core.errors import ConfigError

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "firmware/config.schema.json").read_text())
FULL = json.loads((ROOT / "tests/vectors/config.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
# What JSON Schema cannot say: it relates two fields. The schema's description names them.
RELATIONS = ("sample_s", "light.dawn_lux", ".part")


def fault(document):
    try:
        config.validate(document)
    except ConfigError as error:
        return error.field
    return None


def agree(document):
    field = fault(document)
    if VALIDATOR.is_valid(document):
        return field is None or field.endswith(RELATIONS)
    return field is not None


def paths(value, path=()):
    """Return the path of every field and item below `value`."""
    found = [path] if path else []
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            found += paths(inner, (*path, key))
    return found


def changed(document, path, change):
    made = copy.deepcopy(document)
    at = made
    for step in path[:-1]:
        at = at[step]
    change(at, path[-1])
    return made


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 70000),
    # JSON has one kind of number; the node takes 600, not 600.0, where a whole one is asked for.
    st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: not x.is_integer()),
    st.text(max_size=12),
    st.sampled_from(
        ["22:00", "24:00", "UTC0", "pms5003", "bme280", "lamp", "ambient", "other", "x" * 70]
    ),
    st.sampled_from([[], {}, [1, 2], [1, 2, 3], ["22:00", 50], [["22:00", 50]]]),
)


@given(path=st.sampled_from(paths(FULL)), value=values)
def test_they_agree_when_a_field_changes(path, value):
    document = changed(FULL, path, lambda at, key: at.__setitem__(key, value))
    assert agree(document), (fault(document), document)


@given(gone=st.lists(st.sampled_from(paths(FULL)), min_size=1, max_size=3))
def test_they_agree_when_fields_are_gone(gone):
    document = copy.deepcopy(FULL)
    for path in gone:
        try:
            document = changed(document, path, lambda at, key: at.pop(key))
        except (KeyError, IndexError, TypeError):
            continue  # its parent went first
    assert agree(document), (fault(document), document)


@pytest.mark.parametrize("path", [p for p in paths(FULL) if isinstance(p[-1], str)], ids=str)
def test_they_agree_on_null_and_on_unknown_fields(path):
    document = changed(FULL, path, lambda at, key: at.__setitem__(key, None))
    assert not VALIDATOR.is_valid(document)
    assert agree(document)
    document = changed(FULL, path, lambda at, _key: at.__setitem__("later", {"x": 1}))
    if path[:-1] not in {("parts",), ("streams",)}:
        assert VALIDATOR.is_valid(document)
        assert fault(document) is None


@given(document=st.fixed_dictionaries({}, optional=dict.fromkeys(FULL, values)))
def test_they_agree_on_any_document(document):
    assert agree(document), (fault(document), document)


zones = st.text("AZaz019<>+-,./:JM ", max_size=24)
real = st.sampled_from(["CET-1CEST,M3.5.0,M10.5.0/3", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"])


@st.composite
def nearly_zones(draw):
    """Return a real zone with one character changed, gone or doubled."""
    text = draw(real)
    at = draw(st.integers(0, len(text) - 1))
    middle = draw(st.one_of(st.sampled_from(["", text[at] * 2]), st.text(max_size=1)))
    return text[:at] + middle + text[at + 1 :]


@given(zone=st.one_of(zones, nearly_zones()))
def test_they_agree_on_time_zones(zone):
    document = {**FULL, "time_zone": zone}
    if not zone.endswith("\n"):  # Python's $ also stands before a last line feed, ECMA's does not
        assert VALIDATOR.is_valid(document) == (fault(document) is None), zone


def test_the_schema_is_one_and_describes_every_field():
    VALIDATOR.check_schema(SCHEMA)
    assert VALIDATOR.is_valid(FULL)
    for name, field in SCHEMA["properties"].items():
        assert field["description"], name


def test_the_schemas_defaults_are_the_validators():
    least = {"v": 1, "name": "n", "wifi": {"ssid": "s"}, "server": {"address": "a"}}
    made = config.validate(least)
    for name, field in SCHEMA["properties"].items():
        if "default" in field and name != "light":
            assert made[name] == field["default"], name
    light = SCHEMA["properties"]["light"]["properties"]
    assert made["light"] == {name: field["default"] for name, field in light.items()}


def test_every_stream_has_a_driver_a_unit_and_a_mention():
    streams = {name for names in config.STREAMS_OF.values() for name in names}
    assert streams == set(senml.UNITS)
    for name in streams:
        assert name in SCHEMA["properties"]["streams"]["description"]
    for driver in config.STREAMS_OF:
        assert driver in SCHEMA["$defs"]["part"]["properties"]["driver"]["description"]
