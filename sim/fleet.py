"""An emulated fleet before any fleet server, in this process and one VM a node.

The server is known by the URL of its operator port alone: it says itself what nodes are given.
Nodes start a few at a time, since making keys takes a moment's whole CPU.
"""

import math
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ota.build.release import Release
from sim import usage
from sim.api import Api
from sim.clock import Clock
from sim.district import districts
from sim.errors import SimError
from sim.loop import shared
from sim.node import Node
from sim.nodeconfig import Pace
from sim.population import Population, Progress, Provision
from sim.posts import posts
from sim.words import Words
from sim.world import World, midnight_place

AT_ONCE = 8
"""Nodes that start and enrol at the same time."""
_PATIENCE_S = 30.0  # one that has not enrolled by then keeps the others no longer

_HISTORY_BYTES = 8192
_LOOK_S = 0.25
_MEASURE_S = 5.0


@dataclass(frozen=True)
class Figures:
    """A fleet at one moment; memory is PSS of all processes, CPU in cores since the last look."""

    seconds: float
    nodes: int
    up: int
    enrolled: int
    windows_sent: int
    memory_bytes: int
    cores: float
    received_bytes: int
    sent_bytes: int


@dataclass(frozen=True)
class _Moment:
    """A time and the CPU seconds used until then."""

    at: float
    cpu_s: float

    @classmethod
    def now(cls, pids: list[int]) -> Self:
        return cls(time.monotonic(), usage.cpu_s(pids))

    def cores_until(self, later: "_Moment") -> float:
        return (later.cpu_s - self.cpu_s) / max(later.at - self.at, 1e-3)


def provision(api: Api, url: str) -> Provision:
    """Ask a server what its nodes are given; SimError when that is not enough for a node."""
    said = api.call("GET", "/provisioning")
    host = urlsplit(url).hostname or ""
    try:
        address = socket.getaddrinfo(host, None, socket.AF_INET)[0][4][0]
    except OSError as error:
        raise SimError(f"{host} has no address: {error}") from error
    if said["root"] is None:
        raise SimError("the server has no TUF repository yet: `lamppost ota publish` a release")
    anchors = x509.load_pem_x509_certificates(said["ca"].encode())
    return Provision(
        device=(str(address), said["port"]),
        name=said["names"][0],
        time_server=(str(address), said["sntp_port"]),
        root=said["root"].encode(),
        anchors=tuple(anchor.public_bytes(Encoding.DER) for anchor in anchors),
    )


class Fleet:
    """Nodes by name and the districts they stand in; ends with all its processes by `close`."""

    def __init__(self, api: Api, given: Provision, folder: Path, *, seed: int, pace: Pace) -> None:
        self.nodes: dict[str, Node] = {}
        self.districts = districts(given.device, seed)
        self.words = Words()
        self.memory_peak_bytes = 0
        self._started: dict[str, float] = {}
        self._enrolled: _Moment | None = None
        self._seed = seed
        self._population = Population(
            api,
            given,
            folder,
            world=World(seed),
            clock=Clock(),
            loop=shared(),
            pace=pace,
            logs=False,
            history_bytes=_HISTORY_BYTES,
        )
        self._measured = _Moment.now([])
        self._began = self._measured.at

    def populate(self, count: int, release: Release, progress: Progress | None = None) -> None:
        """Register `count` nodes and make their flash."""
        wanted = posts(count, self._seed, midnight_place(time.time()))
        self.nodes = self._population.settle(wanted, release, self.districts, progress)

    def run(self, duration_s: float | None = None) -> Iterator[Figures]:
        """Start the nodes and let them be; yield figures now and then, for ever or so long."""
        waiting = list(self.nodes.values())
        self._measured = _Moment.now([])
        self._began = due = self._measured.at
        end = math.inf if duration_s is None else self._began + duration_s
        while True:
            self._look(waiting)
            now = time.monotonic()
            if now >= min(due, end):
                due = now + _MEASURE_S
                yield self.figures()
            if now >= end:
                return
            time.sleep(_LOOK_S)

    def _look(self, waiting: list[Node]) -> None:
        """Hear the nodes, and switch on as many of those who wait as may start beside others."""
        self.words.follow(self.nodes.values())
        enrolled = len(self.words.enrolled)
        if enrolled == len(self.nodes) and self._enrolled is None:
            self._enrolled = _Moment.now(self._pids())
        now = time.monotonic()
        starting = sum(
            now - at < _PATIENCE_S and node_id not in self.words.enrolled
            for node_id, at in self._started.items()
        )
        for node in waiting[: max(0, AT_ONCE - starting)]:
            node.power_on()
            self._started[node.id] = now
            waiting.remove(node)

    @property
    def enrolled_after_s(self) -> float | None:
        """Seconds from the first node's start until all were enrolled; None: not yet."""
        return self._enrolled.at - self._began if self._enrolled else None

    @property
    def cores_since_enrolled(self) -> float | None:
        """CPU seconds a second, all processes, since all were enrolled."""
        return self._enrolled.cores_until(_Moment.now(self._pids())) if self._enrolled else None

    def figures(self) -> Figures:
        """Measure."""
        self.words.follow(self.nodes.values())
        pids = self._pids()
        before, self._measured = self._measured, _Moment.now(pids)
        memory_bytes = usage.pss_bytes([os.getpid(), *pids])
        self.memory_peak_bytes = max(self.memory_peak_bytes, memory_bytes)
        return Figures(
            seconds=self._measured.at - self._began,
            nodes=len(self.nodes),
            up=sum(node.state == "running" for node in self.nodes.values()),
            enrolled=len(self.words.enrolled),
            windows_sent=self.words.sent,
            memory_bytes=memory_bytes,
            cores=before.cores_until(self._measured),
            received_bytes=sum(each.received for each in self.districts.values()),
            sent_bytes=sum(each.sent for each in self.districts.values()),
        )

    def _pids(self) -> list[int]:
        return [pid for node in self.nodes.values() if (pid := node.pid)]

    def close(self) -> None:
        """End every node and every district's network."""
        for node in self.nodes.values():
            node.unplug()
        for node in self.nodes.values():
            node.close()
        for district in self.districts.values():
            district.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
