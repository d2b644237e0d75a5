"""The parts of both ports that need nothing but MicroPython: clock, files, UDP, names."""

import asyncio
import gc
import os
import socket

_FOLDER = 0x4000  # of a file's type or mode
_TICKS_MASK = (1 << 30) - 1
_UDP_LIMIT = 512
_UDP_POLL_S = 0.02
_BLOCK_BYTES = 4096
_LATEST_S = 1 << 32  # the year 2106: what is later is a lie, and more than an RTC takes
BUFFER_BYTES = 3072  # a pack of readings


class Clock:
    """Unix time over a tick counter; `ticks_ms` wraps at 2**30 ms or more."""

    def __init__(self, ticks_ms, rtc_s: int, set_rtc) -> None:
        self._ticks_ms = ticks_ms
        self._set_rtc = set_rtc
        self._last = ticks_ms() & _TICKS_MASK
        self._s = self._ms = 0
        self._floor_s = 0
        self._offset_s = rtc_s
        self._turned = False
        self.synced = False
        self.source = "rtc"

    def uptime_s(self) -> int:
        """Count the seconds since the start."""
        ticks = self._ticks_ms() & _TICKS_MASK
        self._ms += (ticks - self._last) & _TICKS_MASK
        self._last = ticks
        self._s += self._ms // 1000
        self._ms %= 1000
        return self._s

    def uptime_ms(self) -> int:
        """Count the milliseconds since the start."""
        return self.uptime_s() * 1000 + self._ms

    def now(self) -> int:
        """Tell the time as unix seconds; a lower bound while not synced."""
        return self.uptime_s() + self._offset_s

    def at_least(self, unix_s: int, source: str, binding: bool = True) -> None:
        """Raise the lower bound: it cannot be earlier, or not `binding`, it hardly is."""
        if binding:
            self._floor_s = max(self._floor_s, unix_s)
        if not self.synced and self.now() < unix_s < _LATEST_S:
            self._offset_s = unix_s - self.uptime_s()
            self.source = source
            self._set_rtc(unix_s)  # by which TLS judges certificates

    def turn(self, unix_s: int) -> None:
        """Have TLS judge certificates by this time and, at every other call, by the clock's."""
        self._turned = not self._turned
        self._set_rtc(unix_s if self._turned else self.now())

    def set(self, unix_s: int, source: str) -> bool:
        """Take a time server's word, unless it contradicts what is known."""
        if not self._floor_s <= unix_s < _LATEST_S:
            return False
        self._offset_s = unix_s - self.uptime_s()
        self.synced = True
        self.source = source
        self._set_rtc(unix_s)
        return True


class Memory:
    """What is free, and what was at the lowest; one large buffer, taken while there is room."""

    def __init__(self) -> None:
        self.lowest = {}
        self.buffer = None

    def note(self) -> dict:
        """Collect, measure, keep the least."""
        gc.collect()
        found = self.figures()  # pyright: ignore[reportAttributeAccessIssue] - each port's own
        for name in found:
            self.lowest[name] = min(found[name], self.lowest.get(name, found[name]))
        return found


class Storage:
    """Files by absolute path, below `root`."""

    def __init__(self, root: str = "") -> None:
        self._root = root

    def read(self, path: str, limit: int) -> bytes | None:
        """Read a whole small file."""
        try:
            with open(self._root + path, "rb") as file:
                data = file.read(limit + 1)
        except OSError:
            return None
        if len(data) > limit:
            raise ValueError("%s is longer than %d bytes" % (path, limit))
        return data

    def write(self, path: str, data: bytes) -> None:
        """Replace a file whole."""
        new = self._root + path + ".new"
        with open(new, "wb") as file:
            file.write(data)
        _sync()
        os.rename(new, self._root + path)

    def append(self, path: str, data: bytes) -> None:
        """Lengthen a file, made when there is none."""
        with open(self._root + path, "ab") as file:
            file.write(data)
        _sync()

    def open(self, path: str, mode: str = "rb"):
        """Open a file for reading or writing in pieces; the caller closes it."""
        return open(self._root + path, mode)

    def remove(self, path: str) -> None:
        """Remove a file."""
        try:
            os.remove(self._root + path)
        except OSError:
            if self.exists(path):
                raise

    def rename(self, old: str, new: str) -> None:
        """Rename a file over another."""
        os.rename(self._root + old, self._root + new)

    def make_folder(self, path: str) -> None:
        """Make a folder whose parent exists; a file that stands in its place is set aside."""
        stat = self._stat(path)
        if stat and not stat[0] & _FOLDER:
            self.rename(path, path + ".odd")
        if not stat or not stat[0] & _FOLDER:
            os.mkdir(self._root + path)

    def list(self, path: str) -> list:
        """Name the files in a folder, sorted."""
        try:
            return sorted(
                [each[0] for each in os.ilistdir(self._root + path) if each[1] != _FOLDER]
            )
        except OSError:
            return []

    def exists(self, path: str) -> bool:
        """Say whether there is such a file or folder."""
        return self._stat(path) is not None

    def size(self, path: str) -> int:
        """Measure a file in bytes; 0 without it."""
        stat = self._stat(path)
        return stat[6] if stat else 0

    def free_blocks(self, path: str = "/data") -> int:
        """Count the free 4 KiB blocks."""
        stat = os.statvfs(self._root + path)
        free = stat[3] if 0 <= stat[3] <= stat[2] else 0  # full, LittleFS counts some blocks twice
        return stat[0] * free // _BLOCK_BYTES

    def _stat(self, path: str) -> tuple | None:
        try:
            return os.stat(self._root + path)
        except OSError:
            return None


def _sync() -> None:
    if hasattr(os, "sync"):
        os.sync()


def is_address(host: str) -> bool:
    """Say whether `host` is an IPv4 address in dotted form."""
    parts = host.split(".")
    return len(parts) == 4 and all(p.isdigit() and len(p) < 4 and int(p) < 256 for p in parts)


async def udp(address: str, port: int, data: bytes, timeout_ms: int) -> bytes:
    """Send one datagram and wait for the peer's answer, at most 512 bytes."""
    peer = socket.getaddrinfo(address, port)[0][-1]
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.connect(peer)  # from here on only the peer's datagrams come in
        sock.send(data)
        waited_s = 0
        while waited_s * 1000 < timeout_ms:
            await asyncio.sleep(_UDP_POLL_S)
            waited_s += _UDP_POLL_S
            try:
                return sock.recv(_UDP_LIMIT)
            except OSError as error:
                if error.args[0] != 11:  # EAGAIN
                    raise
    finally:
        sock.close()
    raise OSError(110, "no answer")  # ETIMEDOUT


class Names:
    """Host names to addresses by a query of our own: the platform's would stop the loop."""

    def __init__(self, random) -> None:
        self._random = random
        self._known = {}

    async def resolve(self, host: str, server: str) -> str:
        """Ask `server`; fall back on the last good address."""
        if is_address(host):
            return host
        from firmware.ports import dns

        query = dns.query(host, self._random(2))
        for timeout_ms in (1000, 3000):
            try:
                answer = dns.answer(await udp(server, 53, query, timeout_ms), query)
            except OSError:
                continue
            if answer:
                if len(self._known) >= 8:
                    self._known.clear()
                self._known[host] = answer
                break
        if host not in self._known:
            raise OSError(2, "no address for " + host)
        return self._known[host]
