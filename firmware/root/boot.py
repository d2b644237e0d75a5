"""Run by MicroPython after `_boot.py`; outside the slots, never updated over the air."""

import machine

machine.WDT(timeout=600_000)  # should a new MicroPython not take our code: back to the old one
import startup  # noqa: E402

startup.boot()
