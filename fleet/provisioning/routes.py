"""The operator API of provisioning: for whoever may claim nodes, at any site."""

import anyio.to_thread
from fastapi import APIRouter

from fleet.access.guard import CallerDep
from fleet.provisioning.schemas import Provisioning

router = APIRouter(prefix="/provisioning", tags=["provisioning"])


@router.get("")
async def provisioning(caller: CallerDep) -> Provisioning:
    """Say where nodes reach this server and what they trust."""
    await caller.scope("device.claim")
    found = caller.context
    root = await anyio.to_thread.run_sync(found.repository.root)
    return Provisioning(
        port=found.places.port,
        names=list(found.places.names),
        sntp_port=found.places.sntp_port,
        ca=found.authority.pem,
        root=None if root is None else root.decode(),
    )
