"""The journal of updates on flash: each step of ota.core.update, its reports first.

    settle(data, say)          after every start, and when a trial has ended
    step(data, event, say)     take a step; the effects that are still to be carried out
    load(data)                 the state
data: "/data"; say: callable, takes a line for the log. Loaded for a step and let go between.
"""

import json

from ota.core import update as machine
from ota.core import versions
from ota.core.errors import RepositoryError
from ota.device import files

_STATE_BYTES = 512


def settle(data: str, say) -> None:  # noqa: ANN001
    """Bring the journal in line with the boot record; what there is to report goes to flash."""
    from ota.core import bootrecord
    from ota.device import swap

    record = swap.load(data)
    outcome = "trying" if record["state"] == "trying" else record["outcome"]
    if outcome:
        event = ("boot", record["action"], record["version"], outcome, record["reason"])
        if ("told",) in step(data, event, say):
            record = bootrecord.reported(record)
            before = bootrecord.other(record["slot"])
            if outcome == "confirmed" and _below_floor(data, before):
                record["spoilt"] = before  # no series of crashes leads back there
            swap.save(data, record)


def _below_floor(data: str, slot: str) -> bool:
    """Say whether a slot's release is below the highest security floor seen, or is none."""
    line = files.read("%s/%s/manifest.jsonl" % (data, slot), _STATE_BYTES) or b""
    try:
        version = json.loads(line[: line.find(b"\n")])["version"]
        return versions.key(version) < versions.key(load(data)["floor"])
    except (ValueError, KeyError, TypeError, RepositoryError):
        return True


def load(data: str) -> dict:
    """Read the state; a fresh one when there is none, or none that makes sense."""
    state = machine.fresh()
    try:
        found = json.loads(files.read(data + "/update", _STATE_BYTES) or b"{}")
        for name, value in state.items():
            if type(found.get(name)) is type(value):
                state[name] = found[name]
        versions.key(state["floor"])
    except (ValueError, AttributeError, RepositoryError):
        return machine.fresh()
    return state


def step(data: str, event: tuple, say) -> list:  # noqa: ANN001
    """Take a step and put it on flash; return the effects."""
    from ota.device.report import Reports

    before = load(data)
    state, effects = machine.step(before, event)
    for effect in effects:
        if effect[0] == "report":
            Reports(data).add(effect[1], effect[2], effect[3], state["version"])
            say("update %s: %s %s" % (state["version"], effect[2], effect[3]))
        elif effect[0] == "answer":
            Reports(data).answer(*effect[1:])
    if state != before:
        files.write(data + "/update", json.dumps(state).encode())
    return effects
