"""Answers of both ports to refused requests: RFC 9457 problem documents, and nothing else.

No answer quotes the request's body (it may hold a secret) and none carries a stack trace.
"""

import json
import logging
from http import HTTPStatus
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from fleet.db import passes
from fleet.errors import TYPE_PREFIX, Problem

MEDIA_TYPE = "application/problem+json"
# What every operation may answer beside its success, for OpenAPI.
RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "Refused: a problem document (RFC 9457)",
        "content": {
            MEDIA_TYPE: {
                "schema": {
                    "type": "object",
                    "required": ["type", "title", "status", "detail"],
                    "properties": {
                        "type": {"type": "string"},
                        "title": {"type": "string"},
                        "status": {"type": "integer"},
                        "detail": {"type": "string"},
                    },
                }
            }
        },
    }
}
log = logging.getLogger("lamppost")


def document(status: int, slug: str, detail: str, **members: Any) -> dict[str, Any]:
    """Return the members of a problem document (RFC 9457 §3.1)."""
    return {
        "type": TYPE_PREFIX + slug,
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **members,
    }


def response(
    status: int, slug: str, detail: str, headers: dict[str, str] | None = None, **members: Any
) -> Response:
    """Return a problem document as a response."""
    body = json.dumps(document(status, slug, detail, **members)).encode()
    return Response(body, status, headers, MEDIA_TYPE)


def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return response(error.status, error.slug, error.detail, error.headers, **error.members)


def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    slug = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    headers = dict(error.headers or {})
    return response(error.status_code, slug, str(error.detail), headers)


def _validation(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [
        {"at": "/".join(str(part) for part in item["loc"]), "reason": item["msg"]}
        for item in error.errors()[:20]
    ]
    where = errors[0]["at"] if errors else "the request"
    return response(422, "invalid", f"{where} is not as documented", errors=errors)


def _database(_: Request, error: Exception) -> Response:
    # Overload and an absent database pass; the caller comes again. Anything else is our bug.
    passing = passes(error)
    log.error("database: %s", type(error).__name__, exc_info=not passing)
    if passing:
        detail = "the database does not answer; try again"
        return response(503, "unavailable", detail, {"Retry-After": "10"})
    return response(500, "internal", "the server failed; its log says why")


def _passing(_: Request, error: Exception) -> Response:
    # A connection that cannot be made (asyncpg's own errors come unwrapped from there), a full
    # disk: the operator mends it, the caller comes again.
    log.error("%s: %s", type(error).__name__, error)
    detail = "the server cannot do this now; try again"
    return response(503, "unavailable", detail, {"Retry-After": "10"})


def _unexpected(_: Request, error: Exception) -> Response:
    log.error("unexpected", exc_info=error)
    return response(500, "internal", "the server failed; its log says why")


def install(app: FastAPI) -> None:
    """Make *app* answer every error with a problem document."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(DBAPIError, _database)
    app.add_exception_handler(PoolTimeout, _database)
    app.add_exception_handler(asyncpg.PostgresError, _passing)
    app.add_exception_handler(OSError, _passing)
    app.add_exception_handler(Exception, _unexpected)
