"""Stands for uhubctl 2.5: one hub at 1-1.4 whose port 2 switches the node of benchboard.py.

FAKE_UHUBCTL: JSON with `stand` (that node's socket), `fail` (a name below), `log` (a file for the
arguments). The texts are those of uhubctl.c.
"""

import json
import os
import socket
import sys
from pathlib import Path

HUB = json.loads(os.environ["FAKE_UHUBCTL"])
FAIL = HUB.get("fail")
NAME = "1-1.4 [2109:2813 VIA Labs, Inc. USB2.0 Hub, USB 2.10, 4 ports, ppps]"


DUAL = "2-1.4 [2109:0813 VIA Labs, Inc. USB3.0 Hub, USB 3.10, 4 ports, ppps]"


def tell(*words):
    with socket.socket(socket.AF_UNIX) as stand:
        stand.connect(HUB["stand"])
        stand.sendall(json.dumps(words).encode() + b"\n")
        return stand.makefile().readline().strip()


def status(title):
    """Print the port in both halves of the hub; the device's own name may say anything."""
    on, fast = "0103 power enable connect [1a86:7523 USB off Serial]", "02a0 power 5gbps Rx.Detect"
    off, slow = "0000 off", "0080 off"
    powered = tell("state") != "off"
    sys.stdout.write(f"{title} status for hub {NAME}\n  Port 2: {on if powered else off}\n")
    powered = powered and FAIL != "half"
    sys.stdout.write(f"{title} status for hub {DUAL}\n  Port 2: {fast if powered else slow}\n")


def main(words):
    with Path(HUB["log"]).open("a", encoding="utf-8") as file:
        file.write(json.dumps(words) + "\n")
    location, port, action = words[1], words[3], words[5]
    assert words[::2] == ["-l", "-p", "-a"], words
    if FAIL == "rights":
        sys.stderr.write(f"No compatible devices detected at location {location}!\n")
        sys.stderr.write("Run with -h to get usage info.\n")
        sys.stderr.write("There were permission problems while accessing USB.\n")
        sys.exit(1)
    if location != "1-1.4":
        sys.stderr.write(f"No compatible devices detected at location {location}!\n")
        sys.stderr.write("Run with -h to get usage info.\n")
        sys.exit(1)
    if port != "2":
        sys.stdout.write(f"Current status for hub {NAME}\n")
        sys.stdout.write(f"Sent power {action} request\nNew status for hub {NAME}\n")
        return
    status("Current")
    if FAIL != "stuck":
        tell(action)
    sys.stdout.write(f"Sent power {action} request\n")
    status("New")


main(sys.argv[1:])
