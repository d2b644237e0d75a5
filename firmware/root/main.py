"""Run by MicroPython after boot.py; outside the slots, never updated over the air."""

import startup

startup.main()
