"""Requests made up from both ports' descriptions: refused or served, never a failure of ours.

On PostgreSQL alone: it is the stricter engine in what it stores.
"""

import hypothesis
import pytest
import schemathesis
from cryptography.hazmat.primitives import serialization
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from fleet.app import device_app

ON_POSTGRESQL = pytest.mark.parametrize(
    "engine", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
A_FEW = hypothesis.settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
    phases=[hypothesis.Phase.generate],
)


schemathesis.serializer.alias("application/senml+json", "application/json")


@schemathesis.serializer("application/pkcs10", "application/senml+cbor", "application/zip")
def as_bytes(_, value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


def attack(schema, send):
    """Send a few requests to each operation; *send* validates the answers."""
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) > 10
    for operation in operations:

        @A_FEW
        @hypothesis.given(case=operation.as_strategy())
        def some(case):
            send(case)

        some()


@ON_POSTGRESQL
def test_the_operator_port_never_fails(server):
    schema = schemathesis.openapi.from_url(server.operator_url + "/openapi.json")
    headers = {"Authorization": f"Bearer {server.token()}"}
    attack(schema, lambda case: case.call_and_validate(headers=headers, checks=CHECKS))


@ON_POSTGRESQL
def test_the_device_port_never_fails(server, tmp_path):
    node = server.node()
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    key = node.key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    identity = tmp_path / "node.pem"
    identity.write_bytes(node.certificate.public_bytes(pem) + key)

    def send(case):
        if "device_id" in case.path_parameters:
            case.path_parameters["device_id"] = node.device_id
        case.call_and_validate(
            base_url=server.device_url,
            cert=str(identity),
            verify=str(server.home / "server/pki/ca.pem"),
            checks=CHECKS,
        )

    attack(schemathesis.openapi.from_dict(device_app().openapi()), send)
