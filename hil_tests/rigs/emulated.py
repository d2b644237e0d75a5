"""Nodes in the MicroPython unix VM, on this machine."""

from pathlib import Path
from typing import Any

from hil_tests.rigs.around import Air, Network, TimeServer
from hil_tests.rigs.rig import Unavailable
from sim.city import City
from sim.espimage import micropython
from sim.node import Node
from sim.office import SERVER_NAME
from sim.runtime import NoRuntimeError, command

_APP_BYTES = 100_000


class Emulated:
    """The emulated city itself is the rig."""

    name = "emulated"
    patience = 1.0
    board = "esp32"
    window_s = 2

    def __init__(self) -> None:
        self.nodes: dict[str, EmulatedNode] = {}
        try:
            command()
        except NoRuntimeError as error:
            raise Unavailable(str(error)) from error

    def node(
        self, city: City, name: str, version: str, folder: Path, flash: str = "4MB", **fields: Any
    ) -> "EmulatedNode":
        """Make an emulated node; its own files lie with the city's."""
        assert city.proxy is not None, "the city must be serving"
        image = folder / "micropython.bin"
        image.write_bytes(self.micropython())
        network, clock = Network(city.proxy.target), TimeServer()
        air = Air(city.world.at(city.place))
        node = city.node(
            name,
            version,
            around=air,
            runtime=image,
            flash=flash,
            server={"address": "127.0.0.1", "port": network.port, "name": SERVER_NAME},
            time_servers=[{"host": "127.0.0.1", "port": clock.port}],
            **fields,
        )
        self.nodes[name] = made = EmulatedNode(node, network, clock, air)
        return made

    def micropython(self) -> bytes:
        """Return a .bin in miniature: the VM stands for what is in it."""
        return micropython("1.27.0", _APP_BYTES)

    def cpu_s(self, node: "EmulatedNode") -> None:
        """Say nothing: a VM is started anew at each reset, and its CPU is no chip's."""


class EmulatedNode:
    """A node of the city with what stands around it."""

    def __init__(self, node: Node, network: Network, clock: TimeServer, air: Air) -> None:
        self._node = node
        self.id = node.id
        self.console = node.console
        self.lamp = node.lamp
        self.network, self.clock, self.stimulus = network, clock, air
        network.wifi = node.wiring.wifi
        self.power_on = node.power_on
        self.power_off = node.power_off
        self.press_reset = node.press_reset
        self.wait_text = node.wait_text
        self.port = node.serial
        self.flash_path = node.flash.path

    @property
    def pid(self) -> int | None:
        """The VM's process, None while there is none."""
        return self._node.pid

    @property
    def wear(self) -> list[int]:
        """Erases of each block of its flash since it was made."""
        return self._node.flash.wear

    def close(self) -> None:
        """End the node and what stands around it."""
        self._node.close()
        self.network.close()
        self.clock.close()
