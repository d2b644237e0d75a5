"""Nodes in the MicroPython unix VM, on this machine."""

from pathlib import Path

from hil_tests.rigs.rig import Unavailable
from sim.city import City
from sim.espimage import micropython
from sim.node import Node
from sim.runtime import NoRuntimeError, command

_APP_BYTES = 100_000


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

    def node(self, city: City, name: str, version: str, folder: Path, flash: str = "4MB") -> Node:
        """Make an emulated node; its own files lie with the city's."""
        image = folder / "micropython.bin"
        image.write_bytes(self.micropython())
        return city.node(name, version, runtime=image, flash=flash)

    def micropython(self) -> bytes:
        """Return a .bin in miniature: the VM stands for what is in it."""
        return micropython("1.27.0", _APP_BYTES)

    def cpu_s(self, node: Node) -> None:
        """Say nothing: a VM is started anew at each reset, and its CPU is no chip's."""
