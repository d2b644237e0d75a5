"""What stands between a node's VM and its serial port: two sockets, and the console's rules.

Ctrl-C interrupts running code, and waits until boot.py has begun; other input lies in the VM's
socket until it is read. Output goes to the console; while the console's client is behind, the VM
waits.
"""

import socket
from pathlib import Path

from sim.console import Console
from sim.loop import Loop
from sim.vm import Vm

_READ = 65536
_CTRL_C = b"\x03"
_CTRL_A = b"\x01"


class Terminal:
    """Input and output of one node, over all runs of its VM."""

    def __init__(self, loop: Loop, log: Path | None) -> None:
        self._loop = loop
        self._input, self._vm_input = socket.socketpair()
        self._output, self._vm_output = socket.socketpair()
        self._input.setblocking(False)
        self._output.setblocking(False)
        self._vm: Vm | None = None
        self._held: bytes | None = None
        self._choked = False
        self.console = Console(loop, log, self.type, self._choke)
        loop.add(self._output.fileno(), self._printed)

    @property
    def descriptors(self) -> tuple[int, int]:
        """The VM's ends: input, output."""
        return self._vm_input.fileno(), self._vm_output.fileno()

    def expect(self) -> None:
        """Keep what is typed for a VM that is about to start."""
        self._held = self._held or b""

    def ready(self, vm: Vm) -> None:
        """Let the VM have what was typed: boot.py has begun."""
        self._vm = vm
        held, self._held = self._held, None
        if held:
            self.type(held)

    def ended(self) -> None:
        """Take the last words of a VM that is gone."""
        self._vm = None
        try:
            while data := self._output.recv(_READ):
                self.console.show(data)
        except BlockingIOError:
            return

    def lose_input(self) -> None:
        """Lose what was typed and not read, as a chip without power does."""
        self._held = None
        try:
            while self._vm_input.recv(_READ, socket.MSG_DONTWAIT):
                pass
        except BlockingIOError:
            return

    def enter_raw(self) -> None:
        """Switch a prompt that is about to appear to the raw REPL, unseen."""
        self._feed(_CTRL_A)
        self.console.expect_raw()

    def type(self, data: bytes) -> None:
        """Pass input on."""
        if self._held is not None:
            self._held = (self._held + data)[-_READ:]
            return
        vm = self._vm
        if vm is None:
            return  # off, or asleep
        for i, piece in enumerate(data.split(_CTRL_C)):
            if i:
                vm.interrupt(lambda: self._feed(_CTRL_C))
            if piece:
                self._feed(piece)

    def close(self) -> None:
        """Take port and sockets away."""
        if not self._choked:
            self._loop.remove(self._output.fileno())
        self.console.close()
        for end in (self._input, self._vm_input, self._output, self._vm_output):
            end.close()

    def _feed(self, data: bytes) -> None:
        try:
            self._input.send(data)
        except BlockingIOError:
            return  # nobody reads at the other end: lost, as in a full receive buffer

    def _printed(self) -> None:
        try:
            data = self._output.recv(_READ)
        except BlockingIOError:
            return
        self.console.show(data)

    def _choke(self, full: bool) -> None:
        if full != self._choked:
            self._choked = full
            if full:
                self._loop.remove(self._output.fileno())
            else:
                self._loop.add(self._output.fileno(), self._printed)
