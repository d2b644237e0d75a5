"""The limit of bench_server.py: an empty route behind the fleet's TLS and uvicorn settings.

Run as `empty_server.py HOME READY_FILE`; HOME is a fleet server's, for its certificate and CA.
"""

import asyncio
import json
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from fleet import limits, tls


async def main(home, ready):
    """Serve until killed; write the port to `ready`."""
    pki = home / "server" / "pki"
    context = tls.device_context(pki / "tls.pem", pki / "tls.key", (pki / "ca.der").read_bytes())
    app = FastAPI()

    @app.get("/")
    async def empty():
        return {}

    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        http=tls.PeerProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_keep_alive=limits.KEEP_ALIVE_S,
        ssl_context_factory=lambda *_: context,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    ready.write_text(json.dumps(port))
    await serving


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
