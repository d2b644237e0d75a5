"""What routes ask before they act: who is it, may it, and where."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from fleet import context
from fleet.access import policy, service
from fleet.access.scope import Scope
from fleet.audit import service as audit
from fleet.errors import Forbidden, Unauthenticated

_bearer = HTTPBearer(auto_error=False, description="a token of `lamppost token create`")
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="lamppost"'}


@dataclass(frozen=True)
class Caller:
    """An authenticated operator, with the means to ask what it may do."""

    operator: policy.Operator
    context: context.Context

    @property
    def actor(self) -> str:
        """The audit's word for the caller."""
        return self.operator.actor

    async def scope(self, action: str) -> Scope:
        """Return the sites where the caller may do *action*. Raises Forbidden if nowhere."""
        found = policy.scope(self.operator, action)
        if found is None:
            raise await self._refused(action, None)
        return found

    async def require(self, action: str, site: str | None, subject: str = "") -> None:
        """Raise Forbidden unless the caller may do *action* at *site* (None: fleet-wide)."""
        if not policy.allows(self.operator, action, site):
            raise await self._refused(action, site, subject)

    def may(self, action: str, site: str | None) -> bool:
        """Say whether the caller may do *action* at *site*: for what is shown in part."""
        return policy.allows(self.operator, action, site)

    async def _refused(self, action: str, site: str | None, subject: str = "") -> Forbidden:
        where = "the fleet as a whole" if site is None else f"site {site}"
        async with self.context.database.write() as session:
            now = self.context.now()
            audit.record(
                session, now, self.actor, action, subject, site=site, outcome=audit.REFUSED
            )
        return Forbidden(f"role {self.operator.role} may not {action} at {where}")


async def _caller(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> Caller:
    if credentials is None:
        raise Unauthenticated("send a bearer token", headers=_CHALLENGE)
    found = context.of(request)
    async with found.database.read() as session:
        operator = await service.operator(session, credentials.credentials, found.now())
    if operator is None:
        detail = "the token is unknown, expired or revoked"
        raise Unauthenticated(detail, slug="token-refused", headers=_CHALLENGE)
    return Caller(operator, found)


CallerDep = Annotated[Caller, Depends(_caller)]
