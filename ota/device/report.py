"""Tells the server how an update goes: DDI feedback, kept on flash until it is accepted.

One JSON line a report in DATA/reports. A report goes when the server has taken it, or says that
it never will: 404 and 410 (the action is over), 400, 405, 409, 413, 415 and 422 (sent again, it
would be no better). Sent twice (the power went in between), it says the same twice.
"""

import json

from ota.core import limits
from ota.device import files
from ota.device.poll import base

_RESULTS = {
    "confirmed": "success",
    "rolled_back": "failure",
    "failed": "failure",
    "expired": "failure",
}
_NEVER = (400, 404, 405, 409, 410, 413, 415, 422)
_LINE_BYTES = 256
_CABLE = "cable-"  # begins the id of an update that came by cable (ota/field/deploy.py)


class Reports:
    """The reports not yet accepted; data: the folder that keeps them ("/data")."""

    def __init__(self, data: str) -> None:
        self._path = data + "/reports"

    def add(self, action: str, word: str, reason: str = "", version: str = "") -> None:
        """Keep a report of an update's word; of one by cable only what is installed now."""
        if action[:6] == _CABLE:
            if word == "confirmed":
                self._append(["installedBase", action, version, ""])
            return
        self._append(["deploymentBase", action, word, _plain(reason)])

    def answer(self, cancellation: str, agreed: bool) -> None:
        """Keep the answer to a cancelAction."""
        self._append(["cancelAction", cancellation, "closed" if agreed else "rejected", ""])

    async def send(self, client, device: str) -> list[str]:  # noqa: ANN001 - an http.Client
        """Send what is kept, oldest first; return the actions that the server calls over.

        NetworkError or ServerError when that ended early; what was not taken stays.
        """
        gone: list[str] = []
        sent = 0
        lines = self._lines()
        try:
            for line in lines:
                kind, action, word, reason = line
                method, path = "POST", "%s/%s/%s/feedback" % (base(device), kind, action)
                if kind == "installedBase":
                    method, path = "PUT", base(device) + "/installedBase"
                    said = {"name": "lamppost", "version": word}
                else:
                    said = _feedback(kind, action, word, reason)
                body = json.dumps(said).encode()
                response = await client.request(method, path, body, "application/json")
                if response.status >= 300 and response.status not in _NEVER:
                    raise response.refusal()
                if response.status in (404, 410) and kind == "deploymentBase":
                    gone.append(action)
                sent += 1
        finally:
            if sent or not lines:
                self._keep(self._lines()[sent:])
        return gone

    def _lines(self) -> list[list[str]]:
        lines: list[list[str]] = []
        try:
            with open(self._path, "rb") as file:
                while len(lines) < limits.REPORTS:
                    line = file.readline(_LINE_BYTES)
                    if not line:
                        break
                    try:
                        found = json.loads(line)
                    except ValueError:
                        continue  # torn by a power cut
                    if type(found) is list and [type(each) for each in found] == [str] * 4:
                        lines.append(found)
        except OSError:
            pass  # none are kept
        return lines

    def _append(self, report: list[str]) -> None:
        lines = self._lines()
        if report in lines:
            return
        lines.append(report)
        self._keep(lines[-limits.REPORTS :])

    def _keep(self, lines: list[list[str]]) -> None:
        if lines:
            files.write(self._path, b"".join([json.dumps(x).encode() + b"\n" for x in lines]))
        else:
            files.remove(self._path)


def _plain(text: str) -> str:
    """At most 96 printable ASCII characters, so that a line's length is known."""
    return "".join([c if " " <= c <= "~" and c not in '"\\' else "'" for c in text[:96]])


def _feedback(kind: str, action: str, word: str, reason: str) -> dict:
    if kind == "cancelAction":
        execution, result, details = word, "success" if word == "closed" else "failure", []
    else:
        result = _RESULTS.get(word, "none")
        execution = "proceeding" if result == "none" else "closed"
        details = ["state=" + word]
        if reason:
            details.append("reason=" + reason)
    status = {"execution": execution, "result": {"finished": result}, "details": details}
    return {"id": action, "status": status}
