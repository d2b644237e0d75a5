"""What processes cost the machine: memory without counting shared pages twice, CPU time."""

import os
from collections.abc import Iterable
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_UTIME, _STIME = 11, 12  # behind the name (proc(5), /proc/pid/stat)


def pss_bytes(pids: Iterable[int]) -> int:
    """Return the proportional set size of processes together; one that is gone counts nothing."""
    return sum(_pss_bytes(pid) for pid in pids)


def cpu_s(pids: Iterable[int]) -> float:
    """Return the CPU seconds of this process, of its children that have ended, and of `pids`."""
    return sum(os.times()[:4]) + sum(_cpu_s(pid) for pid in pids)


def _pss_bytes(pid: int) -> int:
    text = _read(pid, "smaps_rollup")
    lines = (line.split() for line in text.splitlines())
    return sum(int(words[1]) * 1024 for words in lines if words[0] == "Pss:")


def _cpu_s(pid: int) -> float:
    fields = _read(pid, "stat").rpartition(")")[2].split()
    return (int(fields[_UTIME]) + int(fields[_STIME])) * _TICK_S if fields else 0.0


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
