import json

from firmware.core import senml, senml_decode
from firmware.core.errors import FormatError
from outcomes import refused

DEVICE = "aabbccfffeddeeff"
BOX = "0123abcd"


def entry(seq=17, **streams):
    return {"seq": seq, "t": 1760000000, "len": 600, "exp": 60, "streams": streams}


def packed(*entries, limit=3072):
    pack = senml.Pack(DEVICE, limit)
    pack.begin(BOX)
    for each in entries:
        assert pack.add(each)
    return pack


def record(**changes):
    made = {
        "bn": "urn:dev:mac:" + DEVICE + "/",
        "box": BOX,
        "n": "pm25",
        "u": "ug/m3",
        "t": 1760000000,
        "v": 12.5,
        "min": 3,
        "max": 20,
        "seq": 1,
        "len": 600,
        "cnt": 60,
        "exp": 60,
    }
    for label, value in changes.items():
        if value is None:
            del made[label]
        else:
            made[label] = value
    return made


def reasons(*records):
    return [senml_decode.reason(each) for each in senml_decode.resolve(list(records))]


def test_a_pack_has_these_very_bytes():
    pack = packed(entry(pm25=[58, 12.5, 3, 20]), entry(18, humidity=[44, 50.25, 50, 51]))
    assert bytes(pack.body()) == (
        b'[{"bn":"urn:dev:mac:aabbccfffeddeeff/","box":"0123abcd","n":"pm25","u":"ug/m3",'
        b'"t":1760000000,"v":12.5,"min":3,"max":20,"seq":17,"len":600,"cnt":58,"exp":60},'
        b'{"n":"humidity","u":"%RH","t":1760000000,"vs":"incomplete",'
        b'"seq":18,"len":600,"cnt":44,"exp":60}]'
    )
    assert pack.owners == [17, 18]


def test_every_encoded_stream_is_an_observation_at_the_receiver():
    streams = {name: [60, 40.123456, 40, 41] for name in senml.UNITS}
    streams["pressure"] = [60, 101325.04, 101325.0, 101326.5]
    body = bytes(packed(entry(streams=None) | {"streams": streams}).body())
    records = senml_decode.resolve(senml_decode.parse(body))
    assert [senml_decode.reason(each) for each in records] == [None] * len(senml.UNITS)
    assert sorted(senml_decode.split_name(each["n"])[1] for each in records) == sorted(senml.UNITS)


def test_a_full_pack_takes_no_half_entry():
    pack = senml.Pack(DEVICE, 340)
    pack.begin(BOX)
    assert pack.add(entry(1, pm25=[60, 1, 1, 1]))
    before = bytes(pack.body())
    assert not pack.add(entry(2, pm1=[60, 1, 1, 1], pm10=[60, 1, 1, 1]))
    assert bytes(pack.body()) == before
    assert pack.owners == [1]
    assert json.loads(before)[0]["seq"] == 1
    pack.begin(BOX)
    assert bytes(pack.body()) == b""
    assert pack.add(entry(2, pm1=[60, 1, 1, 1]))
    assert pack.owners == [2]


def test_a_pack_fills_its_buffer_to_the_last_byte():
    needed = len(packed(entry(pm25=[60, 1, 1, 1])).body())
    pack = senml.Pack(DEVICE, needed)
    pack.begin(BOX)
    assert pack.add(entry(pm25=[60, 1, 1, 1]))
    pack = senml.Pack(DEVICE, needed - 1)
    pack.begin(BOX)
    assert not pack.add(entry(pm25=[60, 1, 1, 1]))


def test_a_stream_of_a_newer_release_is_left_out():
    pack = packed(entry(pm25=[60, 1, 1, 1], ozone=[60, 1, 1, 1]))
    assert pack.owners == [17]


def test_base_fields_hold_for_the_records_that_follow():
    records = senml_decode.resolve(
        [
            {"bn": "urn:dev:mac:" + DEVICE + "/", "bt": 1760000000, "bu": "Cel", "box": BOX},
            {"n": "temperature", "t": 600, "v": 1},
            {"n": "humidity", "u": "%RH", "v": 2},
        ]
    )
    assert records[1]["n"] == "urn:dev:mac:" + DEVICE + "/temperature"
    assert (records[1]["t"], records[1]["u"], records[1]["box"]) == (1760000600, "Cel", BOX)
    assert (records[2]["t"], records[2]["u"]) == (1760000000, "%RH")
    assert "bn" not in records[0]


def test_a_bad_record_is_named_and_the_good_ones_stand():
    second = record(seq=2, u="kg")
    third = record(seq=3)
    assert reasons(record(), second, third) == [None, "unit", None]


def test_each_fault_of_a_record_has_its_word():
    assert reasons(record(bn="urn:dev:mac:aabbccfffeddeefg/")) == ["name"]
    assert reasons(record(bn="pm")) == ["name"]
    assert reasons(record(n="ozone")) == ["stream"]
    assert reasons(record(u=None)) == ["unit"]
    assert reasons(record(t=100)) == ["time"]
    assert reasons(record(t=1760000000.5)) == ["time"]
    assert reasons(record(box=None)) == ["box"]
    assert reasons(record(box="0123ABCD")) == ["box"]
    assert reasons(record(seq=-1)) == ["seq"]
    assert reasons(record(seq=True)) == ["seq"]
    assert reasons(record(len=0)) == ["window"]
    assert reasons(record(cnt=None)) == ["count"]
    assert reasons(record(exp=0)) == ["count"]
    assert reasons(record(v=None)) == ["value"]
    assert reasons(record(v=2)) == ["value"]
    assert reasons(record(v=21)) == ["value"]
    for odd in ("12", True, [], 1e300, float("nan"), float("inf")):
        assert reasons(record(v=odd), record(t=odd)) == ["value", "time"]
    assert reasons(record(max=1001)) == ["range"]
    assert reasons(record(min=-1)) == ["range"]


def test_a_gap_carries_no_value():
    gap = record(cnt=44, v=None, vs="incomplete")
    del gap["min"], gap["max"]
    assert reasons(gap) == [None]
    assert reasons(gap | {"v": 12}) == ["value"]
    assert reasons(record(cnt=44)) == ["value"]
    assert reasons(record(vs="incomplete")) == ["value"]


def test_what_is_no_pack_is_refused_whole():
    for body in (b"", b"[", b"{}", b"[]", b"17", b'"x"', b"[" * 500, b"\xff\xfe"):
        refused(FormatError, senml_decode.parse, body)
    for pack in (
        [17],
        [record(), None],
        [record(bn=5)],
        [record(bt="now")],
        [record(bver=11)],
        [record(must_=1)],
        [record(n=[])],
        [record()] * 1001,
    ):
        refused(FormatError, senml_decode.resolve, pack)
