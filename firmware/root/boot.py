"""Run by MicroPython after `_boot.py`; outside the slots, never updated over the air."""

try:
    import micropython

    micropython.kbd_intr(-1)  # Ctrl-C is a byte until it is known that the console is open
    for _ in ".":
        pass  # one that came before is raised here, at a jump, and is of no account
except KeyboardInterrupt:
    pass
import machine

machine.WDT(timeout=600_000)  # should a new MicroPython not take our code: back to the old one
try:
    import startup

    startup.boot()
except Exception as error:  # damaged boot code leaves an open console at its prompt
    import sys
    import time

    sys.print_exception(error)
    with open("/etc/config.json", "rb") as file:
        if b'"console"' not in file.read():
            raise
    time.sleep(5)
    machine.reset()
