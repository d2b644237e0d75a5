"""Work on recorded runs in processes of its own: each gets the recordings once, and a folder."""

import multiprocessing
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, TypeVar

from sim.torture.runs import Recording

R = TypeVar("R")
T = TypeVar("T")

_folder: list[Path] = []
_recordings: list[Recording] = []
_made: dict[tuple[Any, int], Any] = {}


def spread(
    work: Callable[..., R],
    parts: Sequence[tuple[Any, ...]],
    recordings: Sequence[Recording],
    workers: int,
    folder: Path,
) -> Iterator[tuple[int, int, R]]:
    """Yield (parts done, of how many, what the last one gave): `work` is called with each part."""
    # Not forked: this process has threads.
    with ProcessPoolExecutor(
        workers,
        multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(tuple(recordings), folder),
    ) as pool:
        waiting = [pool.submit(work, *part) for part in parts]
        try:
            for done, each in enumerate(as_completed(waiting), 1):
                yield done, len(waiting), each.result()
        finally:
            pool.shutdown(cancel_futures=True)


def tool(make: Callable[..., T], number: int, *given: object) -> T:
    """Return what `make` makes of a recording, `given`, and a folder; once in a process."""
    if (make, number) not in _made:
        folder = Path(tempfile.mkdtemp(dir=_folder[0]))
        _made[make, number] = make(_recordings[number], *given, folder)
    found: T = _made[make, number]
    return found


def _begin(recordings: tuple[Recording, ...], folder: Path) -> None:
    _recordings[:] = recordings
    _folder[:] = [folder]
