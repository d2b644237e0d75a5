"""The node's HTTP client over mutual TLS: whom it believes, and who believes it."""

import ssl

import pytest
from scripted import OK, hurry, run

from ota.core import errors


def test_mutual_tls(pki):
    async def scenario(client, script):
        assert (await client.request("GET", "/a")).body == b"hello"
        assert (await client.request("GET", "/b")).body == b"hello"
        assert script.connections == 1

    run(scenario, OK, OK, server=pki.server_context(), tls=pki.client_context(pki.ca))


@pytest.mark.parametrize("fault", ["stranger", "name"])
def test_a_server_of_another_ca_or_name_is_untrusted(pki, fault):
    async def scenario(client, script):
        with pytest.raises(errors.Untrusted):
            await client.request("GET", "/a")
        assert script.requests == []

    tls = pki.client_context(pki.stranger if fault == "stranger" else pki.ca)
    name = "other.test" if fault == "name" else "lamppost.test"
    run(scenario, OK, server=pki.server_context(), tls=tls, name=name)


def test_plain_text_where_tls_is_expected(pki, monkeypatch):
    hurry(monkeypatch)

    async def scenario(client, script):
        with pytest.raises(errors.NetworkError):
            await client.request("GET", "/a")

    run(scenario, OK, tls=pki.client_context(pki.ca))


def test_a_client_without_certificate_is_turned_away(pki):
    async def scenario(client, script):
        with pytest.raises(errors.NetworkError):
            await client.request("GET", "/a")
        assert script.requests == []

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.load_verify_locations(pki.ca.pem())
    run(scenario, OK, server=pki.server_context(), tls=tls)
