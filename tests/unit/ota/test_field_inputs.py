"""What a technician can get wrong in `provision` and `wipe`, and what becomes a configuration."""

import dataclasses
import io
import json

import pytest
from click.testing import CliRunner
from desk import KNOWN, WISHES

from ota.build import cards, keys
from ota.build.errors import FieldError, SigningKeyError
from ota.field import lock, provision, server
from ota.field.cli import node
from ota.field.provision import Wishes


def made(document, wishes=WISHES, **known):
    packed, ignored = provision.configuration(document, wishes, KNOWN | known)
    return json.loads(packed), ignored


def test_a_configuration_is_completed_from_options_and_the_servers_word():
    config, ignored = made({"v": 1, "site": "elsewhere", "window_s": 300})
    assert config == {
        "v": 1,
        "name": "Pier 3",
        "site": "harbour",
        "window_s": 300,
        "position": [54.3, 10.1],
        "wifi": {"ssid": "city", "password": "lamplight"},
        "server": {"address": "fleet.example", "port": 8443, "name": "fleet.example"},
        "time_servers": [{"host": "fleet.example", "port": 1123}],
    }
    assert ignored == []
    wishes = Wishes("n", "s", None, "city", "", ("10.0.0.1", 0))
    config, _ = made({"v": 1, "server": {"address": "x"}, "time_servers": []}, wishes)
    assert config["server"] == {"address": "10.0.0.1", "port": 8443, "name": "fleet.example"}
    assert config["time_servers"] == []
    stream = {"part": "x", "purpose": "noise", "retention_days": 1}
    assert made({"v": 1, "streams": {"noise": stream}})[1] == ["streams.noise"]


@pytest.mark.parametrize(
    ("document", "wishes", "message"),
    [
        ({"v": 1}, Wishes(site="s", ssid="city"), "name: is missing"),
        ({"v": 1, "name": "n"}, Wishes(ssid="city"), "site is missing: give --site"),
        ({"v": 1, "name": "n", "site": "s"}, Wishes(), "wifi.ssid: is missing"),
        ({"v": 1}, Wishes("n", "s", None, "city", "short"), "wifi.password: must be empty or 8"),
        ({"v": 1}, Wishes("n", "s", [95.0, 0.0], "city"), "position: must be"),
        ({"v": 2}, WISHES, "v: must be"),
        ({"v": 1, "wifi": []}, WISHES, "wifi: must be an object"),
        ({"v": 1, "server": 7}, WISHES, "server: must be an object"),
        ({"v": 1, "server": {"name": "other"}}, WISHES, "is for fleet.example, not for other"),
        ({"v": 1, "window_s": "x" * 5000}, WISHES, "longer than 4096 bytes"),
        ({"v": 1, "of_later": float("nan")}, WISHES, "Out of range float"),
        ({"v": 1, "of_later": "\ud800"}, WISHES, "surrogates not allowed"),
    ],
)
def test_a_wrong_field_is_named(document, wishes, message):
    with pytest.raises(FieldError, match=message):
        made(document, wishes)


def give(tmp_path, *more, config='{"v": 1}', **variables):
    (tmp_path / "config").write_text(config)
    variables = {"LAMPPOST_WIFI_PASSWORD": "lamplight", "LAMPPOST_TOKEN": "lp_x"} | variables
    base = {"LAMPPOST_URL": None, "LAMPPOST_CA": None}
    words = ["provision", "--port", "/none", "--config", str(tmp_path / "config"), *more]
    return CliRunner(env=base | variables).invoke(node, words)


@pytest.mark.parametrize(
    ("more", "variables", "config", "message"),
    [
        ([], {"LAMPPOST_URL": None}, "{}", "which server? Give --url"),
        ([], {"LAMPPOST_TOKEN": None}, "{}", "no token: set LAMPPOST_TOKEN"),
        ([], {"LAMPPOST_TOKEN": "two words"}, "{}", "the token is garbled"),
        (["--token-file", "/none"], {}, "{}", "Token file /none cannot be read"),
        ([], {"LAMPPOST_WIFI_PASSWORD": None}, "{}", "no Wi-Fi password: set"),
        (
            ["--ssid", "city"],
            {"LAMPPOST_WIFI_PASSWORD": ""},
            '{"wifi": {"ssid": "x", "password": "of-another"}}',
            "no Wi-Fi password: set",
        ),
        (["--wifi-password-file", "/none"], {}, "{}", "Wi-Fi password file /none cannot be read"),
        ([], {}, "{", "is no JSON"),
        ([], {}, "[1]", "must be one JSON object"),
        ([], {}, "[" * 5000, "is no JSON"),
        (["--position", "1"], {}, "{}", "expected LAT,LON"),
        (["--position", "a,b"], {}, "{}", "expected LAT,LON"),
        (["--server", "host:port"], {}, "{}", "expected HOST or HOST:PORT"),
        (["--server", ":1"], {}, "{}", "expected HOST or HOST:PORT"),
        ([], {}, "{}", "/none: there is no such port"),
    ],
)
def test_bad_input_ends_with_status_2_and_one_line(tmp_path, more, variables, config, message):
    variables = {"LAMPPOST_URL": "http://127.0.0.1:1"} | variables
    result = give(tmp_path, *more, config=config, **variables)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert "lamplight" not in result.output


def test_whoever_sits_at_a_terminal_is_asked_for_secrets_unseen(monkeypatch, tmp_path):
    asked = []

    def prompt(what, **options):
        asked.append((what, options["hide_input"], options["err"]))
        return "typed"

    monkeypatch.delenv("LAMPPOST_TOKEN", raising=False)
    monkeypatch.setattr(server.click, "prompt", prompt)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(FieldError, match="no token"):
        server.token(None)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    assert server.token(None) == "typed"
    assert asked == [("Token", True, True)]
    (tmp_path / "token").write_text("of a file\n".replace(" ", "-"))
    assert server.token(tmp_path / "token") == "of-a-file"
    assert len(asked) == 1


def test_the_lock_is_set_taken_off_and_never_lost_by_the_way(tmp_path):
    signer = keys.generate(tmp_path / "anna.pem", None)
    card = cards.beside(tmp_path / "anna.pem")
    cards.write(card, cards.Card("anna", signer.public_key))
    point = lock.point(signer.public_key)
    found = lock.holders((str(card), f"ben={point.upper()}"))
    assert found == {"anna": point, "ben": point}
    document = {"v": 1, "console": {"keys": {"carl": point}}}
    for wanted, held in ((None, {"carl": point}), (found, found), ({}, None)):
        packed, _ = provision.configuration(
            document, dataclasses.replace(WISHES, keys=wanted), KNOWN
        )
        assert json.loads(packed).get("console", {}).get("keys") == held
    for words, why in (
        (("ben=04ff",), "ben=04ff: no point of P-256 in hex"),
        (("ben=" + "f" * 300,), "no point"),
        ((f"ben={point[:-1]}0" if point[-1] != "0" else f"ben={point[:-1]}1",), "no point"),
        ((f"ben={point}", f"ben={point}"), "two keys are called ben"),
        ((str(tmp_path / "none.pub.json"),), "No such file"),
    ):
        with pytest.raises(FieldError, match=why):
            lock.holders(words)
    with pytest.raises(SigningKeyError, match="P-256"):
        lock.point(keys.generate(tmp_path / "rsa.pem", None, keys.RSA).public_key)


def test_wipe_asks_which_server_is_to_know():
    words = ["wipe", "--port", "/none", "--yes-wipe", "x"]
    result = CliRunner(env={"LAMPPOST_URL": None}).invoke(node, words)
    assert result.exit_code == 2
    assert "--keep-registered" in result.stderr
