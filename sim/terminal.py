"""What stands between a node's VM and its serial port: two sockets, and the console's rules.

Input lies in the VM's socket until it is read. Ctrl-C interrupts running code; at a prompt, and to
code that has called micropython.kbd_intr(-1), it is a character. Which of the two it meets is seen
once the VM sleeps in a system call, which is also when MicroPython's way of raising (right out of
the signal handler) is harmless: up to 100 ms are given for that. Output goes to the console; while
the console's client is behind, the VM waits.
"""

import fcntl
import socket
import sys
import termios
from collections import deque
from functools import partial
from pathlib import Path

from sim.console import HISTORY_BYTES, Console
from sim.loop import Loop, Timer
from sim.vm import Vm

_READ = 65536
_CTRL_C = b"\x03"
_CTRL_A = b"\x01"
_TRY_S = 0.001
_TRIES = 100


class Terminal:
    """Input and output of one node, over all runs of its VM."""

    def __init__(self, loop: Loop, log: Path | None, history_bytes: int = HISTORY_BYTES) -> None:
        self._loop = loop
        self._input, self._vm_input = socket.socketpair()
        self._output, self._vm_output = socket.socketpair()
        self._input.setblocking(False)
        self._output.setblocking(False)
        self._vm: Vm | None = None
        self._held: bytes | None = None
        self._choked = False
        self._typed: deque[bytes] = deque()
        self._waits: Timer | None = None
        self.console = Console(loop, log, self.type, self._choke, history_bytes)
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
        self.bytes_only(on=False)

    def lose_input(self) -> None:
        """Lose what was typed and not read, as a chip without power does."""
        self._held = None
        self._typed.clear()
        try:
            while self._vm_input.recv(_READ, socket.MSG_DONTWAIT):
                pass
        except BlockingIOError:
            return

    def enter_raw(self) -> None:
        """Switch a prompt that is about to appear to the raw REPL, unseen."""
        self._feed(_CTRL_A)
        self.console.expect_raw()

    def bytes_only(self, on: bool) -> None:
        """Carry bytes as they are: Ctrl-C is one of them, and no CR comes before a newline.

        On a chip text is what `print` writes, and bytes what goes to `sys.stdout.buffer`; the VM
        has one descriptor for both. Whoever sends bytes over the port has Ctrl-C off meanwhile.
        """
        self._show_all()
        self.console.bytes_only = on

    def type(self, data: bytes) -> None:
        """Pass input on."""
        if self._held is not None:
            self._held = (self._held + data)[-_READ:]
            return
        for i, piece in enumerate(data.split(_CTRL_C)):
            if i:
                self._typed.append(_CTRL_C)
            if piece:
                self._typed.append(piece)
        if self._waits is None:
            self._pass_on()

    def _pass_on(self, tries: int = _TRIES) -> None:
        self._waits = None
        while self._typed:
            if self._vm is None or not self._vm.alive:
                self._typed.clear()  # off, or asleep
                return
            if self._typed[0] == _CTRL_C:
                runs_code = self._vm.runs_code
                settled = self._vm.sleeps and (runs_code or not self._unread())
                is_data = self.console.bytes_only and not runs_code
                if tries > 0 and not (settled or is_data):
                    self._waits = self._loop.later(_TRY_S, partial(self._pass_on, tries - 1))
                    return
                tries = _TRIES
                if runs_code:
                    self._vm.interrupt()
                    self._typed.popleft()
                    continue
            self._feed(self._typed.popleft())

    def _unread(self) -> int:
        answer = fcntl.ioctl(self._vm_input, termios.FIONREAD, bytes(4))
        return int.from_bytes(answer, sys.byteorder)

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

    def _show_all(self) -> None:
        try:
            while data := self._output.recv(_READ):
                self.console.show(data)
        except BlockingIOError:
            return

    def _choke(self, full: bool) -> None:
        if full != self._choked:
            self._choked = full
            if full:
                self._loop.remove(self._output.fileno())
            else:
                self._loop.add(self._output.fileno(), self._printed)
