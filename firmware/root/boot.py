"""Run by MicroPython after `_boot.py`; outside the slots, never updated over the air."""

import startup

startup.boot()
