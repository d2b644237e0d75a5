"""A node's serial port on the network: what `socket://` and `rfc2217://` reach."""

import contextlib
import os
import select
import socket
import threading
from types import SimpleNamespace

from serial.rfc2217 import PortManager


class SerialSocket:
    """Serves the port at `path` to one client after the other; `url` for pySerial.

    rfc2217: with telnet's options for a serial line around the bytes, as a terminal server has;
    `en`: called when its control lines have pulled a board's EN low and let go of it.
    """

    def __init__(self, path, *, rfc2217=False, en=None):
        self._path = path
        self._rfc2217 = rfc2217
        self._line = Line(en or (lambda: None))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self):
        scheme = "rfc2217" if self._rfc2217 else "socket"
        return f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self):
        self._over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _serve(self):
        while not self._over.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            port = os.open(self._path, os.O_RDWR | os.O_NOCTTY)
            with client, contextlib.suppress(OSError):
                self._carry(client, port)
            os.close(port)

    def _carry(self, client, port):
        heard = said = bytes
        if self._rfc2217:
            telnet = PortManager(self._line, SimpleNamespace(write=client.sendall))
            heard, said = _joined(telnet.filter), _joined(telnet.escape)
        while not self._over.is_set():
            for each in select.select([client, port], [], [], 0.1)[0]:
                if each is client:
                    data = client.recv(4096)
                    if not data:
                        return
                    os.write(port, heard(data))
                else:
                    client.sendall(said(os.read(port, 4096)))


def _joined(change):
    return lambda data: b"".join(change(data))


class Line(SimpleNamespace):
    """A line whose settings are taken, and of no effect: a PTY has none.

    Its control lines end at the usual reset circuit of a board: RTS low with DTR high is EN low.
    """

    def __init__(self, en):
        names = ("cts", "dsr", "ri", "cd", "dtr", "break_condition", "rtscts", "xonxoff", "dsrdtr")
        super().__init__(baudrate=115_200, bytesize=8, parity="N", stopbits=1)
        self.__dict__.update(dict.fromkeys(names, False))
        self._en, self._rts = en, False

    @property
    def rts(self):
        return self._rts

    @rts.setter
    def rts(self, asserted):
        was_low = self._rts and not self.dtr
        self._rts = asserted
        if was_low and not asserted:
            self._en()

    def reset_input_buffer(self):
        pass

    reset_output_buffer = reset_input_buffer
