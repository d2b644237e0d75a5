"""What the operator API says of provisioning."""

from pydantic import BaseModel


class Provisioning(BaseModel):
    """What every node of this fleet is given beside its own config and claim.

    port: of the device port (TLS). names: of the server's certificate; a node's config holds one
    as `server.name`. sntp_port: UDP. ca: the fleet CA in PEM. root: the newest TUF root.json as
    signed, null without a repository; compare it with the release manager's, for whoever holds
    this server chooses what it says here.
    """

    port: int
    names: list[str]
    sntp_port: int
    ca: str
    root: str | None
