"""One emulated node: the real firmware from its flash, in a VM that resets as a chip does.

The flash file is the node; VM, console and parts are made around it. `power_on` starts it; after
`machine.reset()`, a watchdog bite, a crash or a soft reset it starts again by itself with the
right cause, faster crashes with longer pauses. Every node of a process shares one thread.
"""

import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from firmware.core.names import device_id
from sim.board import CAUSES, DEEP_SLEEP, HARD, POWER_ON, SOFT, WATCHDOG, Board, Wiring
from sim.channel import Channel
from sim.clock import Clock
from sim.console import HISTORY_BYTES, SOFT_REBOOT
from sim.errors import DeadlineError, SimError
from sim.hardware.flash import Flash
from sim.hardware.lamp import LampCircuit
from sim.loop import Loop, Timer, shared
from sim.runtime import FIRMWARE_HEAP
from sim.terminal import Terminal
from sim.vm import Vm

T = TypeVar("T")

_RESETS = (HARD, SOFT, DEEP_SLEEP)  # the kinds of the channel's R
_QUICK = 3  # starts in a row that never came to boot.py: the runtime itself is broken
_START_S = 20.0  # what has not come to boot.py by then never will
_END_S = 30.0  # a killed process goes at once, unless the kernel is in the middle of a disk write
_SHORT_S = 1.0  # a run shorter than this makes the pause before the next one longer
_PAUSES_S = (0.0, 0.0, 0.05, 0.1, 0.2, 0.5, 1.0)
_TAIL = 2000


class Node:
    """A node of `flash` (a file from ota/field/image.py) with MAC `mac` and its parts.

    `id`: the EUI-64 of the MAC, 16 hex digits. `history_bytes`: see Console.
    State: "off", "starting" (until boot.py), "running", "prompt", "asleep", "broken" (no VM).
    `resets`: the cause of every start; `cuts`: power cuts at flash operations; `heap`: in KB.
    """

    def __init__(
        self,
        flash: Path,
        *,
        mac: bytes = b"\x24\x0a\xc4\x00\x00\x01",
        wiring: Wiring | None = None,
        clock: Clock | None = None,
        log: Path | None = None,
        loop: Loop | None = None,
        history_bytes: int = HISTORY_BYTES,
    ) -> None:
        if len(mac) != 6:
            raise ValueError(f"a MAC has 6 bytes, not {len(mac)}")
        self.mac = mac
        self.id = str(device_id(mac))
        self.wiring = wiring or Wiring()
        self.flash = Flash(flash)
        self.loop = loop or shared()
        self.state = "off"
        self.resets: list[str] = []
        self.cuts = 0
        self.heap = FIRMWARE_HEAP
        self._vm: Vm | None = None
        self._ending: tuple[int | None, float] | None = None
        self._raw = self._closed = False
        self._quick = self._short = 0
        self._restart: Timer | None = None
        with self.loop.lock:
            self.board = Board(
                self.loop, clock or Clock(), self.wiring, partial(self._stop, (WATCHDOG, 0.0))
            )
            self._terminal = Terminal(self.loop, log, history_bytes)
            self.console = self._terminal.console

    @property
    def serial(self) -> str:
        """Path of the serial port."""
        return self.console.path

    @property
    def lamp(self) -> LampCircuit:
        """The lamp; SimError when none is wired."""
        if not self.wiring.lamps:
            raise SimError("this node has no lamp")
        return self.wiring.lamps[0]

    @property
    def pid(self) -> int | None:
        """The VM's process, None while there is none."""
        return vm.pid if (vm := self._vm) else None

    def power_on(self) -> None:
        """Switch node and lamp on."""
        with self.loop.lock:
            if self._closed:
                raise SimError("this node is closed")
            if self.state != "off":
                return
            self._mains(True)
            self.board.power_on()
            self._quick = self._short = 0
            self._start(POWER_ON)

    def power_off(self) -> None:
        """Cut the power of node and lamp now; the node is off when this returns."""
        self.unplug()
        self.wait(lambda: (vm := self._vm) is None or vm.ended(), _END_S, "the VM to end")

    def unplug(self) -> None:
        """Cut the power of node and lamp; the VM ends a moment later."""
        with self.loop.lock:
            self._mains(False)
            self._stop((None, 0.0))

    def press_reset(self) -> None:
        """Press the board's EN button: the chip starts as after power-on, the lamp keeps mains."""
        with self.loop.lock:
            if self.state != "off":
                self.board.power_on()
                self._stop((POWER_ON, 0.0))

    def cut_power_at(self, n: int, op: str = "change", where: str = "before") -> None:
        """Let the power fail at the n-th flash operation from now.

        `op`: read, erase, write or change (erase or write); `where`: before, within or after it.
        The node is then off until `power_on`.
        """
        with self.loop.lock:
            self.flash.arm(n, op, where)

    def send(self, data: bytes) -> None:
        """Type on the serial port."""
        with self.loop.lock:
            self._terminal.type(data)

    def wait(self, predicate: Callable[[], T], deadline_s: float, what: str = "") -> T:
        """Return the first true value of `predicate`; DeadlineError with the console's end."""
        if value := self.loop.wait(predicate, deadline_s):
            return value
        condition = vm.condition if (vm := self._vm) else "no VM"
        raise DeadlineError(
            f"waited {deadline_s:g} s for {what or 'the node'}; it is {self.state} ({condition}),"
            f" started by {', '.join(self.resets[-8:]) or 'nobody'}; its console ends:\n"
            f"{self.console.text[-_TAIL:]}"
        )

    def wait_text(self, text: str, deadline_s: float, since: int = 0) -> str:
        """Wait until the console has shown `text` after a mark; return what came after it."""
        self.wait(lambda: text in self.console.since(since), deadline_s, repr(text))
        return self.console.since(since)

    def close(self) -> None:
        """End the node and everything that belongs to it."""
        if self._closed:
            return
        self.power_off()
        with self.loop.lock:
            self._closed = True
            self.board.close()
            self._terminal.close()
            self.flash.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _mains(self, on: bool) -> None:
        for lamp in self.wiring.lamps:
            lamp.mains(on)

    def _start(self, cause: int) -> None:
        self._restart = self._ending = None
        self.state = "starting"
        self._cause = cause
        self._began = time.monotonic()
        self._terminal.expect()
        stdin, stdout = self._terminal.descriptors
        self._vm = Vm(
            self.loop,
            stdin=stdin,
            stdout=stdout,
            flash=self.flash.fd,
            page=self.flash.page_fd,
            uarts=[line.vm_end.fileno() for line in self.board.lines.values()],
            exited=self._exited,
            heap=self.heap,
        )
        self._channel_fd = self._vm.channel.fileno()
        self.loop.add(self._channel_fd, Channel(self._vm.channel, self._asked).ready)
        self.loop.later(_START_S, partial(self._give_up, self._vm))

    def _give_up(self, vm: Vm) -> None:
        if vm is self._vm and self.state == "starting":
            vm.kill()

    def _stop(self, ending: tuple[int | None, float]) -> None:
        """End this run of the chip; `ending`: the next start's cause (None: off) and its delay."""
        if self._restart:
            self._restart.cancel()
        if self._vm:
            if self._ending is None or self._ending[0] is not None:
                self._ending = ending  # without power nothing more happens to a chip
            self._vm.kill()
        else:
            self._next(*ending)

    def _asked(self, op: str, payload: bytes) -> bytes | None:
        if self._ending:
            return None  # a chip that is being reset asks for nothing
        if op == "H":
            return self.board.hello(self._cause, self.mac, raw=self._raw)
        if op in "SQK":
            self._note(op, payload)
            return b""
        if op in "XR":
            self._fall(op, payload)
            return None
        return self.board.handle(op, payload)

    def _note(self, op: str, payload: bytes) -> None:
        """Take note of what the VM has come to: boot.py, its prompt, bytes on the cable."""
        if op == "S":
            self.state, self._quick = "running", 0
            self.resets.append(CAUSES[self._cause])
            if self._vm:
                self._terminal.ready(self._vm)
        elif op == "Q":
            self.state = "prompt"
            if self._raw:
                self._terminal.enter_raw()
        else:
            # A firmware that has Ctrl-C off prints text all the same.
            self._terminal.bytes_only(self.state == "prompt" and not payload[0])

    def _fall(self, op: str, payload: bytes) -> None:
        """End the run at a flash operation chosen by `cut_power_at`, or as the firmware asked."""
        if op == "X":
            self.cuts += 1
            self.flash.disarm()
            self.unplug()
            return
        cause = _RESETS[payload[0]]
        self._raw = self._raw and cause == SOFT
        self._stop((cause, int.from_bytes(payload[1:5], "little") / 1000))  # ms asleep

    def _exited(self, status: int) -> None:
        vm, self._vm = self._vm, None
        if vm is None:
            return
        self.loop.remove(self._channel_fd)
        vm.channel.close()
        self._terminal.ended()
        if self._ending is None:
            self._ending = self._judge(status)
        self._quick = self._quick + 1 if self.state == "starting" else 0
        lived_s = time.monotonic() - self._began
        self._short = self._short + 1 if lived_s < _SHORT_S else 0
        cause, delay_s = self._ending
        if cause is not None and self._quick >= _QUICK:
            self.state = "broken"
            return
        self._next(cause, delay_s)

    def _judge(self, status: int) -> tuple[int, float]:
        """Say what an exit that nobody asked for was: a prompt's end, or a crash."""
        if os.WIFEXITED(status) or os.WTERMSIG(status) == signal.SIGINT:
            self._raw = self.console.raw
            return SOFT, 0.0
        self.console.show(f"the VM died of {signal.Signals(os.WTERMSIG(status)).name}\n".encode())
        return HARD, 0.0

    def _next(self, cause: int | None, delay_s: float) -> None:
        raw = self._raw = self._raw and cause == SOFT
        if cause == SOFT:
            self.board.soft_reset()
            self.console.show(SOFT_REBOOT)
        else:
            self.board.reset()
            self._terminal.lose_input()
        self.console.reset()
        if cause is None:
            self.state = "off"
            return
        self.state = "asleep" if cause == DEEP_SLEEP else "starting"
        if cause == DEEP_SLEEP and not delay_s:
            return  # only the button or a power cycle wakes it
        if not raw:  # on the cable nobody has to be slowed down
            delay_s += _PAUSES_S[min(self._short, len(_PAUSES_S) - 1)]
        if cause != DEEP_SLEEP:
            self._terminal.expect()
        self._restart = self.loop.later(delay_s, lambda: self._start(cause))
