"""Lines people can read, on the serial console; what went wrong also on flash, bounded."""

FILE = "/data/log"
_LIMIT_BYTES = 4096
_LINE_MAX = 200


class Console:
    """Lines of the form `[uptime s] level task: message`; never a key, a token or a password."""

    def __init__(self, storage, clock) -> None:
        self._storage = storage
        self._clock = clock

    def info(self, task: str, text: str) -> None:
        """Tell what happens."""
        print(self._line("info ", task, text))

    def warn(self, task: str, text: str) -> None:
        """Tell what is not as it should be, but expected to happen."""
        print(self._line("warn ", task, text))

    def error(self, task: str, text: str) -> None:
        """Tell what went wrong, and keep it: the last one to two blocks of such lines."""
        line = self._line("error", task, text)
        print(line)
        try:
            if self._storage.size(FILE) > _LIMIT_BYTES - _LINE_MAX:
                self._storage.rename(FILE, FILE + ".1")
            self._storage.append(
                FILE, ("%d %s\n" % (self._clock.now(), line))[:_LINE_MAX].encode()
            )
        except OSError:
            print(self._line("error", "log", "no room on flash"))

    def _line(self, level: str, task: str, text: str) -> str:
        ms = self._clock.uptime_ms()
        return "[%6d.%03d] %s %s: %s" % (ms // 1000, ms % 1000, level, task, text)
