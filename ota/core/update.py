"""The update state machine, pure: step(state, event) -> (state, effects).

The state is a plain dict that the node keeps on flash; the boot record, not this, decides which
slot runs, and `boot` events bring the two in line. Words are stored and sent as they are and are
append-only:

    requested -> downloading -> verified -> staged -> booted -> confirmed | rolled_back
    and from everything before staged -> failed | expired

Events, tuples:
    ("offer", action, version, running, now)    the server wants this node to run `version`
    ("genuine", digest, floor, listed)          TUF vouches for the manifest; it suits this node;
                                                listed: version of the targets metadata
    ("filled",)                                 every file lies in the idle slot, hashed
    ("staged", now)                             the boot record wants the trial
    ("failed", reason)                          not installable: the release's or the node's fault
    ("delayed", reason, now)                    network or server: another time
    ("cancel", cancellation, action)            the server wants the update back
    ("gone", action)                            the server calls the action over (410)
    ("boot", action, version, outcome, reason)  the boot record: outcome "trying", "confirmed",
                                                "rolled_back", "deferred" or "fell"
Effects, tuples, to be carried out in this order, reports first and durably:
    ("report", action, word, reason)   ("answer", cancellation, agreed)   ("fetch", version)
    ("fill",)   ("stage",)   ("reset",)   ("clean",)   ("told",)

Every effect may be carried out twice (the power may go between it and the journal).
"""

from ota.core import limits, versions

ENDS = ("confirmed", "rolled_back", "failed", "expired")
_RUNNING = ("requested", "downloading", "verified")


def fresh() -> dict:
    """Give the state of a node that never took an update.

    action, version, word: of the last update; digest: its manifest's SHA-256; since: unix seconds
    of the offer; day, installs: trials staged on that day; targets, count: trials staged under
    that version of the targets metadata; floor: the highest one seen.
    """
    return {
        "action": "",
        "version": "",
        "word": "",
        "digest": "",
        "since": 0,
        "day": 0,
        "installs": 0,
        "targets": 0,
        "count": 0,
        "floor": "0.0.0",
    }


def step(state: dict, event: tuple) -> tuple[dict, list]:
    """Return the state after an event and what is to be done; the given state is left alone."""
    return _STEPS[event[0]](dict(state), *event[1:])


def _say(state: dict, word: str, reason: str = "") -> tuple:
    state["word"] = word
    return ("report", state["action"], word, reason)


def _offer(state: dict, action: str, version: str, running: str, now: int) -> tuple[dict, list]:
    word = state["word"]
    if action != state["action"]:
        if word in ("staged", "booted"):
            return state, _trial(word)  # it ends first
        state.update(action=action, version=version, digest="", since=now)
        effects = [_say(state, "requested")]
    elif word in ENDS:
        return state, [("report", action, word, "asked again")]
    elif word in ("staged", "booted"):
        return state, _trial(word)
    else:
        effects = []
    if version == running:
        return state, [_say(state, "confirmed", "runs already")]
    if state["day"] == now // 86400 and state["installs"] >= limits.INSTALLS_PER_DAY:
        if effects:
            effects = [_say(state, "requested", "%d installs today" % state["installs"])]
        return state, effects
    effects.append(("fetch", version))
    return state, effects


def _trial(word: str) -> list:
    """Ask again for a staged trial's reset, which was lost; one that runs wants nothing."""
    return [("reset",)] if word == "staged" else []


def _genuine(state: dict, digest: str, floor: str, listed: int) -> tuple[dict, list]:
    if state["word"] not in _RUNNING:
        return state, []
    if listed != state["targets"]:
        state["targets"] = listed
        state["count"] = 0
    if state["count"] >= limits.INSTALLS_PER_LIST:
        return _failed(state, "%d installs under targets %d" % (state["count"], listed))
    state["digest"] = digest
    if versions.key(floor) > versions.key(state["floor"]):
        state["floor"] = floor
    return state, [_say(state, "downloading"), ("fill",)]


def _filled(state: dict) -> tuple[dict, list]:
    if state["word"] != "downloading":
        return state, []
    return state, [_say(state, "verified"), ("stage",)]


def _staged(state: dict, now: int) -> tuple[dict, list]:
    if state["word"] != "verified":
        return state, []
    today = now // 86400
    state["installs"] = state["installs"] + 1 if state["day"] == today else 1
    state["day"] = today
    state["count"] += 1
    return state, [_say(state, "staged"), ("reset",)]


def _failed(state: dict, reason: str) -> tuple[dict, list]:
    if state["word"] not in _RUNNING:
        return state, []
    return state, [_say(state, "failed", reason), ("clean",)]


def _delayed(state: dict, reason: str, now: int) -> tuple[dict, list]:
    if state["word"] not in _RUNNING or now - state["since"] <= limits.UPDATE_S:
        return state, []
    return state, [_say(state, "expired", reason), ("clean",)]


def _cancel(state: dict, cancellation: str, action: str) -> tuple[dict, list]:
    if action == state["action"] and state["word"] in ("staged", "booted"):
        return state, [("answer", cancellation, False)]  # too late: the trial will tell
    state, effects = _gone(state, action)
    effects.insert(0, ("answer", cancellation, True))
    return state, effects


def _gone(state: dict, action: str) -> tuple[dict, list]:
    if action != state["action"] or state["word"] not in _RUNNING:
        return state, []
    state["action"] = state["version"] = state["word"] = state["digest"] = ""
    return state, [("clean",)]


def _boot(state: dict, action: str, version: str, outcome: str, reason: str) -> tuple[dict, list]:
    """Believe the boot record: it was written when the power went, or when the trial ended."""
    effects: list = []
    if action and outcome != "fell":
        if action != state["action"]:
            state.update(action=action, version=version, digest="")
        if outcome == "trying":
            if state["word"] != "booted":
                effects = [_say(state, "booted")]
        elif outcome == "deferred":
            effects = [_say(state, "requested", "deferred: " + reason)]
        elif state["word"] != outcome:
            effects = [_say(state, outcome, reason)]
    if outcome != "trying":
        effects.append(("told",))
    return state, effects


_STEPS = {
    "offer": _offer,
    "genuine": _genuine,
    "filled": _filled,
    "staged": _staged,
    "failed": _failed,
    "delayed": _delayed,
    "cancel": _cancel,
    "gone": _gone,
    "boot": _boot,
}
