"""The two HTTP applications: one for nodes, one for operators."""

import json
from importlib.metadata import version

import anyio.to_thread
from fastapi import APIRouter, FastAPI, Request, Response

from fleet import problems
from fleet.access import routes as access
from fleet.audit import routes as audit
from fleet.bodies import CappedBodies
from fleet.context import Context
from fleet.context import of as context_of
from fleet.ddi import routes as ddi
from fleet.devices import routes as devices
from fleet.errors import FleetError, Unavailable
from fleet.identity import routes as identity
from fleet.provisioning import routes as provisioning
from fleet.releases import routes as releases
from fleet.rollouts import routes as rollouts
from fleet.telemetry import routes as telemetry
from fleet.timeline import routes as timeline

_NAME = "lamppost"


def _application(context: Context | None, title: str, openapi: str | None) -> FastAPI:
    app = FastAPI(
        title=title,
        version=version(_NAME),
        openapi_url=openapi,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=problems.RESPONSES,
    )
    app.state.context = context
    problems.install(app)
    return app


def device_app(context: Context | None = None) -> FastAPI:
    """Return the device port's application: EST, DDI, telemetry, metadata and files.

    Without a context it only knows its own description.
    """
    app = _application(context, "Lamppost device API", None)
    for router in (
        identity.router,
        ddi.router,
        telemetry.device_router,
        releases.device_router,
    ):
        app.include_router(router)
    return app


def operator_app(context: Context | None = None) -> FastAPI:
    """Return the operator port's application: /api/v1, /healthz, /openapi.json."""
    app = _application(context, "Lamppost operator API", "/openapi.json")
    app.add_middleware(CappedBodies)
    api = APIRouter(prefix="/api/v1")
    for router in (
        devices.router,
        timeline.router,
        provisioning.router,
        telemetry.router,
        releases.router,
        rollouts.router,
        audit.router,
        access.router,
    ):
        api.include_router(router)
    app.include_router(api)
    app.include_router(_plain)
    return app


_plain = APIRouter(tags=["server"])


@_plain.get("/healthz")
async def healthz(request: Request) -> dict[str, str]:
    """Say whether the server and its database answer; `metadata`: "ok", or what is wrong.

    Signed metadata that grows old is an alarm for people, not a reason to take a server that
    answers out of service: the status stays 200.
    """
    found = context_of(request)
    if not await found.database.answers():
        raise Unavailable("the database does not answer", headers={"Retry-After": "10"})
    return {"status": "ok", "version": version(_NAME), "metadata": await _metadata(found)}


async def _metadata(found: Context) -> str:
    try:
        state = await anyio.to_thread.run_sync(found.repository.state, found.now())
    except (FleetError, OSError) as error:
        return str(error)
    return "ok" if state is None else "; ".join(state.alarms) or "ok"


@_plain.get("/openapi/device.json", include_in_schema=False)
async def device_openapi() -> Response:
    """Describe the device port, which has no such page of its own."""
    return Response(json.dumps(device_app().openapi()), media_type="application/json")
