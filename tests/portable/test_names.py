from firmware.core.errors import ConfigError, FirmwareError, FrameError, PartError
from firmware.core.names import device_id, is_device_id


def test_a_mac_becomes_an_eui_64():
    assert device_id(b"\xaa\xbb\xcc\xdd\xee\xff") == "aabbccfffeddeeff"
    assert device_id(b"\x00\x01\x02\x03\x04\x05") == "000102fffe030405"


def test_only_sixteen_lower_case_hex_digits_are_a_device_id():
    assert is_device_id("aabbccfffeddeeff")
    for text in (
        "",
        "aabbccfffeddeef",
        "aabbccfffeddeeff0",
        "AABBCCFFFEDDEEFF",
        "aabbccfffeddee f",
    ):
        assert not is_device_id(text)


def test_errors_say_whose_fault_it_is():
    error = ConfigError("parts.air.uart", "is missing")
    assert str(error) == "parts.air.uart: is missing"
    assert (error.field, error.message) == ("parts.air.uart", "is missing")
    assert issubclass(FrameError, PartError)
    assert issubclass(PartError, FirmwareError)
