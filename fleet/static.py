"""Files over HTTP: one range, ETag, 206, 304 and 416 (RFC 9110 §14), problem documents else.

A node keeps a whole TLS record (RFC 8446 §5.1: up to 16 KB) in memory before it can read from it,
so files are sent in records of at most 4 KB.
"""

import re
from pathlib import Path

from fastapi import Request, Response
from starlette.responses import FileResponse

from fleet.errors import NotFound, Problem

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_LASTING = "public, max-age=31536000, immutable"


class _InSmallRecords(FileResponse):
    """Each chunk is one write to the connection, and so one TLS record."""

    chunk_size = 4096


def response(
    request: Request,
    path: Path,
    *,
    lasting: bool,
    media_type: str = "application/octet-stream",
    etag: str | None = None,
) -> Response:
    """Return the file or the range of it that was asked for. Raises NotFound or Problem (416).

    lasting: the content never changes under this path. etag: quoted; the system's by default.
    """
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound("there is no such file") from None
    etag = etag or f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
    headers = {"ETag": etag, "Cache-Control": _LASTING if lasting else "no-cache"}
    wanted = [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]
    if etag in wanted or "*" in wanted:
        return Response(status_code=304, headers=headers)
    _check_range(request, status.st_size)
    return _InSmallRecords(path, headers=headers, media_type=media_type, stat_result=status)


def _check_range(request: Request, size: int) -> None:
    """Leave only a single satisfiable range to the response; what is malformed is ignored."""
    text = request.headers.get("range")
    if text is None:
        return
    match = _RANGE.fullmatch(text)
    first, last = match.groups() if match else ("", "")
    reversed_range = bool(first and last) and int(last) < int(first)
    if not (first or last) or reversed_range:
        raw = request.scope["headers"]
        request.scope["headers"] = [item for item in raw if item[0] != b"range"]
    elif (first and int(first) >= size) or (not first and int(last) == 0):
        headers = {"Content-Range": f"bytes */{size}"}
        detail = f"the file has {size} bytes"
        raise Problem(detail, status=416, slug="range", headers=headers)
