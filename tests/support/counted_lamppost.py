"""`lamppost`, whose server appends each request of a device to the file COUNT_REQUESTS names."""

import os
from pathlib import Path

from fleet import app, command

_device_app = app.device_app


def _counted(context):
    inner = _device_app(context)
    log = Path(os.environ["COUNT_REQUESTS"])

    def note(line):
        with log.open("a") as file:
            file.write(line)

    async def count(scope, receive, send):
        note(f"{scope['method']} {scope['path']}\n")
        await inner(scope, receive, send)

    return count


if __name__ == "__main__":
    app.device_app = _counted
    command.main()
