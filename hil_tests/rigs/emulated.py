"""Nodes in the MicroPython unix VM, on this machine."""

from pathlib import Path

from hil_tests.rigs.rig import Unavailable
from sim.city import City
from sim.node import Node
from sim.runtime import NoRuntimeError, command


class Emulated:
    """The emulated city itself is the rig."""

    name = "emulated"
    patience = 1.0
    window_s = 4

    def __init__(self) -> None:
        try:
            command()
        except NoRuntimeError as error:
            raise Unavailable(str(error)) from error

    def node(self, city: City, name: str, version: str, folder: Path) -> Node:  # noqa: ARG002
        """Make an emulated node; its files lie with the city's."""
        return city.node(name, version)

    def cpu_s(self, node: Node) -> None:
        """Say nothing: a VM is started anew at each reset, and its CPU is no chip's."""
