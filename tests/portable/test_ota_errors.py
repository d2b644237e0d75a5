"""What a node reports of an error, on both interpreters."""

from ota.core import errors


def test_a_report_names_the_error_and_stays_short():
    assert errors.reason(errors.BadHash("targets: other bytes than told")) == (
        "BadHash: targets: other bytes than told"
    )
    assert errors.reason(ValueError("x" * 200)) == "ValueError: " + "x" * 84


def test_a_refusal_of_the_server_tells_its_status_and_when_to_come_again():
    error = errors.ServerError(503, 120)
    assert (str(error), error.status, error.retry_after_s) == ("status 503", 503, 120)
    assert errors.ServerError(404).retry_after_s == 0
