"""One run of a node's VM: a process with its descriptors, from start to exit.

It has no terminal: input and output are sockets, so that nothing it printed is lost when it is
killed, and Ctrl-C is a SIGINT that `interrupt` sends. A pipe's end that only this
process holds kills the VM should this process die in whatever way.
"""

import fcntl
import os
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from sim import runtime
from sim.loop import Loop

_F_SETSIG = 10  # Linux: the signal of O_ASYNC (fcntl(2)); the fcntl module lacks the name
_HIGH = 64  # descriptors to hand over lie above those they become, so that dup2 overwrites none
_LIFE_FD = 6
FIRST_UART_FD = 7


class Vm:
    """A running VM process.

    `pipes`: the sockets (or files) that become its descriptors 0 (input), 1 (output, errors),
    4 (flash), 5 (flash control page) and, from 7 on, its serial lines. `exited` gets the raw wait
    status. `heap`: the firmware's, see runtime.
    """

    def __init__(
        self,
        loop: Loop,
        *,
        stdin: int,
        stdout: int,
        flash: int,
        page: int,
        uarts: Sequence[int],
        exited: Callable[[int], None],
        heap: int = runtime.FIRMWARE_HEAP,
    ) -> None:
        self._loop = loop
        self._exited = exited
        command = runtime.node_command(heap)
        self.channel, theirs = socket.socketpair()
        read_end, self._life = os.pipe()
        wanted = {0: stdin, 1: stdout, 2: stdout, 3: theirs.fileno(), 4: flash, 5: page}
        wanted[_LIFE_FD] = read_end
        wanted.update({FIRST_UART_FD + i: fd for i, fd in enumerate(uarts)})
        self.pid = _spawn(command, wanted)
        fcntl.fcntl(read_end, fcntl.F_SETOWN, self.pid)
        fcntl.fcntl(read_end, _F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(read_end, fcntl.F_SETFL, os.O_ASYNC)
        os.close(read_end)
        theirs.close()
        self.channel.setblocking(False)
        self._pidfd = os.pidfd_open(self.pid)
        self.alive = True
        loop.add(self._pidfd, self._reap)

    def kill(self) -> None:
        """Take its power; `exited` follows."""
        if self.alive:
            os.kill(self.pid, signal.SIGKILL)

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in running code."""
        if self.alive:
            os.kill(self.pid, signal.SIGINT)

    @property
    def runs_code(self) -> bool:
        """Whether it catches SIGINT: MicroPython does while it runs code, not at a prompt."""
        with Path(f"/proc/{self.pid}/status").open(encoding="ascii") as status:
            caught = next((line for line in status if line.startswith("SigCgt:")), "SigCgt: 0")
        return bool(int(caught.split()[1], 16) >> (signal.SIGINT - 1) & 1)

    @property
    def sleeps(self) -> bool:
        """Whether it waits in a system call."""
        return self._state() == "S"

    @property
    def condition(self) -> str:
        """What the kernel says of the process, for error messages: state and wait channel."""
        try:
            channel = Path(f"/proc/{self.pid}/wchan").read_text(encoding="ascii")
            return f"process {self.pid} in state {self._state()} at {channel}"
        except OSError:
            return f"process {self.pid} is gone"

    def ended(self) -> bool:
        """Whether it has ended; takes note of it should the loop not have come to it yet.

        A machine that was paused, or has no CPU left for the loop's thread, is no reason to
        wait for an end that is there.
        """
        with self._loop.lock:
            how = os.WEXITED | os.WNOHANG | os.WNOWAIT
            if self.alive and os.waitid(os.P_PIDFD, self._pidfd, how):
                self._reap()
            return not self.alive

    def _state(self) -> str:
        stat = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii")
        return stat.rpartition(")")[2].split()[0]

    def _reap(self) -> None:
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if not pid:
            return  # told of the VM before, whose pidfd had the same number
        self.alive = False
        self._loop.remove(self._pidfd)
        os.close(self._pidfd)
        os.close(self._life)
        self._exited(status)


def _spawn(command: list[str], wanted: dict[int, int]) -> int:
    """Start the VM with descriptors as wanted (its number → ours) and none beside."""
    high = {
        target: fcntl.fcntl(source, fcntl.F_DUPFD_CLOEXEC, _HIGH)
        for target, source in wanted.items()
    }
    try:
        return os.posix_spawn(
            command[0],
            command,
            runtime.environment(),
            file_actions=[(os.POSIX_SPAWN_DUP2, fd, target) for target, fd in high.items()],
            setsid=True,
            setsigdef=[signal.SIGINT, signal.SIGPIPE],
        )
    finally:
        for fd in high.values():
            os.close(fd)
