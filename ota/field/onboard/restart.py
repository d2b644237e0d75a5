"""Sent to a node over its serial port, and run there in the raw REPL: a reset that was planned.

What the lamp's pin says is of no account: stopped, the node lets it float, and the lamp is full.
"""

import time

import machine

try:
    from ota.core import bootrecord
    from ota.device import swap

    swap.save("/data", bootrecord.planned(swap.load("/data")))
except Exception as error:  # another firmware, or none: it starts anew all the same
    print("restart: %r" % error)
print('@["restart"]')
time.sleep(0.2)  # for the last line to leave
machine.reset()
