"""Stands for esptool 5.6 where no board is: prints what that prints, and fails as that fails.

FAKE_ESPTOOL: JSON with `chip`, `mac`, `flash` (the board), `fail` (a name below), `log` (a file
for the arguments), `stand` (the socket of a node that stands for the board, see benchboard.py).
The texts are those of its cmds.py, loader.py and logger.py, without colours.
"""

import fcntl
import json
import os
import socket
import sys
from pathlib import Path

BOARD = json.loads(os.environ["FAKE_ESPTOOL"])
FAIL = BOARD.get("fail")
HELP = "For troubleshooting steps visit: https://docs.espressif.com/projects/esptool/en/latest/"


def say(text=""):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def die(text, status=2):
    say()
    sys.stderr.write(f"ERROR: {text}\n")
    sys.exit(status)


def fatal(text):
    die(f"A fatal error occurred: {text}")


def tell(*words):
    """Have the node behind the port do something; return its answer, "" where there is none."""
    if "stand" not in BOARD:
        return ""
    with socket.socket(socket.AF_UNIX) as stand:
        stand.connect(BOARD["stand"])
        stand.sendall(json.dumps(words).encode() + b"\n")
        return stand.makefile().readline().strip()


def taken(port):
    """Say whether another program has the port for itself, as pySerial finds out."""
    if "stand" not in BOARD or "://" in port:
        return False
    line = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        fcntl.flock(line, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(line)
    return False


def connect(port):
    say("esptool v5.6.0")
    say(f"Serial port {port}:")
    if FAIL == "busy" or taken(port):
        reason = f"[Errno 11] Could not exclusively lock port {port}: [Errno 11] Resource busy"
        fatal(f"Could not open {port}, the port is busy or doesn't exist.\n({reason})\n")
    if FAIL == "rights":
        reason = f"[Errno 13] could not open port {port}: [Errno 13] Permission denied: '{port}'"
        fatal(
            f"Could not open {port}, the port is busy or doesn't exist.\n({reason})\n\n"
            "Hint: Try to add user into dialout or uucp group.\n"
        )
    say("Connecting......")
    if FAIL == "silent" or tell("state") == "off":
        fatal(f"Failed to connect to Espressif device: No serial data received.\n{HELP}")
    if FAIL == "mode":
        fatal(
            "Failed to connect to Espressif device: Wrong boot mode detected (0x13)! The chip"
            f" needs to be in download mode.\n{HELP}"
        )
    chip = BOARD.get("chip", "ESP32")
    say(f"Detecting chip type... {chip}")
    say(f"Connected to {chip} on {port}:")
    say(f"Chip type:          {chip}-D0WD-V3 (revision v3.1)")
    say("Features:           Wi-Fi, BT, Dual Core + LP Core, 240MHz, Vref calibration in eFuse")
    say("Crystal frequency:  40MHz")
    if chip == "ESP32-C6":
        say("MAC:                24:0a:c4:ff:fe:12:34:56")
        say("BASE MAC:           24:0a:c4:12:34:56")
    else:
        say(f"MAC:                {BOARD.get('mac', '24:0a:c4:12:34:56')}")
    say()
    if FAIL == "locked":
        fatal("The 'flash-id' command is not available in Secure Download Mode.")
    if FAIL == "noise":
        say("Uploading stub flasher...")
        fatal("Serial data stream stopped: Possible serial noise or corruption.")
    say("Stub flasher running.")
    say()


def flash_id():
    say("Flash Memory Information:")
    say("=========================")
    say("Manufacturer: c8")
    say("Device: 4016")
    say(f"Detected flash size: {BOARD.get('flash', '4MB')}")
    say("Flash voltage set by a strapping pin: 3.3V")


def bar(percent, address, size):
    filled = "━" * int(30 * percent / 100)
    done = size * percent / 100
    say(
        f"Writing at {address:#010x} {filled:<30} {percent:>5.1f}% {done:.2f}kB/{size:.2f}kB [1s] "
    )


def write_flash(path):
    size = Path(path).stat().st_size
    if FAIL == "secure":
        fatal(
            "Active security features detected, erasing flash is disabled as a safety measure. Use"
            " the force argument to override, please use with caution, otherwise it may brick your"
            " device!"
        )
    say("Configuring flash size...")
    say("Erasing flash memory (this may take a while)...")
    say("Flash memory erased successfully in 9.4 seconds.")
    for percent in (0.4, 33.3, 66.7, 100.0):
        if FAIL in ("pulled", "lost") and percent > 50:
            if FAIL == "lost":
                fatal(
                    f"No more data to read from the serial port. This can have many causes\n{HELP}"
                )
            die(
                "A serial exception error occurred: device reports readiness to read but returned"
                " no data (device disconnected or multiple access on port?)\nNote: This error"
                f" originates from pySerial.\n{HELP}",
                1,
            )
        bar(percent, int(size * percent / 100), size / 1024)
    say(f"Wrote {size} bytes (1000 compressed) at 0x00000000 in 10.1 seconds (3.2 kbit/s).")
    say("Verifying written data...")
    if FAIL == "worn":
        say("Input MD5: 00")
        say("Flash MD5: 01")
        fatal("MD5 of file does not match data in flash!")
    tell("flash", path)
    say("Hash of data verified.")


def main(words):
    with Path(BOARD["log"]).open("a", encoding="utf-8") as file:
        file.write(json.dumps(words) + "\n")
    connect(words[words.index("--port") + 1])
    if "flash-id" in words:
        flash_id()
    else:
        assert words[-4:-1] == ["write-flash", "--erase-all", "0"], words
        write_flash(words[-1])
    say()
    say("Hard resetting via RTS pin...")
    tell("reset")


main(sys.argv[1:])
