"""The operator API of tokens: for admins of the whole fleet."""

from typing import Annotated

from fastapi import APIRouter, Path

from fleet.access import service
from fleet.access.guard import CallerDep
from fleet.access.schemas import NewToken, NewTokenOut, TokenOut, Tokens
from fleet.errors import NotFound

router = APIRouter(prefix="/tokens", tags=["tokens"])


@router.get("")
async def list_all(caller: CallerDep) -> Tokens:
    """List tokens; secrets are not kept."""
    await caller.require("token.read", None)
    async with caller.context.database.read() as session:
        found = await service.list_all(session)
    return Tokens(tokens=[TokenOut.model_validate(row, from_attributes=True) for row in found])


@router.post("", status_code=201)
async def create(caller: CallerDep, new: NewToken) -> NewTokenOut:
    """Make a token; its secret is shown this once."""
    await caller.require("token.create", None)
    async with caller.context.database.write() as session:
        token, secret = await service.create(
            session,
            caller.context.now(),
            caller.actor,
            name=new.name,
            role=new.role,
            sites=new.sites,
            ttl_s=new.ttl_s,
        )
    known = TokenOut.model_validate(token, from_attributes=True)
    return NewTokenOut(token=secret, **known.model_dump())


@router.post("/{token_id}/revoke", status_code=200)
async def revoke(
    caller: CallerDep, token_id: Annotated[str, Path(pattern="^[0-9a-f]{8}$")]
) -> dict[str, str]:
    """Revoke a token at once."""
    await caller.require("token.revoke", None, token_id)
    async with caller.context.database.write() as session:
        revoked = await service.revoke(session, caller.context.now(), caller.actor, token_id)
    if not revoked:
        raise NotFound(f"there is no token {token_id} in force")
    return {"revoked": token_id}
