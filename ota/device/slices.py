"""Runs a generator of the core as a task's work, so that the loop breathes between its slices."""

import asyncio

pause = getattr(asyncio, "sleep_ms", asyncio.sleep)


async def run(generator):  # noqa: ANN001, ANN201 - whatever the generator returns
    """Run a generator to its end, one slice a turn; return what it returns."""
    while True:
        try:
            next(generator)
        except StopIteration as end:
            return end.value
        await pause(0)
