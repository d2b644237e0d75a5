"""A technician's desk: what a server and its operator want of a node, and a cable to one."""

from ota.field import session
from ota.field.faults import CableError
from ota.field.provision import Wishes

KNOWN = {"port": 8443, "names": ["fleet.example"], "sntp_port": 1123, "root": None}
WISHES = Wishes("Pier 3", "harbour", [54.3, 10.1], "city", "lamplight")
ID = "240ac4fffe123456"


ABOUT = {
    "id": ID,
    "machine": "Generic",
    "runtime": "1.27.0",
    "board": "esp32",
    "version": "1.0.0",
    "name": "Pier 3",
    "site": "harbour",
    "files": {},
    "free": 12,
    "roots": [["a"], []],
    "locked": [],
}


def about(**changes):
    return session.About(**(ABOUT | changes))


class Wire:
    """A cable whose node prints these lines."""

    port = "/dev/ttyUSB0"

    def __init__(self, *lines, fault=None):
        self._lines = lines
        self._fault = fault
        self.ran = []

    def run(self, program, *, fresh=True):  # noqa: ARG002 - a cable's
        self.ran.append(program)

    def lines(self, silence_s):  # noqa: ARG002 - a cable's
        yield from self._lines
        if self._fault:
            raise CableError(self._fault)

    console = lines
