"""hawkBit's Direct Device Integration, tenant `default`, over mutual TLS."""

import json
import random
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from fleet import bodies, context, limits, static
from fleet.ddi import attributes, documents, feedback
from fleet.ddi.errors import Gone, NoAction
from fleet.devices import service as devices
from fleet.errors import NotFound
from fleet.heartbeat import parse
from fleet.heartbeat import service as heartbeat
from fleet.identity.peer import Node, NodeDep, require_self
from fleet.releases import service as releases
from fleet.releases.service import Release
from fleet.rollouts import offline
from fleet.rollouts import service as rollouts
from fleet.rollouts.service import Action, Standing
from fleet.rollouts.words import CANCELLED
from fleet.schemas import DeviceId, RowId

router = APIRouter(prefix="/default/controller/v1/{device_id}", tags=["ddi"])
_JSON = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}
_JITTER = 0.1
ArtifactName = Annotated[str, Path(pattern=r"^[0-9A-Za-z.+-]{1,64}\.jsonl(\.MD5SUM)?$")]


def _json(document: dict[str, Any]) -> Response:
    return Response(json.dumps(document, separators=(",", ":")), media_type="application/json")


def _root(request: Request, device_id: str) -> str:
    return f"{request.url.scheme}://{request.url.netloc}/default/controller/v1/{device_id}"


def _sleep_s(poll_s: int) -> int:
    # Spread, so that nodes that came back together do not stay together.
    return max(1, round(poll_s * random.uniform(1 - _JITTER, 1 + _JITTER)))  # noqa: S311


@router.get("", response_class=Response)
async def base(request: Request, node: NodeDep, device_id: DeviceId) -> Response:
    """Answer a poll: how long to sleep, and what there is to do."""
    await require_self(request, node, device_id)
    found = context.of(request)
    async with found.database.read() as session:
        standing = await rollouts.standing(session, device_id)
        missed = standing is not None and await rollouts.missed(session, standing)
    if node.overdue or missed:
        async with found.database.write() as session:
            await devices.seen(session, device_id, found.now())
            if standing is not None and missed:
                await rollouts.catch_up(session, found.database, found.now(), standing.action)
    action = standing.action if standing is not None and standing.offered else None
    return _json(
        documents.base(
            _root(request, device_id),
            _sleep_s(found.settings.poll_s),
            action=action.id if action is not None else None,
            cancelling=action is not None and action.cancelling,
            wants_config=not node.described,
            installed=standing.action.id if standing is not None and standing.installed else None,
        )
    )


@router.get("/deploymentBase/{action_id}", response_class=Response)
async def deployment(
    request: Request, node: NodeDep, device_id: DeviceId, action_id: RowId
) -> Response:
    """Say what the update consists of."""
    standing, release = await _standing(request, node, device_id, action_id)
    seen = standing.offered and not standing.action.cancelling
    if seen and standing.action.offered_at is None:
        found = context.of(request)
        async with found.database.write() as session:
            # Between the poll and this request it may have been taken back.
            seen = await rollouts.offered(session, action_id, found.now())
    if not seen:
        raise NoAction(f"action {action_id} is not to be begun now")
    return _json(documents.deployment(_root(request, device_id), action_id, release))


@router.post("/deploymentBase/{action_id}/feedback", response_class=Response, openapi_extra=_JSON)
async def deployment_feedback(
    request: Request, node: NodeDep, device_id: DeviceId, action_id: RowId
) -> Response:
    """Take a word about the update; 410 when it is over for the server."""
    standing, _ = await _standing(request, node, device_id, action_id)
    said = feedback.read(await bodies.read(request, limits.FEEDBACK_BYTES))
    action = standing.action
    await _report(request, action, said, feedback.after(said, action.state))
    return _json({})


@router.get("/cancelAction/{action_id}", response_class=Response)
async def cancellation(
    request: Request, node: NodeDep, device_id: DeviceId, action_id: RowId
) -> Response:
    """Say which action shall be cancelled."""
    standing, _ = await _standing(request, node, device_id, action_id)
    if not standing.action.cancelling:
        raise NoAction("nothing is to be cancelled")
    return _json(documents.cancellation(action_id))


@router.post("/cancelAction/{action_id}/feedback", response_class=Response, openapi_extra=_JSON)
async def cancellation_feedback(
    request: Request, node: NodeDep, device_id: DeviceId, action_id: RowId
) -> Response:
    """Take the answer to a cancellation: closed with success ends it, a refusal keeps it."""
    standing, _ = await _standing(request, node, device_id, action_id)
    action = standing.action
    if not action.cancelling:
        raise NoAction("nothing is to be cancelled")
    said = feedback.read(await bodies.read(request, limits.FEEDBACK_BYTES))
    refused = said.execution == "rejected" or said.finished == "failure"
    if refused:
        async with context.of(request).database.write() as session:
            await rollouts.keep_on(session, action_id)
    elif said.execution in ("closed", "canceled"):
        await _report(request, action, said, CANCELLED)
    return _json({})


@router.get("/installedBase/{action_id}", response_class=Response)
async def installed(
    request: Request, node: NodeDep, device_id: DeviceId, action_id: RowId
) -> Response:
    """Say what an update that the node confirmed consisted of."""
    await require_self(request, node, device_id)
    async with context.of(request).database.read() as session:
        standing = await rollouts.action_of(session, device_id, action_id)
        if standing is None or not standing.installed:
            raise NoAction(f"action {action_id} is not what is installed")
        release = await releases.get(session, standing.action.release_id)
    assert release is not None
    return _json(documents.deployment(_root(request, device_id), action_id, release))


@router.put("/installedBase", response_class=Response, openapi_extra=_JSON)
async def installed_offline(request: Request, node: NodeDep, device_id: DeviceId) -> Response:
    """Take note of a release that no action brought: a technician put it on."""
    await require_self(request, node, device_id)
    name, version = attributes.installed(await bodies.read(request, limits.FEEDBACK_BYTES))
    found = context.of(request)
    async with found.database.write() as session:
        await offline.installed(
            session, found.database, found.now(), device_id, name=name, version=version
        )
    return _json({})


@router.get("/softwaremodules/{module_id}/artifacts/{name}", response_class=Response)
async def artifact(
    request: Request, node: NodeDep, device_id: DeviceId, module_id: RowId, name: ArtifactName
) -> Response:
    """Serve the artifact of the update in flight, or its MD5SUM line."""
    await require_self(request, node, device_id)
    found = context.of(request)
    async with found.database.read() as session:
        action = await rollouts.active(session, device_id)
        if action is None or action.release_id != module_id:
            raise NotFound("no update in flight has this artifact")
        release = await releases.get(session, module_id)
    wanted = documents.filename(release) if release is not None else ""
    if release is not None and name == f"{wanted}.MD5SUM":
        return Response(f"{release.md5}  {wanted}\n", media_type="text/plain")
    if release is None or name != wanted:
        raise NotFound("no update in flight has this artifact")
    path = found.repository.target(release.board, f"{release.sha256}.{wanted}")
    return static.response(request, path, lasting=False, etag=f'"{release.sha256}"')


@router.put("/configData", response_class=Response, openapi_extra=_JSON)
async def config_data(request: Request, node: NodeDep, device_id: DeviceId) -> Response:
    """Take what the node says of itself; its `version` is the release that it runs."""
    await require_self(request, node, device_id)
    said = attributes.read(await bodies.read(request, limits.FEEDBACK_BYTES))
    found = context.of(request)
    async with found.database.write() as session:
        await _describe(session, found.now(), device_id, said)
    return _json({})


async def _describe(
    session: AsyncSession, now: int, device_id: str, said: attributes.ConfigData
) -> None:
    """Keep what the node said: last values as its heartbeat, all else as its attributes."""
    known = await devices.attributes(session, device_id)
    others = {key: text for key, text in said.data.items() if not parse.is_ours(key)}
    merged = attributes.merge(attributes.ConfigData(said.mode, others), known)
    running = attributes.version(merged)
    await devices.describe(session, device_id, merged, running)
    beat = parse.read(said.data)
    if beat and said.mode != "remove":
        whole = said.mode == "replace"
        restarts = await heartbeat.take(session, now, device_id, beat, running, whole=whole)
        if restarts is not None:
            await rollouts.restarted(session, device_id, restarts)


async def _standing(
    request: Request, node: Node, device_id: str, action_id: int
) -> tuple[Standing, Release]:
    await require_self(request, node, device_id)
    async with context.of(request).database.read() as session:
        standing = await rollouts.action_of(session, device_id, action_id)
        if standing is None:
            raise NoAction(f"there is no action {action_id}")
        if not standing.action.active:
            raise Gone(f"action {action_id} is over")
        release = await releases.get(session, standing.action.release_id)
    assert release is not None
    return standing, release


async def _report(request: Request, action: Action, said: feedback.Feedback, state: str) -> None:
    found = context.of(request)
    async with found.database.write() as session:
        taken = await rollouts.report(
            session,
            found.database,
            found.now(),
            action,
            state=state,
            reason=said.reason,
            details=said.details,
        )
    if not taken:
        raise Gone(f"action {action.id} is over")
